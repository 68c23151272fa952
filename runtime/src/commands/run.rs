//! `run`.

use libcontainer::Result;
use libcontainer::lifecycle::{self, Exit, RunMode};

use super::create::{
    BUNDLE, CONFIG, CONSOLE_SOCKET, NO_MOUNT_FALLBACK, NO_NEW_KEYRING, NO_PIVOT, PID_FILE,
    PIDFD_SOCKET, PRESERVE_FDS, request,
};
use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::session::Session;

pub(super) static RUN: Command = Command {
    name: "run",
    about: "create a container and run its process",
    usage: "<container-id>",
    description: "\
Creates a container from the bundle in the current directory, or in the one that
--bundle names, and runs its process. Unless detached, it waits for the process,
passes signals and the terminal on to it, removes the container when the process
has ended, and exits with its exit code, or with 128 and the number of the signal
that killed it.

The id is 1 to 1024 letters, digits or _ + - . and must be unique on the host.",
    options: &[
        BUNDLE,
        CONFIG,
        CONSOLE_SOCKET,
        PIDFD_SOCKET,
        Opt::switch("detach", "do not wait for the process").short('d'),
        Opt::switch(
            "keep",
            "do not remove the container when its process has ended",
        ),
        PID_FILE,
        NO_SUBREAPER,
        NO_PIVOT,
        NO_NEW_KEYRING,
        PRESERVE_FDS,
        NO_MOUNT_FALLBACK,
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

pub(super) const NO_SUBREAPER: Opt = Opt::switch(
    "no-subreaper",
    "leave processes that lose their parent to the caller's subreaper",
);

fn run(session: &Session, words: &Words) -> Result<Exit> {
    lifecycle::run(&session.root, &request(session, words), mode(words))
}

fn mode(words: &Words) -> RunMode {
    if words.switch("detach") {
        return RunMode::Detached;
    }
    RunMode::Foreground {
        keep: words.switch("keep"),
        no_subreaper: words.switch("no-subreaper"),
        confined: true,
    }
}

#[cfg(test)]
mod tests {
    use super::mode;
    use crate::commands::testing::words;
    use libcontainer::lifecycle::RunMode;

    #[test]
    fn waits_unless_detached() {
        let foreground = |keep, no_subreaper| RunMode::Foreground {
            keep,
            no_subreaper,
            confined: true,
        };
        assert_eq!(mode(&words(&["run", "c"])), foreground(false, false));
        assert_eq!(
            mode(&words(&["run", "--keep", "c", "-no-subreaper"])),
            foreground(true, true)
        );
        assert_eq!(
            mode(&words(&["run", "c", "-d", "--keep"])),
            RunMode::Detached
        );
        assert_eq!(
            mode(&words(&["run", "c", "-d=false"])),
            foreground(false, false)
        );
    }
}
