//! `kill`.

use libcontainer::Result;
use libcontainer::lifecycle::{self, Exit};

use super::matching::{REGEX, each};
use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::session::Session;

pub(super) static KILL: Command = Command {
    name: "kill",
    about: "send a signal to a container's process",
    usage: "<container-id> [signal]",
    description: "\
Sends a signal, SIGTERM when none is named, to the first process of a container.
The signal is a number or a name, in any case, with or without \"SIG\".",
    options: &[
        Opt::switch("all", "a container that does not run is no error")
            .short('a')
            .unlisted(),
        REGEX,
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Between(1, 2),
    failure: 1,
    listed: true,
    run,
};

fn run(session: &Session, words: &Words) -> Result<Exit> {
    let (signal, all) = (signal(words), words.switch("all"));
    each(session, words, |id| {
        lifecycle::kill(&session.root, id, signal, all)
    })?;
    Ok(Exit(0))
}

fn signal(words: &Words) -> &str {
    // An empty word is a mistake of the caller's, such as a variable that is not set.
    words.given(1).unwrap_or("SIGTERM")
}

#[cfg(test)]
mod tests {
    use super::signal;
    use crate::commands::testing::words;

    #[test]
    fn the_signal_is_term_unless_named() {
        assert_eq!(signal(&words(&["kill", "c"])), "SIGTERM");
        assert_eq!(signal(&words(&["kill", "--all", "c", ""])), "");
        assert_eq!(signal(&words(&["kill", "c", "usr1", "-a"])), "usr1");
    }
}
