//! `plan`.

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::{self, Exit};

use super::create::{BUNDLE, CONFIG, NO_NEW_KEYRING, NO_PIVOT, PRESERVE_FDS, request};
use crate::args::{Arity, Command, Grammar, Words};
use crate::report::stdout;
use crate::session::Session;

pub(super) static PLAN: Command = Command {
    name: "plan",
    about: "print what create would do",
    usage: "<container-id>",
    description: "\
Judges the bundle as create does, and prints the plan that create would carry out
as JSON, or everything that stands against it. Nothing is made.",
    options: &[BUNDLE, CONFIG, NO_PIVOT, NO_NEW_KEYRING, PRESERVE_FDS],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: false,
    run,
};

fn run(session: &Session, words: &Words) -> Result<Exit> {
    let plan = lifecycle::plan(&request(session, words))?;
    let mut text = serde_json::to_string_pretty(&plan)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write plan: {error}")))?;
    text.push('\n');
    stdout(text)?;
    Ok(Exit(0))
}
