//! The commands that the contract has and this program has not yet.

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::Exit;

use crate::args::{Arity, Command, Grammar, Words};
use crate::session::Session;

pub(super) static CHECKPOINT: Command = later("checkpoint", |_, _| refuse("checkpoint"));
pub(super) static RESTORE: Command = later("restore", |_, _| refuse("restore"));

/// A word that takes anything and does nothing.
const fn later(name: &'static str, run: fn(&Session, &Words) -> Result<Exit>) -> Command {
    Command {
        name,
        about: "not supported yet",
        usage: "",
        description: "",
        options: &[],
        grammar: Grammar::Verbatim,
        arity: Arity::AtLeast(0),
        failure: 1,
        listed: false,
        run,
    }
}

fn refuse(name: &str) -> Result<Exit> {
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("{name} is not supported yet"),
    ))
}

#[cfg(test)]
mod tests {
    use super::{CHECKPOINT, RESTORE};
    use crate::commands::testing::{session, words};

    #[test]
    fn says_so_whatever_follows() {
        for command in [&CHECKPOINT, &RESTORE] {
            let words = words(&[command.name, "c", "--whatever", "-h"]);
            let error = (command.run)(&session(), &words).err();
            assert_eq!(
                error.map(|error| error.to_string()),
                Some(format!("{} is not supported yet", command.name))
            );
        }
    }
}
