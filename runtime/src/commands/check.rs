//! `check`.

use std::io::Write as _;

use libcontainer::Result;
use libcontainer::check::{self, Ability, Need};
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::Exit;
use tabwriter::TabWriter;

use super::ps::{FORMAT, ListFormat};
use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::report::{cannot, stdout};
use crate::session::Session;

pub(super) static CHECK: Command = Command {
    name: "check",
    about: "tell what this host has for containers",
    usage: "",
    description: "\
Tries what containers and their protections need of this host, and prints which of
it is in force. Nothing is changed. It fails when something is missing without
which there are no containers, and with --security also when a protection is.",
    options: &[
        FORMAT,
        Opt::switch("security", "fail without a protection too"),
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(0),
    failure: 1,
    listed: true,
    run,
};

fn run(_: &Session, words: &Words) -> Result<Exit> {
    let format = ListFormat::new(words)?;
    let need = if words.switch("security") {
        Need::Protection
    } else {
        Need::Required
    };
    let abilities = check::probe();
    stdout(match format {
        ListFormat::Table => table(&abilities, need)?,
        ListFormat::Json => json(&abilities)?,
    })?;
    let missing = abilities.iter().any(|ability| ability.is_missing(need));
    Ok(Exit(u8::from(missing)))
}

/// The table, and below it what each thing that is missing means.
fn table(abilities: &[Ability], need: Need) -> Result<String> {
    let mut table = TabWriter::new(Vec::new()).padding(3);
    let mut text = "ABILITY\tNEED\tIN FORCE\tDETAIL\n".to_owned();
    for ability in abilities {
        let need = match ability.need {
            Need::Required => "required",
            Need::Protection => "protection",
            Need::Optional => "optional",
        };
        let in_force = if ability.in_force { "yes" } else { "no" };
        let cells = [ability.name, need, in_force, &ability.detail];
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    let no_table = || Error::new(ErrorKind::Internal, "cannot write the table");
    table
        .write_all(text.as_bytes())
        .map_err(|error| cannot("write", "the table", &error))?;
    let bytes = table.into_inner().map_err(|_| no_table())?;
    let mut text = String::from_utf8(bytes).map_err(|_| no_table())?;
    for ability in abilities.iter().filter(|it| it.is_missing(need)) {
        let line = ["missing: ", ability.name, ": ", ability.otherwise, "\n"].concat();
        text.push_str(&line);
    }
    Ok(text)
}

/// One line.
fn json(abilities: &[Ability]) -> Result<String> {
    let mut text = serde_json::to_string(abilities)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write check: {error}")))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{Ability, Need, json, table};
    use insta::assert_snapshot;

    fn two() -> [Ability; 2] {
        let openat2 = Ability {
            name: "openat2",
            need: Need::Protection,
            in_force: false,
            detail: "function not implemented".to_owned(),
            otherwise: "paths are resolved step by step",
        };
        let pidfd = Ability {
            name: "pidfd",
            need: Need::Required,
            in_force: true,
            detail: "tried".to_owned(),
            otherwise: "nothing works",
        };
        [openat2, pidfd]
    }

    #[test]
    fn a_table_tells_what_is_missing() {
        assert_snapshot!(table(&two(), Need::Protection).unwrap_or_default());
    }

    #[test]
    fn a_missing_protection_is_not_told_where_nobody_asked() {
        let text = table(&two(), Need::Required).unwrap_or_default();
        assert!(!text.contains("missing:"), "{text}");
    }

    #[test]
    fn one_line_of_json() {
        assert_snapshot!(json(&two()).unwrap_or_default());
    }
}
