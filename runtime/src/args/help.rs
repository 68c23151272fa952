//! The help, rendered from the table.

use std::fmt::Write as _;

use super::globals::GLOBALS;
use super::{Command, Opt, Value};
use crate::commands;
use crate::version;

/// The help of the program.
pub(crate) fn program_help(program: &str) -> String {
    let mut text = format!(
        "NAME:
   lodge - Open Container Initiative runtime

lodge runs containers that are described by a bundle: a directory with a
configuration, \"config.json\", and a root file system. It is meant to be called
by a container engine, and works as well by hand:

    # cd BUNDLE && {program} spec && {program} run ID

USAGE:
   {program} [global options] command [command options] [arguments...]

VERSION:
   {}

COMMANDS:
",
        version::text().trim_end().replace('\n', "\n   "),
    );
    let listed = commands::ALL.iter().filter(|command| command.listed);
    let mut rows: Vec<(String, String)> = listed
        .map(|command| (command.name.to_owned(), command.about.to_owned()))
        .collect();
    rows.push((
        "help, h".to_owned(),
        "show this, or the help of a command".to_owned(),
    ));
    columns(&mut text, &rows);
    text.push_str("\nGLOBAL OPTIONS:\n");
    let mut rows = option_rows(&GLOBALS);
    rows.push(("--help, -h".to_owned(), "show help".to_owned()));
    rows.push(("--version, -v".to_owned(), "show the version".to_owned()));
    columns(&mut text, &rows);
    text
}

/// The help of a command.
pub(crate) fn command_help(program: &str, command: &Command) -> String {
    let name = command.name;
    let mut text = format!(
        "NAME:\n   {program} {name} - {}\n\nUSAGE:\n   {program} {name}",
        command.about
    );
    for part in ["[command options]", command.usage] {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(part);
        }
    }
    text.push('\n');
    if !command.description.is_empty() {
        text.push_str("\nDESCRIPTION:\n");
        for line in command.description.lines() {
            let _ = writeln!(text, "{}", format!("   {line}").trim_end());
        }
    }
    text.push_str("\nOPTIONS:\n");
    let mut rows = option_rows(command.options);
    rows.push(("--help, -h".to_owned(), "show help".to_owned()));
    columns(&mut text, &rows);
    text
}

fn option_rows(options: &[Opt]) -> Vec<(String, String)> {
    let listed = options.iter().filter(|option| option.listed);
    listed
        .map(|option| (spelling(option), about(option)))
        .collect()
}

/// `--bundle value, -b value`.
fn spelling(option: &Opt) -> String {
    let value = match option.value {
        Value::Switch => "",
        Value::Text | Value::Number | Value::List => " value",
    };
    let mut text = format!("--{}{value}", option.long);
    if let Some(letter) = option.short {
        let _ = write!(text, ", -{letter}{value}");
    }
    text
}

fn about(option: &Opt) -> String {
    if option.default.is_empty() {
        return option.help.to_owned();
    }
    format!("{} (default: {})", option.help, option.default)
}

fn columns(text: &mut String, rows: &[(String, String)]) {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    for (left, right) in rows {
        let _ = writeln!(text, "   {left:width$}  {right}");
    }
}

#[cfg(test)]
mod tests {
    use super::{command_help, program_help};
    use crate::commands;
    use insta::assert_snapshot;

    #[test]
    fn callers_find_the_first_two_lines() {
        let text = program_help("lodge");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("NAME:"));
        assert_eq!(
            lines.next(),
            Some("   lodge - Open Container Initiative runtime")
        );
        for command in commands::ALL {
            let text = command_help("prog", command);
            let mut lines = text.lines();
            assert_eq!(lines.next(), Some("NAME:"));
            let second = lines.next().unwrap_or_default();
            assert!(
                second.contains(&format!("prog {} - ", command.name)),
                "{second}"
            );
        }
    }

    #[test]
    fn no_line_ends_in_a_blank() {
        let commands = commands::ALL
            .iter()
            .map(|command| command_help("lodge", command));
        for text in commands.chain([program_help("lodge")]) {
            assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
            assert!(text.ends_with('\n'));
        }
    }

    #[test]
    fn the_program() {
        assert_snapshot!(program_help("lodge"));
    }

    #[test]
    fn a_command() {
        let text = commands::find("exec").map(|command| command_help("lodge", command));
        assert_snapshot!(text.unwrap_or_default());
    }
}
