//! `list`.

use std::io::Write as _;

use libcontainer::Result;
use libcontainer::container::StateDocument;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::{self, Exit};
use tabwriter::TabWriter;

use super::ps::{FORMAT, ListFormat};
use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::report::{cannot, stderr_line, stdout};
use crate::session::Session;

pub(super) static LIST: Command = Command {
    name: "list",
    about: "list containers",
    usage: "",
    description: "\
Lists the containers whose state is under the directory that the global option
--root names. What cannot be read there is named on stderr and left out.",
    options: &[FORMAT, Opt::switch("quiet", "print ids alone").short('q')],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(0),
    failure: 1,
    listed: true,
    run,
};

fn run(session: &Session, words: &Words) -> Result<Exit> {
    let format = ListFormat::new(words)?;
    let listing = lifecycle::list(&session.root)?;
    for fault in &listing.broken {
        stderr_line(&fault.to_string());
    }
    let text = if words.switch("quiet") {
        ids(&listing.containers)
    } else {
        match format {
            ListFormat::Table => table(&listing.containers)?,
            ListFormat::Json => json(&listing.containers)?,
        }
    };
    stdout(text)?;
    Ok(Exit(0))
}

fn ids(containers: &[StateDocument]) -> String {
    let lines = containers
        .iter()
        .map(|container| format!("{}\n", container.id));
    lines.collect()
}

/// Columns as wide as their widest cell and three spaces, but never under twelve.
fn table(containers: &[StateDocument]) -> Result<String> {
    let mut table = TabWriter::new(Vec::new()).padding(3).minwidth(9);
    let mut text = "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n".to_owned();
    for c in containers {
        let cells = [
            &*c.id,
            &c.pid.to_string(),
            &c.status.to_string(),
            &one_cell(&c.bundle.to_string_lossy()),
            &c.created,
            &c.owner,
        ];
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    table
        .write_all(text.as_bytes())
        .map_err(|error| cannot("write", "the table", &error))?;
    let bytes = table.into_inner().map_err(|_| no_table())?;
    String::from_utf8(bytes).map_err(|_| no_table())
}

fn no_table() -> Error {
    Error::new(ErrorKind::Internal, "cannot write the table")
}

/// A path with a tab or a newline must not make a row of its own.
fn one_cell(path: &str) -> String {
    path.replace(|c: char| c.is_control(), "?")
}

/// One line; `null` when there is none.
fn json(containers: &[StateDocument]) -> Result<String> {
    let containers = (!containers.is_empty()).then_some(containers);
    let mut text = serde_json::to_string(&containers)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write list: {error}")))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{ids, json, table};
    use crate::commands::state::tests::example;
    use insta::assert_snapshot;
    use libcontainer::container::{StateDocument, Status};

    fn two() -> [StateDocument; 2] {
        let first = StateDocument {
            owner: "root".to_owned(),
            ..example("db")
        };
        let second = StateDocument {
            pid: 0,
            status: Status::Stopped,
            bundle: "/b\t\n".into(),
            owner: "#4711".to_owned(),
            ..example("a-rather-long-name")
        };
        [first, second]
    }

    #[test]
    fn a_table() {
        assert_snapshot!(table(&two()).unwrap_or_default());
    }

    #[test]
    fn an_empty_table_is_its_header() {
        assert_eq!(
            table(&[]).unwrap_or_default(),
            "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
        );
    }

    #[test]
    fn one_line_of_json() {
        assert_snapshot!(json(&two()).unwrap_or_default());
        assert_eq!(json(&[]).unwrap_or_default(), "null\n");
    }

    #[test]
    fn ids_alone() {
        assert_eq!(ids(&two()), "db\na-rather-long-name\n");
        assert_eq!(ids(&[]), "");
    }
}
