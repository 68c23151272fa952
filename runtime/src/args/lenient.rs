//! The lenient reading of argv.
//!
//! Callers send `-long` as well as `--long`, `--switch=false`, values attached or
//! apart, and options after the arguments. Here all that is put in one order,
//! `--option=value … COMMAND --option=value … -- ARGUMENT …`, with every name and
//! number checked, so that the parser behind has nothing left to refuse.

use super::globals::GLOBALS;
use super::{Command, Grammar, Opt, Value};
use crate::commands;

/// What a command line is for.
#[derive(Debug)]
pub(crate) enum Intent {
    /// The help of the program or of a command.
    Help(Option<&'static Command>),
    /// Help about a word that is no command.
    UnknownTopic(String),
    /// The version.
    Version,
    /// A command, with the whole line in order.
    Run(&'static Command, Vec<String>),
    /// Nothing that we understand.
    Misused(Misuse),
}

/// A command line that breaks the rules.
#[derive(Debug)]
pub(crate) struct Misuse {
    /// The command, when it was understood.
    pub(crate) command: Option<&'static Command>,
    /// The global options, in order, as far as they were understood: they tell
    /// where to log the fault.
    pub(crate) globals: Vec<String>,
    /// What is wrong, on one line.
    pub(crate) message: String,
    /// Whether `message` is about an option, and belongs behind "Incorrect Usage".
    pub(crate) of_option: bool,
}

/// Reads a command line, the program's name excluded.
pub(crate) fn read(program: &str, argv: &[String]) -> Intent {
    let globals = scan(&GLOBALS, Grammar::UntilFirstArgument, &['v'], argv);
    if let Some(fault) = globals.fault {
        return Intent::Misused(Misuse {
            command: None,
            globals: globals.options,
            message: fault,
            of_option: true,
        });
    }
    match globals.asked {
        Some(Asked::Help) => return Intent::Help(None),
        Some(Asked::Version) => return Intent::Version,
        None => {}
    }
    let Some((name, rest)) = globals.arguments.split_first() else {
        return Intent::Help(None);
    };
    if matches!(name.as_str(), "help" | "h") {
        return match rest.first() {
            Some(topic) => help(topic),
            None => Intent::Help(None),
        };
    }
    let Some(command) = commands::find(name) else {
        return Intent::UnknownTopic(name.clone());
    };
    read_command(program, command, globals.options, rest)
}

fn help(topic: &str) -> Intent {
    match commands::find(topic) {
        Some(command) => Intent::Help(Some(command)),
        None => Intent::UnknownTopic(topic.to_owned()),
    }
}

fn read_command(
    program: &str,
    command: &'static Command,
    globals: Vec<String>,
    rest: &[String],
) -> Intent {
    let scan = scan(command.options, command.grammar, &[], rest);
    if let Some(message) = scan.fault {
        return Intent::Misused(Misuse {
            command: Some(command),
            globals,
            message,
            of_option: true,
        });
    }
    if scan.asked.is_some() {
        return Intent::Help(Some(command));
    }
    if let Some(fault) = command.arity.fault(scan.arguments.len()) {
        return Intent::Misused(Misuse {
            command: Some(command),
            globals,
            message: format!("{program}: {:?} {fault}", command.name),
            of_option: false,
        });
    }
    let mut argv = globals;
    argv.push(command.name.to_owned());
    argv.extend(scan.options);
    argv.push("--".to_owned());
    argv.extend(scan.arguments);
    Intent::Run(command, argv)
}

/// A question that is answered in place of running anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Help,
    Version,
}

/// Options and arguments told apart.
#[derive(Debug, Default)]
struct Scan {
    options: Vec<String>,
    arguments: Vec<String>,
    asked: Option<Asked>,
    fault: Option<String>,
}

/// Tells options and arguments apart, up to the first fault or question. `extra`
/// holds `v` where the version may be asked for.
fn scan(table: &[Opt], grammar: Grammar, extra: &[char], argv: &[String]) -> Scan {
    let mut found = Scan::default();
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        let is_argument = word == "-" || !word.starts_with('-');
        if is_argument {
            found.arguments.push(word.clone());
            if grammar != Grammar::Anywhere {
                found.arguments.extend(words.by_ref().cloned());
            }
            continue;
        }
        if word == "--" {
            found.arguments.extend(words.by_ref().cloned());
            continue;
        }
        found.asked = question(word, extra);
        if found.asked.is_some() {
            return found;
        }
        if let Err(fault) = option(table, word, &mut words, &mut found.options) {
            found.fault = Some(fault);
            return found;
        }
    }
    found
}

/// `-h`, `--help`, `-v`, `--version`.
fn question(word: &str, extra: &[char]) -> Option<Asked> {
    match word.trim_start_matches('-') {
        "h" | "help" => Some(Asked::Help),
        "v" | "version" if extra.contains(&'v') => Some(Asked::Version),
        _ => None,
    }
}

/// Puts one word, and the next one where the option takes it, in order.
fn option<'a>(
    table: &[Opt],
    word: &str,
    words: &mut impl Iterator<Item = &'a String>,
    ordered: &mut Vec<String>,
) -> Result<(), String> {
    let bare = word
        .strip_prefix("--")
        .or_else(|| word.strip_prefix('-'))
        .unwrap_or(word);
    let (name, attached) = match bare.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (bare, None),
    };
    if let Some(option) = find(table, name) {
        ordered.push(one(option, name, attached, words)?);
        return Ok(());
    }
    let letters = cluster(table, word, name);
    let Some((last, switches)) = letters.split_last() else {
        return Err(format!("flag provided but not defined: -{name}"));
    };
    for switch in switches {
        ordered.push(format!("--{}=true", switch.long));
    }
    ordered.push(one(last, name, attached, words)?);
    Ok(())
}

/// The option of a name or a letter.
fn find<'a>(table: &'a [Opt], name: &str) -> Option<&'a Opt> {
    let mut letters = name.chars();
    let letter = letters.next().filter(|_| letters.next().is_none());
    table
        .iter()
        .find(|option| option.long == name || (letter.is_some() && option.short == letter))
}

/// The options of `-abc`, where each but the last is a switch; else none. A value
/// is never attached to a letter: `-bundel` is a slip, not `--bundle undel`.
fn cluster<'a>(table: &'a [Opt], word: &str, name: &str) -> Vec<&'a Opt> {
    if word.starts_with("--") {
        return Vec::new();
    }
    let options: Option<Vec<&Opt>> = name
        .chars()
        .map(|letter| table.iter().find(|option| option.short == Some(letter)))
        .collect();
    options
        .filter(|options| {
            options.split_last().is_some_and(|(_, switches)| {
                switches.iter().all(|option| option.value == Value::Switch)
            })
        })
        .unwrap_or_default()
}

/// One option as `--long=value`.
fn one<'a>(
    option: &Opt,
    name: &str,
    attached: Option<&str>,
    words: &mut impl Iterator<Item = &'a String>,
) -> Result<String, String> {
    let long = option.long;
    if option.value == Value::Switch {
        let Some(value) = attached else {
            return Ok(format!("--{long}=true"));
        };
        return match boolean(value) {
            Some(on) => Ok(format!("--{long}={on}")),
            None => Err(format!(
                "invalid boolean value {value:?} for -{name}: parse error"
            )),
        };
    }
    let value = match attached {
        Some(value) => value,
        None => words
            .next()
            .ok_or_else(|| format!("flag needs an argument: -{name}"))?,
    };
    if option.value == Value::Number && (value.starts_with('+') || value.parse::<u32>().is_err()) {
        return Err(format!(
            "invalid value {value:?} for flag -{name}: parse error"
        ));
    }
    Ok(format!("--{long}={value}"))
}

/// A truth value in any of the spellings that callers use.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
#[path = "lenient_tests.rs"]
mod tests;
