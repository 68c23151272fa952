//! `pause`.

use libcontainer::Result;
use libcontainer::lifecycle::{self, Exit};

use crate::args::{Arity, Command, Grammar, Words};
use crate::session::Session;

pub(super) static PAUSE: Command = Command {
    name: "pause",
    about: "freeze all processes of a container",
    usage: "<container-id>",
    description: "Freezes the container's cgroup; \"resume\" thaws it.",
    options: &[],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

fn run(session: &Session, words: &Words) -> Result<Exit> {
    lifecycle::pause(&session.root, words.arg(0))?;
    Ok(Exit(0))
}
