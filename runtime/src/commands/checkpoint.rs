//! `checkpoint`.

use std::path::PathBuf;

use libcontainer::Result;
use libcontainer::criu::{CgroupsMode, NetworkLock, PageServer, Settings};
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::{self, CheckpointRequest, Exit};

use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::session::Session;

pub(super) static CHECKPOINT: Command = Command {
    name: "checkpoint",
    about: "write a running container to images",
    usage: "<container-id>",
    description: "\
Writes the processes of a container to images with criu, from which \"restore\" makes
it again, here or on another host. The container is removed, unless it is to be
left running. When criu fails, the container goes on.

criu's log is dump.log, with the images or in the directory that --work-path names.",
    options: &[
        IMAGE_PATH,
        WORK_PATH,
        Opt::text(
            "parent-path",
            "images of an earlier --pre-dump, relative to the images' directory",
        ),
        Opt::switch("leave-running", "leave the container running"),
        TCP_ESTABLISHED,
        Opt::switch(
            "tcp-skip-in-flight",
            "leave out TCP connections that are not established yet",
        ),
        Opt::switch("link-remap", "give names to files that have none any more"),
        EXT_UNIX_SK,
        SHELL_JOB,
        LAZY_PAGES,
        Opt::text(
            "status-fd",
            "write a zero byte to this descriptor when pages can be fetched (with --lazy-pages)",
        ),
        Opt::text(
            "page-server",
            "send memory pages to this ADDRESS:PORT; with --lazy-pages serve them there",
        ),
        FILE_LOCKS,
        Opt::switch(
            "pre-dump",
            "only write memory, and leave the container running",
        ),
        MANAGE_CGROUPS_MODE,
        EMPTY_NS,
        AUTO_DEDUP,
        NETWORK_LOCK,
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

pub(super) const IMAGE_PATH: Opt =
    Opt::text("image-path", "directory of the images").default("checkpoint");
pub(super) const WORK_PATH: Opt =
    Opt::text("work-path", "directory of criu's log and work files").default("the images'");
pub(super) const TCP_ESTABLISHED: Opt =
    Opt::switch("tcp-established", "keep established TCP connections");
pub(super) const EXT_UNIX_SK: Opt = Opt::switch(
    "ext-unix-sk",
    "allow UNIX sockets that lead out of the container",
);
pub(super) const SHELL_JOB: Opt = Opt::switch(
    "shell-job",
    "allow a session or process group of a shell outside",
);
pub(super) const LAZY_PAGES: Opt =
    Opt::switch("lazy-pages", "bring memory pages when they are first used");
pub(super) const FILE_LOCKS: Opt = Opt::switch("file-locks", "keep file locks");
pub(super) const MANAGE_CGROUPS_MODE: Opt = Opt::text(
    "manage-cgroups-mode",
    "what criu does about cgroups: soft, full, strict or ignore",
)
.default("soft");
pub(super) const EMPTY_NS: Opt = Opt::list(
    "empty-ns",
    "a namespace whose contents are left out: network, which always is",
);
pub(super) const AUTO_DEDUP: Opt = Opt::switch(
    "auto-dedup",
    "drop pages from older images that newer ones replace",
);
pub(super) const NETWORK_LOCK: Opt = Opt::text(
    "network-lock",
    "how criu keeps packets away: iptables, nftables or skip",
)
.default("criu's");

fn run(session: &Session, words: &Words) -> Result<Exit> {
    lifecycle::checkpoint(&session.root, words.arg(0), &request(words)?)?;
    Ok(Exit(0))
}

fn request(words: &Words) -> Result<CheckpointRequest> {
    Ok(CheckpointRequest {
        image_path: image_path(words),
        work_path: words.text("work-path").map(PathBuf::from),
        parent_path: words.text("parent-path").map(PathBuf::from),
        settings: settings(words)?,
        leave_running: words.switch("leave-running"),
        pre_dump: words.switch("pre-dump"),
        tcp_skip_in_flight: words.switch("tcp-skip-in-flight"),
        link_remap: words.switch("link-remap"),
        page_server: words.text("page-server").map(page_server).transpose()?,
        status_fd: status_fd(words)?,
    })
}

/// Where the images are; in the current directory when nothing is said.
pub(super) fn image_path(words: &Words) -> PathBuf {
    words.text("image-path").unwrap_or("checkpoint").into()
}

/// What `checkpoint` and `restore` have in common.
pub(super) fn settings(words: &Words) -> Result<Settings> {
    let mode = words.text("manage-cgroups-mode").unwrap_or_default();
    let cgroups = CgroupsMode::of(mode).ok_or_else(|| {
        refuse("invalid manage-cgroups-mode value")
            .with_advice("--manage-cgroups-mode is soft, full, strict or ignore")
    })?;
    let network_lock = words.text("network-lock").map(|word| {
        NetworkLock::of(word).ok_or_else(|| {
            refuse("invalid network-lock value")
                .with_advice("--network-lock is iptables, nftables or skip")
        })
    });
    for namespace in words.list("empty-ns") {
        if namespace != "network" {
            return Err(refuse(format!("namespace {namespace:?} is not supported")));
        }
    }
    Ok(Settings {
        tcp_established: words.switch("tcp-established"),
        ext_unix_sk: words.switch("ext-unix-sk"),
        shell_job: words.switch("shell-job"),
        file_locks: words.switch("file-locks"),
        auto_dedup: words.switch("auto-dedup"),
        lazy_pages: words.switch("lazy-pages"),
        cgroups,
        network_lock: network_lock.transpose()?,
    })
}

/// `ADDRESS:PORT`, an address of IPv6 in brackets.
fn page_server(text: &str) -> Result<PageServer> {
    let usage = || refuse("Use --page-server ADDRESS:PORT to specify page server");
    let (address, port) = text.rsplit_once(':').ok_or_else(usage)?;
    let bare = match address.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(usage)?,
        None if address.contains(':') => return Err(usage()),
        None => address,
    };
    if bare.is_empty() || port.is_empty() {
        return Err(usage());
    }
    Ok(PageServer {
        address: bare.to_owned(),
        port: port.parse().map_err(|_| refuse("Invalid port number"))?,
    })
}

/// -1 stands for none.
fn status_fd(words: &Words) -> Result<Option<i32>> {
    let Some(text) = words.text("status-fd") else {
        return Ok(None);
    };
    match text.parse() {
        Ok(-1) => Ok(None),
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(refuse(format!("invalid --status-fd argument {text:?}"))),
    }
}

fn refuse(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidConfig, text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::request;
    use crate::commands::testing::words;
    use libcontainer::criu::{CgroupsMode, NetworkLock};
    use std::path::Path;

    fn refused(argv: &[&str]) -> String {
        let mut line = vec!["checkpoint", "id"];
        line.extend(argv);
        request(&words(&line)).unwrap_err().to_string()
    }

    #[test]
    fn an_engines_line_becomes_a_request() {
        let found = request(&words(&[
            "checkpoint",
            "--image-path",
            "/i",
            "--work-path=/w",
            "--parent-path",
            "../p",
            "--tcp-established",
            "--tcp-skip-in-flight",
            "--link-remap",
            "--shell-job",
            "--ext-unix-sk",
            "--lazy-pages",
            "--status-fd",
            "7",
            "--page-server",
            "[::1]:27",
            "--file-locks",
            "--pre-dump",
            "--leave-running",
            "--manage-cgroups-mode=ignore",
            "--empty-ns",
            "network",
            "--auto-dedup",
            "--network-lock",
            "skip",
            "id",
        ]))
        .unwrap();
        assert_eq!(found.image_path, Path::new("/i"));
        assert_eq!(found.work_path.as_deref(), Some(Path::new("/w")));
        assert_eq!(found.parent_path.as_deref(), Some(Path::new("../p")));
        assert!(found.leave_running && found.pre_dump && found.link_remap);
        assert!(found.tcp_skip_in_flight);
        let settings = found.settings;
        assert!(settings.tcp_established && settings.ext_unix_sk && settings.shell_job);
        assert!(settings.lazy_pages && settings.file_locks && settings.auto_dedup);
        assert_eq!(settings.cgroups, CgroupsMode::Ignore);
        assert_eq!(settings.network_lock, Some(NetworkLock::Skip));
        assert_eq!(found.status_fd, Some(7));
        let server = found.page_server.unwrap();
        assert_eq!((server.address.as_str(), server.port), ("::1", 27));
    }

    #[test]
    fn what_is_not_said_is_not_asked_for() {
        let found = request(&words(&["checkpoint", "id", "--status-fd=-1"])).unwrap();
        assert_eq!(found.image_path, Path::new("checkpoint"));
        assert!(found.work_path.is_none() && found.parent_path.is_none());
        assert!(found.page_server.is_none() && found.status_fd.is_none());
        assert_eq!(found.settings, super::Settings::default());
        assert!(!found.leave_running && !found.pre_dump);
    }

    #[test]
    fn values_are_judged() {
        assert_eq!(
            refused(&["--manage-cgroups-mode", "some"]),
            "invalid manage-cgroups-mode value"
        );
        assert_eq!(
            refused(&["--network-lock", "some"]),
            "invalid network-lock value"
        );
        assert_eq!(
            refused(&["--empty-ns", "ipc"]),
            "namespace \"ipc\" is not supported"
        );
        for server in ["1.2.3.4", ":7", "1.2.3.4:", "::1:7", "[::1:7"] {
            assert!(
                refused(&["--page-server", server]).contains("ADDRESS:PORT"),
                "{server}"
            );
        }
        assert_eq!(refused(&["--page-server", "a:x"]), "Invalid port number");
        assert!(refused(&["--status-fd", "x"]).contains("--status-fd"));
    }
}
