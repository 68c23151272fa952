//! `delete`.

use libcontainer::Result;
use libcontainer::lifecycle::{self, Exit};

use super::matching::{REGEX, each};
use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::session::Session;

pub(super) static DELETE: Command = Command {
    name: "delete",
    about: "remove a container and all that it holds",
    usage: "<container-id>",
    description: "Removes a container that has stopped, or that was created and never started.",
    options: &[
        Opt::switch(
            "force",
            "kill what runs in it first; a container that does not exist is then no error",
        )
        .short('f'),
        REGEX,
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

fn run(session: &Session, words: &Words) -> Result<Exit> {
    let force = words.switch("force");
    each(session, words, |id| {
        lifecycle::delete(&session.root, id, force)
    })?;
    Ok(Exit(0))
}
