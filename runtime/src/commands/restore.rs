//! `restore`.

use std::path::PathBuf;

use libcontainer::Result;
use libcontainer::lifecycle::{self, CreateRequest, Exit, RestoreRequest, RunMode};

use super::checkpoint::{
    AUTO_DEDUP, EMPTY_NS, EXT_UNIX_SK, FILE_LOCKS, IMAGE_PATH, LAZY_PAGES, MANAGE_CGROUPS_MODE,
    NETWORK_LOCK, SHELL_JOB, TCP_ESTABLISHED, WORK_PATH, image_path, settings,
};
use super::create::{BUNDLE, CONSOLE_SOCKET, NO_PIVOT, PID_FILE};
use super::run::NO_SUBREAPER;
use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::session::Session;

pub(super) static RESTORE: Command = Command {
    name: "restore",
    about: "make a container again from images",
    usage: "<container-id>",
    description: "\
Makes a container from the bundle in the current directory, or in the one that
--bundle names, with the processes that \"checkpoint\" wrote to images. Unless detached,
it waits for the first of them as \"run\" does.

criu's log is restore.log, with the images or in the directory that --work-path
names. When criu fails, nothing is left of the container.",
    options: &[
        CONSOLE_SOCKET,
        IMAGE_PATH,
        WORK_PATH,
        TCP_ESTABLISHED,
        Opt::switch("tcp-close", "close established TCP connections"),
        EXT_UNIX_SK,
        SHELL_JOB,
        FILE_LOCKS,
        MANAGE_CGROUPS_MODE,
        BUNDLE,
        Opt::switch("detach", "do not wait for the process").short('d'),
        PID_FILE,
        NO_SUBREAPER,
        NO_PIVOT,
        EMPTY_NS,
        AUTO_DEDUP,
        LAZY_PAGES,
        Opt::text(
            "lsm-profile",
            "another LSM profile than the images', as TYPE:NAME",
        ),
        Opt::text("lsm-mount-context", "the SELinux context of mounts"),
        NETWORK_LOCK,
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

fn run(session: &Session, words: &Words) -> Result<Exit> {
    let mode = if words.switch("detach") {
        RunMode::Detached
    } else {
        RunMode::Foreground {
            keep: false,
            no_subreaper: words.switch("no-subreaper"),
            confined: true,
        }
    };
    lifecycle::restore(&session.root, &request(session, words)?, mode)
}

fn request(session: &Session, words: &Words) -> Result<RestoreRequest> {
    Ok(RestoreRequest {
        container: CreateRequest {
            id: words.arg(0).to_owned(),
            bundle: words.text("bundle").unwrap_or_default().into(),
            stdio: lifecycle::StdioRequest {
                console_socket: words.text("console-socket").map(PathBuf::from),
                pid_file: words.text("pid-file").map(PathBuf::from),
                ..lifecycle::StdioRequest::default()
            },
            no_pivot: words.switch("no-pivot"),
            cgroup_manager: session.cgroup_manager,
            rootless: session.rootless,
            ..CreateRequest::default()
        },
        image_path: image_path(words),
        work_path: words.text("work-path").map(PathBuf::from),
        settings: settings(words)?,
        tcp_close: words.switch("tcp-close"),
        lsm_profile: words.text("lsm-profile").map(str::to_owned),
        lsm_mount_context: words.text("lsm-mount-context").map(str::to_owned),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::request;
    use crate::commands::testing::{session, words};
    use libcontainer::criu::CgroupsMode;
    use libcontainer::lifecycle::CgroupManager;
    use std::path::Path;

    #[test]
    fn an_engines_line_becomes_a_request() {
        let found = request(
            &session(),
            &words(&[
                "restore",
                "id",
                "--bundle",
                "/b",
                "-d",
                "--pid-file",
                "/p",
                "--console-socket",
                "/c",
                "--image-path",
                "/i",
                "--work-path",
                "/w",
                "--tcp-close",
                "--no-pivot",
                "--manage-cgroups-mode",
                "strict",
                "--lsm-profile",
                "apparmor:x",
                "--lsm-mount-context=c",
            ]),
        )
        .unwrap();
        assert_eq!(found.container.id, "id");
        assert_eq!(found.container.bundle, Path::new("/b"));
        let stdio = &found.container.stdio;
        assert_eq!(stdio.pid_file.as_deref(), Some(Path::new("/p")));
        assert_eq!(stdio.console_socket.as_deref(), Some(Path::new("/c")));
        assert_eq!(found.container.cgroup_manager, CgroupManager::Systemd);
        assert!(found.container.no_pivot && found.tcp_close);
        assert_eq!(found.image_path, Path::new("/i"));
        assert_eq!(found.work_path.as_deref(), Some(Path::new("/w")));
        assert_eq!(found.settings.cgroups, CgroupsMode::Strict);
        assert_eq!(found.lsm_profile.as_deref(), Some("apparmor:x"));
        assert_eq!(found.lsm_mount_context.as_deref(), Some("c"));
    }

    #[test]
    fn images_are_looked_for_in_the_current_directory() {
        let found = request(&session(), &words(&["restore", "id"])).unwrap();
        assert_eq!(found.image_path, Path::new("checkpoint"));
        assert!(!found.tcp_close && found.lsm_profile.is_none());
    }
}
