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
    let mut matches = parser()
        .try_get_matches_from(argv)
        .map_err(|error| Error::new(ErrorKind::Internal, one_line(&error.to_string())))?;
    let command = matches
        .remove_subcommand()
        .map(|(_, matches)| Words::new(matches));
    Ok((Words::new(matches), command))
}

/// The whole table. Only the command that is used is filled in.
fn parser() -> Parser {
    let parser = bare(Parser::new("lodge").no_binary_name(true)).args(GLOBALS.iter().map(arg));
    commands::ALL.iter().fold(parser, |parser, command| {
        parser.subcommand(Parser::new(command.name).defer(fill))
    })
}

/// Gives a subcommand its options and arguments.
fn fill(parser: Parser) -> Parser {
    let options = commands::find(parser.get_name()).map_or(&[][..], |command| command.options);
    let arguments = Arg::new(ARGUMENTS)
        .num_args(0..)
        .action(ArgAction::Append)
        .value_parser(value_parser!(String));
    bare(parser).args(options.iter().map(arg)).arg(arguments)
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
    use super::{fill, parse, parser};
    use crate::commands;
    use clap::builder::Command as Parser;

    #[test]
    fn the_table_makes_a_sound_parser() {
        parser().debug_assert();
        for command in commands::ALL {
            fill(Parser::new(command.name)).debug_assert();
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
