//! `resume`.

use libcontainer::Result;
use libcontainer::lifecycle::{self, Exit};

use crate::args::{Arity, Command, Grammar, Words};
use crate::session::Session;

pub(super) static RESUME: Command = Command {
    name: "resume",
    about: "thaw all processes of a paused container",
    usage: "<container-id>",
    description: "Thaws the container's cgroup, which \"pause\" froze.",
    options: &[],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

fn run(session: &Session, words: &Words) -> Result<Exit> {
    lifecycle::resume(&session.root, words.arg(0))?;
    Ok(Exit(0))
}
