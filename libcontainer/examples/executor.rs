//! Containers whose program is no executable file: an executor for scripts of
//! three words.
//!
//! ```text
//! executor run STATE BUNDLE ID          run a container in the foreground
//! executor create STATE BUNDLE ID       create one; `lodge --root STATE start ID` starts it
//! executor exec STATE ID PROGRAM...     run another program in it
//! ```
//!
//! A program whose name ends in `.words` is a text file with a command a line:
//! `say TEXT`, `show FILE`, `exit STATUS`. Every other program is executed as usual.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the command line"
)]

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use libcontainer::container::StateRoot;
use libcontainer::lifecycle::{
    self, CreateRequest, ExecOverrides, ExecProcess, ExecRequest, Exit, RunMode, StdioRequest,
};
use libcontainer::process::{Executor, Gate, Program, init_stage_with};

/// Interprets `.words` files.
struct Words;

/// A line of such a file.
enum Command<'a> {
    Say(&'a str),
    Show(&'a str),
    Exit(u8),
}

impl Executor for Words {
    fn takes(&self, program: &Program<'_>) -> bool {
        let name = program.args.first().map(Path::new);
        name.and_then(Path::extension)
            .is_some_and(|it| it == "words")
    }

    fn execute(&self, program: &Program<'_>, gate: Gate<'_>) -> Result<u8, String> {
        let file = program.args.first().map_or("", String::as_str);
        let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
        let commands = text.lines().map(parse).collect::<Result<Vec<_>, _>>()?;
        // From here on it is the program that runs, or fails.
        gate.open();
        for command in commands {
            match command {
                Command::Say(text) => println!("{text}"),
                Command::Show(file) => match fs::read_to_string(file) {
                    Ok(text) => print!("{text}"),
                    Err(error) => return Err(format!("{file}: {error}")),
                },
                Command::Exit(status) => return Ok(status),
            }
        }
        Ok(0)
    }
}

fn parse(line: &str) -> Result<Command<'_>, String> {
    match line.split_once(' ') {
        Some(("say", text)) => Ok(Command::Say(text)),
        Some(("show", file)) => Ok(Command::Show(file)),
        Some(("exit", status)) => status
            .parse()
            .map(Command::Exit)
            .map_err(|_| format!("no exit status: {status}")),
        _ => Err(format!("no command: {line}")),
    }
}

const FOREGROUND: RunMode = RunMode::Foreground {
    keep: false,
    no_subreaper: false,
    // That is for programs that end with the container.
    confined: false,
};

fn main() -> ExitCode {
    if env::args().next().as_deref() == Some("lodge-init") {
        init_stage_with(&Words);
    }
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run", state, bundle, id] => {
            lifecycle::run(&StateRoot::at(state), &request(bundle, id), FOREGROUND)
        }
        ["create", state, bundle, id] => {
            lifecycle::create(&StateRoot::at(state), &request(bundle, id)).map(|()| Exit(0))
        }
        ["exec", state, id, program @ ..] if !program.is_empty() => {
            exec(&StateRoot::at(state), id, program)
        }
        _ => {
            eprintln!("usage: executor run|create STATE BUNDLE ID, exec STATE ID PROGRAM...");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(Exit(status)) => ExitCode::from(status),
        Err(error) => {
            eprintln!("executor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn request(bundle: &str, id: &str) -> CreateRequest {
    CreateRequest {
        id: id.to_owned(),
        bundle: bundle.into(),
        ..CreateRequest::default()
    }
}

fn exec(root: &StateRoot, id: &str, program: &[&str]) -> libcontainer::Result<Exit> {
    let overrides = ExecOverrides {
        args: program.iter().map(|&word| word.to_owned()).collect(),
        ..ExecOverrides::default()
    };
    let request = ExecRequest {
        process: ExecProcess::Overrides(Box::new(overrides)),
        stdio: StdioRequest::default(),
        mode: FOREGROUND,
        cgroups: Vec::new(),
        ignore_paused: false,
    };
    lifecycle::exec(root, id, &request)
}
