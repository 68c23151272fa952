//! What all tests share: the binary, a working directory in a mount namespace
//! of our own, and facts about the host that must be the same at the end.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::fault::{Fault, Outcome, holds};

static HOST: OnceLock<Host> = OnceLock::new();

/// The host, as it was before the first test.
#[derive(Debug)]
pub(crate) struct Host {
    /// The binary under test.
    pub(crate) binary: PathBuf,
    /// A static busybox.
    pub(crate) busybox: PathBuf,
    /// The parent of all bundles and state roots.
    pub(crate) work: PathBuf,
    before: Facts,
}

/// What no test may change.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    null: (u64, u32, u32, u32, u64),
    core_pattern: String,
    mounts: Vec<String>,
}

impl Facts {
    fn take() -> Outcome<Self> {
        let null = fs::metadata("/dev/null")?;
        Ok(Self {
            null: (null.ino(), null.mode(), null.uid(), null.gid(), null.rdev()),
            core_pattern: fs::read_to_string("/proc/sys/kernel/core_pattern")?,
            mounts: fs::read_to_string("/proc/self/mountinfo")?
                .lines()
                .map(str::to_owned)
                .collect(),
        })
    }
}

impl Host {
    /// The host. [`Host::prepare`] has run.
    pub(crate) fn get() -> &'static Self {
        HOST.get_or_init(|| {
            // Only reached when a test runs without `prepare`, which main rules out.
            std::process::abort()
        })
    }

    /// Finds the binary and busybox, and moves this process to a mount namespace
    /// of its own, in which every mount is shared, as it is where systemd runs:
    /// a mount that leaks out of a container then shows here.
    pub(crate) fn prepare() -> Outcome {
        holds("the tests run as root", nix::unistd::geteuid().is_root())?;
        let binary = find_binary()?;
        let busybox = find_busybox()?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        propagate(MsFlags::MS_PRIVATE)?;
        propagate(MsFlags::MS_SHARED)?;
        let work = std::env::temp_dir().join(format!("lodge-tests-{}", std::process::id()));
        fs::create_dir(&work)?;
        // Containers in a user namespace walk through it.
        fs::set_permissions(&work, fs::Permissions::from_mode(0o711))?;
        let before = Facts::take()?;
        let host = Self {
            binary,
            busybox,
            work,
            before,
        };
        HOST.set(host)
            .map_err(|_| Fault::failed("the host is prepared once"))
    }

    /// Whether `/dev/null` and the core pattern are as they were.
    pub(crate) fn unharmed(&self) -> Outcome {
        let now = Facts::take()?;
        holds(
            format!("host /dev/null is as before, {:?}", self.before.null),
            now.null == self.before.null,
        )?;
        holds(
            "host core_pattern is as before",
            now.core_pattern == self.before.core_pattern,
        )
    }

    /// Removes the working directory and names what differs on the host.
    pub(crate) fn finish(&self) -> Vec<String> {
        let mut left = Vec::new();
        if let Err(error) = fs::remove_dir_all(&self.work) {
            left.push(format!("{}: {error}", self.work.display()));
        }
        match Facts::take() {
            Err(fault) => left.push(fault.to_string()),
            Ok(now) => {
                let new = now
                    .mounts
                    .iter()
                    .filter(|m| !self.before.mounts.contains(m));
                left.extend(new.map(|m| format!("mount {m}")));
                let gone = self
                    .before
                    .mounts
                    .iter()
                    .filter(|m| !now.mounts.contains(m));
                left.extend(gone.map(|m| format!("lost mount {m}")));
            }
        }
        if let Err(fault) = self.unharmed() {
            left.push(fault.to_string());
        }
        left
    }
}

/// Does something in a mount namespace in which nobody else mounts anything; its
/// mounts are shared, so that one that leaks out of a container shows there.
pub(crate) fn in_mounts_of_ones_own<T: Send>(
    body: impl FnOnce() -> Outcome<T> + Send,
) -> Outcome<T> {
    // A namespace is a thread's (setns(2)), and so is that of what it starts.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS)?;
            propagate(MsFlags::MS_PRIVATE)?;
            propagate(MsFlags::MS_SHARED)?;
            body()
        });
        let died = || Err(Fault::failed("the thread died"));
        thread.join().unwrap_or_else(|_| died())
    })
}

fn propagate(kind: MsFlags) -> Outcome {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | kind, none)?;
    Ok(())
}

fn find_binary() -> Outcome<PathBuf> {
    if let Some(path) = std::env::var_os("LODGE") {
        let path = PathBuf::from(path);
        // Tests change the directory, so a relative name is made absolute now.
        return fs::canonicalize(&path)
            .map_err(|error| Fault::failed(format!("LODGE={}: {error}", path.display())));
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), PathBuf::from);
    for built in ["release/lodge", "debug/lodge"] {
        if let Ok(path) = fs::canonicalize(target.join(built)) {
            return Ok(path);
        }
    }
    Err(Fault::failed(format!(
        "no lodge in {}; build it, or name it in LODGE",
        target.display()
    )))
}

fn find_busybox() -> Outcome<PathBuf> {
    let given = std::env::var_os("BUSYBOX").map(PathBuf::from);
    let usual = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    given
        .into_iter()
        .chain(usual)
        .find(|path| path.is_file())
        .ok_or_else(|| Fault::failed("no busybox; install busybox-static or name one in BUSYBOX"))
}
