//! `create`.

use std::path::PathBuf;

use libcontainer::Result;
use libcontainer::lifecycle::{self, CreateRequest, Exit, StdioRequest};

use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::session::Session;

pub(super) static CREATE: Command = Command {
    name: "create",
    about: "create a container",
    usage: "<container-id>",
    description: "\
Creates a container from the bundle in the current directory, or in the one that
--bundle names. Its process waits until \"start\".

The id is 1 to 1024 letters, digits or _ + - . and must be unique on the host.",
    options: &[
        BUNDLE,
        CONFIG,
        CONSOLE_SOCKET,
        PIDFD_SOCKET,
        PID_FILE,
        NO_PIVOT,
        NO_NEW_KEYRING,
        PRESERVE_FDS,
        Opt::switch("detach", "always").short('d').unlisted(),
        Opt::switch("no-subreaper", "always").unlisted(),
        NO_MOUNT_FALLBACK,
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

pub(super) const BUNDLE: Opt = Opt::text("bundle", "the bundle's directory")
    .short('b')
    .default("the current one");
pub(super) const CONFIG: Opt = Opt::text(
    "config",
    "a configuration elsewhere than config.json in the bundle",
)
.short('f');
pub(super) const CONSOLE_SOCKET: Opt = Opt::text(
    "console-socket",
    "a listening AF_UNIX socket, which is sent the master end of the pseudo-terminal",
);
pub(super) const PIDFD_SOCKET: Opt = Opt::text(
    "pidfd-socket",
    "a listening AF_UNIX socket, which is sent a pidfd of the process",
);
pub(super) const PID_FILE: Opt = Opt::text("pid-file", "write the process's pid to this file");
pub(super) const NO_PIVOT: Opt = Opt::switch(
    "no-pivot",
    "move the root file system over / instead of pivot_root(2); needed on an initramfs, and weaker",
);
pub(super) const NO_NEW_KEYRING: Opt = Opt::switch(
    "no-new-keyring",
    "leave the process in the caller's session keyring",
);
pub(super) const PRESERVE_FDS: Opt = Opt::number(
    "preserve-fds",
    "pass this many file descriptors, from 3 (or after those of $LISTEN_FDS) on",
)
.default("0");
/// Taken because some callers still send it; the mounts need no fallback.
pub(super) const NO_MOUNT_FALLBACK: Opt = Opt::switch("no-mount-fallback", "always").unlisted();

fn run(session: &Session, words: &Words) -> Result<Exit> {
    lifecycle::create(&session.root, &request(session, words))?;
    Ok(Exit(0))
}

/// What `create` and `run` ask for alike.
pub(super) fn request(session: &Session, words: &Words) -> CreateRequest {
    CreateRequest {
        id: words.arg(0).to_owned(),
        bundle: words.text("bundle").unwrap_or_default().into(),
        config: words.text("config").map(PathBuf::from),
        stdio: stdio(words),
        no_pivot: words.switch("no-pivot"),
        no_new_keyring: words.switch("no-new-keyring"),
        cgroup_manager: session.cgroup_manager,
        rootless: session.rootless,
    }
}

/// What `create`, `run` and `exec` wire their process to.
pub(super) fn stdio(words: &Words) -> StdioRequest {
    StdioRequest {
        console_socket: words.text("console-socket").map(PathBuf::from),
        pidfd_socket: words.text("pidfd-socket").map(PathBuf::from),
        pid_file: words.text("pid-file").map(PathBuf::from),
        preserve_fds: words.number("preserve-fds").unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::request;
    use crate::commands::testing::{session, words};
    use libcontainer::lifecycle::{CgroupManager, Rootless};
    use std::path::Path;

    #[test]
    fn an_engines_line_becomes_a_request() {
        let found = request(
            &session(),
            &words(&[
                "create",
                "--bundle",
                "/b",
                "--pid-file",
                "/p",
                "--console-socket",
                "/c",
                "--pidfd-socket=/d",
                "--no-pivot",
                "--no-new-keyring",
                "--detach",
                "--preserve-fds",
                "2",
                "-f",
                "/f",
                "id",
            ]),
        );
        assert_eq!(found.id, "id");
        assert_eq!(found.bundle, Path::new("/b"));
        assert_eq!(found.config.as_deref(), Some(Path::new("/f")));
        assert_eq!(found.stdio.console_socket.as_deref(), Some(Path::new("/c")));
        assert_eq!(found.stdio.pidfd_socket.as_deref(), Some(Path::new("/d")));
        assert_eq!(found.stdio.pid_file.as_deref(), Some(Path::new("/p")));
        assert_eq!(found.stdio.preserve_fds, 2);
        assert!(found.no_pivot && found.no_new_keyring);
        assert_eq!(found.cgroup_manager, CgroupManager::Systemd);
        assert_eq!(found.rootless, Rootless::True);
    }

    #[test]
    fn what_is_not_said_is_not_asked_for() {
        let found = request(&session(), &words(&["create", "--pid-file=", "id"]));
        assert_eq!(found.bundle, Path::new(""));
        assert!(found.config.is_none() && found.stdio.pid_file.is_none());
        assert!(found.stdio.console_socket.is_none() && found.stdio.pidfd_socket.is_none());
        assert_eq!(found.stdio.preserve_fds, 0);
        assert!(!found.no_pivot && !found.no_new_keyring);
    }
}
