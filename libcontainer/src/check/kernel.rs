//! System calls, tried in ways that change nothing.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::{Ability, Need, Question};
use crate::cgroups::Layout;
use crate::error::reason;
use crate::process::{own_proc, sealed_self};
use crate::sys::clone::{Spawned, spawn_idle};
use crate::sys::mount::{MountAttr, fsopen, mount_setattr, move_mount, open_tree_clone};
use crate::sys::openat2::{Resolve, openat2};
use crate::sys::process::{pidfd_open, pidfd_send_signal, wait};
use crate::sys::{Errno, fd, landlock, open};
use crate::{seccomp, security};

/// In the order of the table.
const QUESTIONS: [Question; 15] = [
    Question {
        name: "openat2",
        need: Need::Protection,
        otherwise: "paths in a root file system are resolved step by step, which is slower",
        ask: in_root,
    },
    Question {
        name: "fsopen",
        need: Need::Protection,
        otherwise: "file systems are mounted by mount(2), at a place that is looked up again",
        ask: || known(fsopen(c"tmpfs").map(drop)),
    },
    Question {
        name: "open_tree",
        need: Need::Protection,
        otherwise: "binds are made by mount(2), at a place that is looked up again",
        ask: || known(open_tree_clone(root()?.as_fd(), c"", false).map(drop)),
    },
    Question {
        name: "move_mount",
        need: Need::Protection,
        otherwise: "mounts are made by mount(2), at a place that is looked up again",
        ask: attach,
    },
    Question {
        name: "mount_setattr",
        need: Need::Protection,
        otherwise: "read-only mounts can be written for a moment; mounts cannot be id-mapped",
        ask: || known(mount_setattr(root()?.as_fd(), false, &MountAttr::default())),
    },
    Question {
        name: "private procfs",
        need: Need::Protection,
        otherwise: "labels are written by the procfs that is mounted, once it was verified",
        ask: || own_proc().map(|_| yes()).map_err(said),
    },
    Question {
        name: "pidfd",
        need: Need::Required,
        otherwise: "a process cannot be named but by a number that another may have next",
        ask: pidfd,
    },
    Question {
        name: "CLONE_INTO_CGROUP",
        need: Need::Protection,
        otherwise: "a process joins its cgroup after it was made, outside of the limits before",
        ask: clone_into_cgroup,
    },
    Question {
        name: "close_range",
        need: Need::Protection,
        otherwise: "descriptors are closed one by one up to the limit of open files",
        ask: || fd::knows_close_range().map(|()| yes()).map_err(said),
    },
    Question {
        name: "sealed binary",
        need: Need::Required,
        otherwise: "no process enters a container but a sealed copy of this program",
        ask: sealed,
    },
    Question {
        name: "no_new_privs",
        need: Need::Required,
        otherwise: "own processes could regain what they gave up",
        ask: || {
            let asked = nix::sys::prctl::get_no_new_privs();
            asked.map(|_| yes()).map_err(said)
        },
    },
    Question {
        name: "seccomp",
        need: Need::Required,
        otherwise: "filters of system calls are refused, and relays go without",
        ask: filters,
    },
    Question {
        name: "Landlock",
        need: Need::Protection,
        otherwise: "relays of terminals could open files",
        ask: || {
            let version = landlock::version().map_err(said)?;
            Ok(format!("version {version}"))
        },
    },
    Question {
        name: "user namespaces",
        need: Need::Protection,
        otherwise: "root in every container is root of the host, but for its capabilities",
        ask: || idle(libc::CLONE_NEWUSER).map(|()| yes()),
    },
    Question {
        name: "mount namespaces",
        need: Need::Required,
        otherwise: "this caller cannot make the other namespaces either",
        ask: namespaces,
    },
];

pub(super) fn probe() -> Vec<Ability> {
    QUESTIONS.iter().map(Question::answer).collect()
}

fn yes() -> String {
    "tried".to_owned()
}

fn said(errno: Errno) -> String {
    reason(errno)
}

/// A call that another caller may make is there.
fn known(tried: Result<(), Errno>) -> Result<String, String> {
    match tried {
        Ok(()) => Ok(yes()),
        Err(Errno::EPERM) if !nix::unistd::geteuid().is_root() => {
            Ok("in a user namespace".to_owned())
        }
        Err(errno) => Err(said(errno)),
    }
}

fn root() -> Result<OwnedFd, String> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open::open("/", flags, Mode::empty()).map_err(said)
}

fn in_root() -> Result<String, String> {
    let root = root()?;
    openat2(root.as_fd(), c"..", libc::O_PATH, 0, Resolve::IN_ROOT)
        .map(|_| yes())
        .map_err(said)
}

/// A descriptor that is no detached mount is refused, by a kernel that knows the call.
fn attach() -> Result<String, String> {
    let root = root()?;
    match move_mount(root.as_fd(), root.as_fd()) {
        Ok(()) | Err(Errno::EINVAL | Errno::ELOOP | Errno::EBUSY) => Ok(yes()),
        Err(errno) => known(Err(errno)),
    }
}

fn pidfd() -> Result<String, String> {
    let own = pidfd_open(nix::unistd::getpid().as_raw()).map_err(said)?;
    // Signal 0 asks, and signals nothing.
    pidfd_send_signal(own.as_fd(), 0).map_err(said)?;
    Ok(yes())
}

/// Ends a process that was made for a question.
fn end(spawned: &Spawned) {
    let _ = pidfd_send_signal(spawned.pidfd.as_fd(), libc::SIGKILL);
    let _ = wait(spawned.pidfd.as_fd(), true);
}

fn idle(flags: libc::c_int) -> Result<(), String> {
    let spawned = spawn_idle(flags, None).map_err(said)?;
    end(&spawned);
    Ok(())
}

fn namespaces() -> Result<String, String> {
    match idle(libc::CLONE_NEWNS) {
        Ok(()) => Ok(yes()),
        // As a container of an ordinary user is made.
        Err(_) => {
            idle(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
            Ok("with a user namespace".to_owned())
        }
    }
}

fn clone_into_cgroup() -> Result<String, String> {
    let layout = Layout::probe(None).map_err(|failed| failed.to_string())?;
    let tree = layout.hierarchies.iter().find(|tree| tree.is_v2());
    let tree = tree.ok_or("there is no cgroup v2")?;
    let own = tree
        .own
        .as_deref()
        .ok_or("our own cgroup is not in sight")?;
    let path = format!("{}{own}", tree.mount);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let folder = open::open(path.as_str(), flags, Mode::empty()).map_err(said)?;
    let spawned = spawn_idle(0, Some(folder.as_fd())).map_err(said)?;
    end(&spawned);
    if spawned.in_cgroup {
        Ok(yes())
    } else {
        Err("clone3 is refused".to_owned())
    }
}

fn sealed() -> Result<String, String> {
    let image = sealed_self().map_err(|failed| failed.to_string())?;
    // Nobody may write it, whoever asks.
    match nix::unistd::write(&image, b"x") {
        Err(Errno::EPERM) => Ok("a sealed copy in memory".to_owned()),
        _ => Err("a sealed copy can be written".to_owned()),
    }
}

fn filters() -> Result<String, String> {
    let flags = seccomp::supported_flags();
    if flags.is_empty() {
        return Err("the kernel knows none".to_owned());
    }
    security::jail::Jail::build(security::jail::Duty::Relay).map_err(|it| it.to_string())?;
    let names: Vec<String> = flags.iter().map(flag_name).collect();
    Ok(names.join(" "))
}

fn flag_name(flag: &impl ToString) -> String {
    let name = flag.to_string();
    name.strip_prefix("SECCOMP_FILTER_FLAG_")
        .unwrap_or(&name)
        .to_owned()
}
