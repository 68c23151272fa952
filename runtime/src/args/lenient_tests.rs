#![expect(
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use super::{GLOBALS, Grammar, Intent, Misuse, boolean, read};
use crate::args::parse;
use crate::commands;
use proptest::prelude::*;

fn intent(line: &str) -> Intent {
    let argv: Vec<String> = line
        .split(' ')
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect();
    read("lodge", &argv)
}

fn ordered(line: &str) -> String {
    match intent(line) {
        Intent::Run(_, argv) => argv.join(" "),
        other => panic!("{line}: {other:?}"),
    }
}

fn misuse(line: &str) -> Misuse {
    match intent(line) {
        Intent::Misused(misuse) => misuse,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn spellings_are_put_in_one_order() {
    for (line, wanted) in [
        ("state c", "state -- c"),
        ("--root /r state c", "--root=/r state -- c"),
        ("--root=/r state c", "--root=/r state -- c"),
        (
            "-root /r --debug state c",
            "--root=/r --debug=true state -- c",
        ),
        ("--log= state c", "--log= state -- c"),
        ("--debug=false state c", "--debug=false state -- c"),
        ("--rootless=auto state c", "--rootless=auto state -- c"),
        // Options after the arguments.
        ("create c --bundle /b", "create --bundle=/b -- c"),
        (
            "create c -b /b -no-pivot",
            "create --bundle=/b --no-pivot=true -- c",
        ),
        ("delete c --force", "delete --force=true -- c"),
        ("delete -f=0 c", "delete --force=false -- c"),
        ("kill c --all 9", "kill --all=true -- c 9"),
        (
            "run -no-subreaper -d c",
            "run --no-subreaper=true --detach=true -- c",
        ),
        // A value is a value whatever it looks like.
        ("create --bundle --keep c", "create --bundle=--keep -- c"),
        ("create --pid-file=a=b c", "create --pid-file=a=b -- c"),
        ("create --bundle -- c", "create --bundle=-- -- c"),
        // The end of options.
        ("state -- --c", "state -- --c"),
        ("kill -- c -9", "kill -- c -9"),
        ("state -", "state -- -"),
        // Everything after the id is the command's.
        (
            "exec -t c ls -l --bundle -h",
            "exec --tty=true -- c ls -l --bundle -h",
        ),
        ("exec c -- ls", "exec -- c -- ls"),
        ("exec -- c ls", "exec -- c ls"),
        (
            "exec -e A=1 --env=B=2 c x",
            "exec --env=A=1 --env=B=2 -- c x",
        ),
        (
            "exec -td -u 1:2 c x",
            "exec --tty=true --detach=true --user=1:2 -- c x",
        ),
        ("exec -tu 1 c x", "exec --tty=true --user=1 -- c x"),
        (
            "ps -f json c -e -x --help",
            "ps --format=json -- c -e -x --help",
        ),
    ] {
        assert_eq!(ordered(line), wanted, "{line}");
    }
}

#[test]
fn faults_are_told_in_known_words() {
    for (line, wanted) in [
        (
            "--frobnicate state c",
            "flag provided but not defined: -frobnicate",
        ),
        (
            "state --frobnicate c",
            "flag provided but not defined: -frobnicate",
        ),
        (
            "create -bundel /b c",
            "flag provided but not defined: -bundel",
        ),
        ("create -b/path c", "flag provided but not defined: -b/path"),
        ("exec -ut 1 c x", "flag provided but not defined: -ut"),
        ("create c --bundle", "flag needs an argument: -bundle"),
        ("--root", "flag needs an argument: -root"),
        (
            "delete --force=maybe c",
            "invalid boolean value \"maybe\" for -force: parse error",
        ),
        (
            "create --preserve-fds x c",
            "invalid value \"x\" for flag -preserve-fds: parse error",
        ),
        (
            "create --preserve-fds -1 c",
            "invalid value \"-1\" for flag -preserve-fds: parse error",
        ),
        (
            "create --preserve-fds=+1 c",
            "invalid value \"+1\" for flag -preserve-fds: parse error",
        ),
    ] {
        let misuse = misuse(line);
        assert_eq!(misuse.message, wanted, "{line}");
        assert!(misuse.of_option, "{line}");
    }
}

#[test]
fn a_wrong_number_of_arguments_is_told() {
    for (line, wanted) in [
        ("create", "lodge: \"create\" requires exactly 1 argument(s)"),
        (
            "state a b",
            "lodge: \"state\" requires exactly 1 argument(s)",
        ),
        ("list x", "lodge: \"list\" requires exactly 0 argument(s)"),
        (
            "kill",
            "lodge: \"kill\" requires a minimum of 1 argument(s)",
        ),
        (
            "kill a 9 b",
            "lodge: \"kill\" requires a maximum of 2 argument(s)",
        ),
        (
            "exec",
            "lodge: \"exec\" requires a minimum of 1 argument(s)",
        ),
        (
            "ps -f json",
            "lodge: \"ps\" requires a minimum of 1 argument(s)",
        ),
    ] {
        let misuse = misuse(line);
        assert_eq!(misuse.message, wanted, "{line}");
        assert!(!misuse.of_option, "{line}");
    }
}

#[test]
fn a_fault_keeps_the_way_to_the_log() {
    let misuse = misuse("--log /l --log-format json create");
    assert_eq!(misuse.globals, ["--log=/l", "--log-format=json"]);
    assert_eq!(misuse.command.map(|command| command.name), Some("create"));
}

#[test]
fn help_is_asked_for_in_many_ways() {
    for line in ["", "help", "h", "-h", "--help", "-help", "--debug -h state"] {
        assert!(matches!(intent(line), Intent::Help(None)), "{line}");
    }
    for line in [
        "help state",
        "h state",
        "state -h",
        "state --help",
        "state c -help",
    ] {
        let Intent::Help(Some(command)) = intent(line) else {
            panic!("{line}");
        };
        assert_eq!(command.name, "state", "{line}");
    }
    for line in ["foo", "foo -h", "help foo"] {
        let Intent::UnknownTopic(topic) = intent(line) else {
            panic!("{line}");
        };
        assert_eq!(topic, "foo", "{line}");
    }
    for line in ["-v", "--version", "-version", "--debug -v"] {
        assert!(matches!(intent(line), Intent::Version), "{line}");
    }
    assert_eq!(
        misuse("state -v c").message,
        "flag provided but not defined: -v"
    );
}

#[test]
fn booleans_have_these_spellings() {
    for text in ["1", "t", "T", "true", "TRUE", "True"] {
        assert_eq!(boolean(text), Some(true), "{text}");
    }
    for text in ["0", "f", "F", "false", "FALSE", "False"] {
        assert_eq!(boolean(text), Some(false), "{text}");
    }
    for text in ["", "yes", "tRue", " 1", "2"] {
        assert_eq!(boolean(text), None, "{text}");
    }
}

/// A word that is likely to matter.
fn word() -> impl Strategy<Value = String> {
    let known: Vec<String> = commands::ALL
        .iter()
        .flat_map(|command| command.options)
        .chain(&GLOBALS)
        .flat_map(|option| {
            let long = option.long;
            let short = option.short.map(|letter| format!("-{letter}"));
            [
                format!("--{long}"),
                format!("-{long}"),
                format!("--{long}=1"),
                format!("-{long}="),
                format!("--{long}=false"),
            ]
            .into_iter()
            .chain(short)
        })
        .chain(commands::ALL.iter().map(|command| command.name.to_owned()))
        .collect();
    prop_oneof![
        4 => proptest::sample::select(known),
        1 => "-{0,3}[a-z=]{0,4}",
        1 => any::<String>(),
    ]
}

proptest! {
    /// The parser behind refuses nothing that was put in order, and types exactly
    /// the arguments that were found.
    #[test]
    fn what_is_in_order_is_understood(argv in proptest::collection::vec(word(), 0..8)) {
        match read("lodge", &argv) {
            Intent::Run(command, ordered) => {
                let (_, words) = parse(&ordered).map_err(|e| TestCaseError::fail(e.to_string()))?;
                let words = words.ok_or_else(|| TestCaseError::fail("no command"))?;
                let args = words.args();
                prop_assert!(command.arity.fault(args.len()).is_none());
                prop_assert!(argv.ends_with(&args.iter().map(|&a| a.to_owned()).collect::<Vec<_>>())
                    || command.grammar == Grammar::Anywhere);
            }
            Intent::Misused(misuse) => {
                prop_assert!(parse(&misuse.globals).is_ok(), "{:?}", misuse.globals);
                prop_assert!(!misuse.message.is_empty());
            }
            Intent::Help(_) | Intent::UnknownTopic(_) | Intent::Version => {}
        }
    }
}
