//! `start`.

use libcontainer::Result;
use libcontainer::lifecycle::{self, Exit};

use crate::args::{Arity, Command, Grammar, Words};
use crate::session::Session;

pub(super) static START: Command = Command {
    name: "start",
    about: "run the process of a created container",
    usage: "<container-id>",
    description: "Lets the waiting process of a created container execute the user's program.",
    options: &[],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

fn run(session: &Session, words: &Words) -> Result<Exit> {
    lifecycle::start(&session.root, words.arg(0))?;
    Ok(Exit(0))
}
