//! The table as a clap parser, which types what the lenient reading put in order.

use clap::builder::Command as Parser;
use clap::{Arg, ArgAction, value_parser};
use libcontainer::error::{Error, ErrorKind};

use super::globals::GLOBALS;
use super::{Opt, Value, Words};
use crate::commands;

/// The name under which clap keeps a command's arguments.
pub(super) const ARGUMENTS: &str = "arguments";

/// Types a command line as [`super::read`] orders it: the global words and, when
/// a command is among them, its own.
///
/// # Errors
/// `Internal`: the lenient reading lets nothing through that clap refuses.
pub(crate) fn parse(argv: &[String]) -> Result<(Words, Option<Words>), Error> {
    let mut matches = parser(argv)
        .try_get_matches_from(argv)
        .map_err(|error| Error::new(ErrorKind::Internal, one_line(&error.to_string())))?;
    let command = matches.remove_subcommand().map(|(name, matches)| {
        let options = commands::find(&name).map_or(&[][..], |command| command.options);
        Words::new(matches, options)
    });
    Ok((Words::new(matches, &GLOBALS), command))
}

/// What of the table this command line uses: a parser of everything would cost more
/// memory than the rest of most commands.
fn parser(argv: &[String]) -> Parser {
    let (globals, rest) = match argv.iter().position(|word| !word.starts_with('-')) {
        Some(command) => argv.split_at(command),
        None => (argv, &[][..]),
    };
    let parser = with_options(Parser::new("lodge").no_binary_name(true), &GLOBALS, globals);
    let Some((name, words)) = rest.split_first() else {
        return parser;
    };
    let Some(command) = commands::find(name) else {
        return parser;
    };
    let arguments = Arg::new(ARGUMENTS)
        .num_args(0..)
        .action(ArgAction::Append)
        .value_parser(value_parser!(String));
    let own = with_options(Parser::new(command.name), command.options, words);
    parser.subcommand(own.arg(arguments))
}

/// Gives a parser those of the options that are among the words.
fn with_options(parser: Parser, options: &[Opt], words: &[String]) -> Parser {
    let used = |option: &&Opt| {
        let mut names = words.iter().take_while(|word| *word != "--");
        names.any(|word| {
            let name = word
                .strip_prefix("--")
                .and_then(|word| word.split('=').next());
            name == Some(option.long)
        })
    };
    bare(parser).args(options.iter().filter(used).map(arg))
}

/// Help and version are answered before; the last of an option counts.
fn bare(parser: Parser) -> Parser {
    parser
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
}

fn arg(option: &Opt) -> Arg {
    let arg = Arg::new(option.long).long(option.long).num_args(1);
    match option.value {
        Value::Switch => arg.action(ArgAction::Set).value_parser(value_parser!(bool)),
        Value::Text => arg
            .action(ArgAction::Set)
            .value_parser(value_parser!(String)),
        Value::Number => arg.action(ArgAction::Set).value_parser(value_parser!(u32)),
        Value::List => arg
            .action(ArgAction::Append)
            .value_parser(value_parser!(String)),
    }
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{parse, parser};
    use crate::args::globals::GLOBALS;
    use crate::commands;

    /// With every option at once.
    #[test]
    fn the_table_makes_a_sound_parser() {
        let name = |option: &crate::args::Opt| format!("--{}", option.long);
        for command in commands::ALL {
            let mut argv: Vec<String> = GLOBALS.iter().map(name).collect();
            argv.push(command.name.to_owned());
            argv.extend(command.options.iter().map(name));
            let parser = parser(&argv);
            assert_eq!(parser.get_arguments().count(), GLOBALS.len());
            let own = parser.find_subcommand(command.name).unwrap();
            assert_eq!(own.get_arguments().count(), command.options.len() + 1);
            parser.debug_assert();
        }
    }

    fn words(argv: &[&str]) -> Vec<String> {
        argv.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn words_are_typed() {
        let (globals, command) = parse(&words(&[
            "--debug=true",
            "--root=/r",
            "run",
            "--bundle=a",
            "--bundle=-b",
            "--detach=true",
            "--detach=false",
            "--preserve-fds=3",
            "--",
            "--id",
        ]))
        .unwrap();
        let command = command.unwrap();
        assert!(globals.switch("debug"));
        assert!(!globals.switch("systemd-cgroup"));
        assert_eq!(globals.text("root"), Some("/r"));
        assert_eq!(command.text("bundle"), Some("-b"));
        assert!(!command.switch("detach"));
        assert_eq!(command.number("preserve-fds"), Some(3));
        assert_eq!(command.args(), ["--id"]);
        assert_eq!(command.arg(0), "--id");
        assert_eq!(command.arg(1), "");
        assert!(command.has("bundle"));
        assert!(!command.has("pid-file"));
    }

    #[test]
    fn a_list_keeps_all_and_commas() {
        let (_, command) = parse(&words(&[
            "exec",
            "--env=A=1,2",
            "--env=",
            "--env=B=--x",
            "--",
            "c",
            "ls",
            "-l",
        ]))
        .unwrap();
        let command = command.unwrap();
        assert_eq!(command.list("env"), ["A=1,2", "", "B=--x"]);
        assert_eq!(command.args(), ["c", "ls", "-l"]);
    }

    #[test]
    fn globals_alone_are_enough() {
        let (globals, command) = parse(&words(&["--log=x"])).unwrap();
        assert_eq!(globals.text("log"), Some("x"));
        assert!(command.is_none());
    }
}
