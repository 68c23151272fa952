//! The attacker of T7: a program that runs in a container, looks at every process that
//! comes into its sight as soon as it is there, and tries to get hold of it.
//!
//! It is this very program under another argument: a shell is far too slow to meet a
//! process in the millisecond before it becomes the user's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::ptrace;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::Outcome;

/// The argument that makes this program the attacker.
pub(crate) const WORD: &str = "--watch-processes";

/// Where it says that it looks.
pub(super) const READY: &str = "/ready";
/// Where it writes what it saw.
pub(super) const SEEN: &str = "/seen";
/// It ends when this is there.
pub(super) const STOP: &str = "/stop";

/// What it saw of the processes that were not the user's program yet.
#[derive(Default)]
struct Watch {
    /// Newcomers.
    met: BTreeSet<i32>,
    /// Those that were closed when they were first seen.
    closed: BTreeSet<i32>,
    /// What could be had of one that was not the user's program, and how often.
    had: BTreeMap<String, u64>,
}

/// Looks until it is told to stop.
pub(crate) fn watch() -> Outcome {
    let own = std::process::id();
    let own_root = fs::metadata("/")?;
    let mut watch = Watch::default();
    fs::write(READY, "")?;
    while !Path::new(STOP).exists() {
        for pid in processes() {
            if pid.unsigned_abs() != own && pid != 1 {
                watch.try_all(pid, (own_root.dev(), own_root.ino()));
            }
        }
    }
    let seen = json!({"met": watch.met.len(), "closed": watch.closed.len(), "had": watch.had});
    let mut file = fs::File::create("/seen.new")?;
    file.write_all(seen.to_string().as_bytes())?;
    fs::rename("/seen.new", SEEN)?;
    Ok(())
}

/// What the attacker wrote.
pub(super) fn read(rootfs: &Path) -> Outcome<Value> {
    let text = fs::read(rootfs.join(SEEN.trim_start_matches('/')))?;
    Ok(serde_json::from_slice(&text)?)
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whose program it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The user's: anything goes.
    Users,
    /// Not the user's, and it says so.
    Another,
    /// It is there and does not say.
    Closed,
    /// It has ended.
    Gone,
}

fn whose(pid: i32) -> Whose {
    match fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(name) if name == Path::new("/bin/busybox") => Whose::Users,
        Ok(_) => Whose::Another,
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EACCES | Errno::EPERM) => Whose::Closed,
            _ => Whose::Gone,
        },
    }
}

impl Watch {
    fn try_all(&mut self, pid: i32, own_root: (u64, u64)) {
        let new = self.met.insert(pid);
        let before = whose(pid);
        if before == Whose::Closed && new {
            self.closed.insert(pid);
        }
        if matches!(before, Whose::Users | Whose::Gone) {
            return;
        }
        let had = try_to_look(pid, own_root);
        let traced = try_to_trace(pid);
        // It may have become the user's program meanwhile, and all was right.
        let after = whose(pid);
        if before == Whose::Another || after == Whose::Closed {
            for what in had {
                *self.had.entry(what).or_default() += 1;
            }
        }
        if let Some(what) = traced {
            *self.had.entry(what).or_default() += 1;
        }
    }
}

/// What of its files in /proc opens.
fn try_to_look(pid: i32, own_root: (u64, u64)) -> Vec<String> {
    let dir = format!("/proc/{pid}");
    let mut had = Vec::new();
    if let Ok(name) = fs::read_link(format!("{dir}/exe")) {
        had.push(format!("exe {}", name.display()));
    }
    for name in ["exe", "maps", "environ", "auxv"] {
        if fs::File::open(format!("{dir}/{name}")).is_ok() {
            had.push(format!("{name} opens"));
        }
    }
    let memory = fs::File::options()
        .read(true)
        .write(true)
        .open(format!("{dir}/mem"));
    if memory.is_ok() {
        had.push("mem opens".to_owned());
    }
    for name in ["root", "cwd"] {
        if let Ok(meta) = fs::metadata(format!("{dir}/{name}")) {
            let of_host = (meta.dev(), meta.ino()) != own_root;
            let whose = if of_host { " of another place" } else { "" };
            had.push(format!("{name}{whose}"));
        }
    }
    let fds = fs::read_dir(format!("{dir}/fd"));
    for entry in fds.into_iter().flatten().flatten() {
        if let Some(what) = descriptor(&entry.path()) {
            had.push(what);
        }
    }
    had
}

/// What a descriptor is of; nothing to tell of the standard streams, which are given.
fn descriptor(entry: &Path) -> Option<String> {
    let target = fs::read_link(entry).ok()?;
    let text = target.to_string_lossy();
    if text.contains("/logs/") || text == "/dev/null" {
        return None;
    }
    if !target.is_absolute() {
        // The numbers of sockets and pipes differ each time.
        let kind = text.split(":[").next().unwrap_or_default();
        let kind = if kind == "anon_inode" { &text } else { kind };
        return Some(format!("fd {kind}"));
    }
    // Held first: one that was closed since cannot be had.
    let held = fs::File::options()
        .read(true)
        .custom_flags(OFlag::O_PATH.bits())
        .open(entry)
        .ok()?;
    let meta = held.metadata().ok()?;
    // A procfs that lies nowhere is the runtime's own: the host's has its place.
    let procfs = fstatfs(&held).is_ok_and(|it| it.filesystem_type() == PROC_SUPER_MAGIC);
    if procfs && !text.starts_with("/proc") {
        return Some("fd of a procfs that lies nowhere".to_owned());
    }
    let named = fs::metadata(&target).ok();
    let ours = named.is_some_and(|it| (it.dev(), it.ino()) == (meta.dev(), meta.ino()));
    let place = if ours { "" } else { " of another place" };
    Some(format!("fd {text}{place}"))
}

/// Whether it can be traced while it is not the user's program.
fn try_to_trace(pid: i32) -> Option<String> {
    let target = Pid::from_raw(pid);
    ptrace::seize(target, ptrace::Options::empty()).ok()?;
    let held = ptrace::interrupt(target).is_ok()
        && waitpid(target, Some(WaitPidFlag::__WALL)).is_ok_and(|it| it.pid() == Some(target));
    // It stands still: what it is now it was when it was seized, or has become so by
    // an exec since, and then nothing of ours was had.
    let told = match (held, whose(pid)) {
        (true, Whose::Another | Whose::Closed) => {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let rights = status.lines().find(|line| line.starts_with("CapPrm"));
            let rights = rights.unwrap_or_default().replace('\t', " ");
            Some(format!("traced with {rights}"))
        }
        _ => None,
    };
    let _ = ptrace::detach(target, None);
    told
}
