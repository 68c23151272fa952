//! From argv to the exit code.

use std::ffi::OsString;
use std::path::Path;

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};

use crate::args::{Command, Intent, Misuse, command_help, parse, program_help, read};
use crate::report::{self, LogSettings, stderr_line, stdout};
use crate::session::Session;
use crate::version;

/// The exit code for a word that is no command.
const NO_SUCH_TOPIC: u8 = 3;

/// Does what the command line asks for.
pub(crate) fn run(argv: impl Iterator<Item = OsString>) -> u8 {
    let (program, words, fault) = texts(argv);
    let name = Path::new(&program)
        .file_name()
        .and_then(|name| name.to_str());
    let name = name.unwrap_or("lodge");
    match read(&program, &words) {
        Intent::Help(topic) => print(match topic {
            Some(command) => command_help(name, command),
            None => program_help(name),
        }),
        Intent::Version => print(version::text()),
        Intent::UnknownTopic(topic) => {
            stderr_line(&format!("No help topic for '{topic}'"));
            NO_SUCH_TOPIC
        }
        Intent::Misused(misuse) => misused(name, &misuse),
        Intent::Run(command, argv) => match run_command(command, &argv, fault) {
            Ok(code) => code,
            Err(error) => failed(&error, command.failure),
        },
    }
}

/// The program's name and the words after it, as text, and what is wrong with the
/// first one that is none: it is told once the log is open.
fn texts(argv: impl Iterator<Item = OsString>) -> (String, Vec<String>, Option<Error>) {
    let mut fault = None;
    let mut words = argv.map(|word| {
        word.into_string().unwrap_or_else(|word| {
            let text = word.to_string_lossy().into_owned();
            fault.get_or_insert_with(|| {
                Error::new(
                    ErrorKind::InvalidConfig,
                    format!("argument is not valid UTF-8: {text:?}"),
                )
            });
            text
        })
    });
    let program = words.next().unwrap_or_else(|| "lodge".to_owned());
    let words = words.collect();
    (program, words, fault)
}

fn run_command(command: &Command, argv: &[String], fault: Option<Error>) -> Result<u8> {
    let (globals, words) = parse(argv)?;
    report::open(&LogSettings::new(&globals)?)?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let session = Session::new(&globals)?;
    let words = words.ok_or_else(|| Error::new(ErrorKind::Internal, "no command"))?;
    // The words themselves stay out of the log: they may hold secrets (`exec -e`).
    log::debug!(
        "lodge {} {}, state in {}",
        version::VERSION,
        command.name,
        session.root.path().display()
    );
    (command.run)(&session, &words).map(|exit| exit.0)
}

/// The rules on stdout, the fault on stderr and, where the options tell of one, in
/// the log.
fn misused(name: &str, misuse: &Misuse) -> u8 {
    let head = if misuse.of_option {
        format!("Incorrect Usage: {}\n\n", misuse.message)
    } else {
        "Incorrect Usage.\n\n".to_owned()
    };
    let help = match misuse.command {
        Some(command) => command_help(name, command),
        None => program_help(name),
    };
    // The fault below is worth more than a stdout that takes nothing.
    let _ = stdout(head + &help);
    let opened = parse(&misuse.globals)
        .and_then(|(globals, _)| LogSettings::new(&globals))
        .and_then(|settings| report::open(&settings));
    let fault = match opened {
        Ok(()) => Error::new(ErrorKind::InvalidConfig, misuse.message.clone()),
        Err(error) => error,
    };
    failed(&fault, misuse.command.map_or(1, |command| command.failure))
}

fn print(text: String) -> u8 {
    match stdout(text) {
        Ok(()) => 0,
        Err(error) => failed(&error, 1),
    }
}

fn failed(error: &Error, code: u8) -> u8 {
    report::failure(error);
    code
}
