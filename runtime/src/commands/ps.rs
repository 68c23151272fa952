//! `ps`.

use std::process::Command as Program;

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::{self, Exit};

use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::report::{cannot, stdout};
use crate::session::Session;

pub(super) static PS: Command = Command {
    name: "ps",
    about: "list the processes of a container",
    usage: "<container-id> [ps options]",
    description: "\
Runs ps(1) of the host, with -ef when no options for it are given, and shows the
lines that are about processes of the container.",
    options: &[FORMAT],
    grammar: Grammar::UntilFirstArgument,
    arity: Arity::AtLeast(1),
    failure: 1,
    listed: true,
    run,
};

/// The option of `list` and `ps`.
pub(super) const FORMAT: Opt = Opt::text("format", "print a 'table' or 'json'")
    .short('f')
    .default("table");

/// Its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListFormat {
    /// Lines for people.
    Table,
    /// An array for programs.
    Json,
}

impl ListFormat {
    /// Reads it.
    pub(super) fn new(words: &Words) -> Result<Self> {
        match words.text("format") {
            None | Some("table") => Ok(Self::Table),
            Some("json") => Ok(Self::Json),
            Some(_) => Err(
                Error::new(ErrorKind::InvalidConfig, "invalid format option")
                    .with_advice("--format is table or json"),
            ),
        }
    }
}

fn run(session: &Session, words: &Words) -> Result<Exit> {
    let format = ListFormat::new(words)?;
    let pids = lifecycle::processes(&session.root, words.arg(0))?;
    let text = match format {
        ListFormat::Json => json(&pids)?,
        ListFormat::Table => {
            let args = words.args();
            rows_of(&ps(args.get(1..).unwrap_or_default())?, &pids)?
        }
    };
    stdout(text)?;
    Ok(Exit(0))
}

fn json(pids: &[i32]) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(pids)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write pids: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

/// What ps(1) prints with these options.
fn ps(options: &[&str]) -> Result<Vec<u8>> {
    let options = if options.is_empty() {
        &["-ef"]
    } else {
        options
    };
    let output = Program::new("ps").args(options).output();
    let output = output.map_err(|error| cannot("run", "ps", &error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(
        ErrorKind::InvalidConfig,
        format!("ps: {}: {}", output.status, said.trim().replace('\n', "; ")),
    ))
}

/// The header and the rows of these pids.
fn rows_of(output: &[u8], pids: &[i32]) -> Result<Vec<u8>> {
    let mut lines = output.split(|&byte| byte == b'\n');
    let header = lines.next().unwrap_or_default();
    let column = cells(header)
        .position(|cell| cell == b"PID")
        .ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                "couldn't find PID field in ps output",
            )
            .with_advice("give options to ps that make it show the pid")
        })?;
    let mut rows = Vec::with_capacity(output.len());
    let mut keep = |line: &[u8]| {
        rows.extend_from_slice(line);
        rows.push(b'\n');
    };
    keep(header);
    for line in lines.filter(|line| !line.is_empty()) {
        let pid = cells(line)
            .nth(column)
            .and_then(|cell| std::str::from_utf8(cell).ok()?.parse::<i32>().ok());
        // Continued lines (as of `ps -o args` with newlines) have no pid.
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            keep(line);
        }
    }
    Ok(rows)
}

fn cells(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|cell| !cell.is_empty())
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::{ListFormat, json, rows_of};
    use crate::commands::testing::words;

    const OUTPUT: &str = "\
UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 10:00 ?        00:00:01 /sbin/init
root        4242    4200  0 10:01 ?        00:00:00 sleep 1
me            42       1  0 10:01 ?        00:00:00 echo 4242
";

    fn rows(output: &str, pids: &[i32]) -> String {
        String::from_utf8(rows_of(output.as_bytes(), pids).unwrap()).unwrap()
    }

    #[test]
    fn keeps_header_and_rows_of_the_container() {
        let lines: Vec<&str> = OUTPUT.lines().collect();
        assert_eq!(
            rows(OUTPUT, &[4242]),
            format!("{}\n{}\n", lines[0], lines[2])
        );
        assert_eq!(rows(OUTPUT, &[]), format!("{}\n", lines[0]));
    }

    #[test]
    fn the_pid_is_wherever_the_header_says() {
        let output = "COMMAND PID\nsh 7\nnot-a-row\n sh   8\n";
        assert_eq!(rows(output, &[8, 7]), "COMMAND PID\nsh 7\n sh   8\n");
    }

    #[test]
    fn output_without_pids_is_an_error() {
        let error = rows_of(b"COMMAND\nsh\n", &[7]).unwrap_err();
        assert_eq!(error.to_string(), "couldn't find PID field in ps output");
    }

    #[test]
    fn pids_as_json() {
        assert_eq!(json(&[1, 23]).unwrap(), b"[1,23]\n");
        assert_eq!(json(&[]).unwrap(), b"[]\n");
    }

    #[test]
    fn formats_are_read() {
        let format = |argv: &[&str]| ListFormat::new(&words(argv));
        assert_eq!(format(&["list"]).unwrap(), ListFormat::Table);
        assert_eq!(format(&["list", "-f=json"]).unwrap(), ListFormat::Json);
        assert_eq!(
            format(&["ps", "--format", "yaml", "c"])
                .unwrap_err()
                .to_string(),
            "invalid format option"
        );
    }
}
