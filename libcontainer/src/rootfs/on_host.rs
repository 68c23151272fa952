//! Without a mount namespace of the container's own its mounts lie in the host's: on a
//! bind of the root onto itself, that all of them go with when the container does.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::prepare::{bind_onto_itself, unescape};
use crate::attach::{mount_id, mountinfo, set_propagation};
use crate::error::StepError;
use crate::path::RootFd;
use crate::plan::RootfsPlan;
use crate::sys::Errno;
use crate::sys::open::open;

/// More than are stacked on one another; others may go on to do so.
const MOST: usize = 64;

/// The bind, as the kernel lists it: its number, its parent, its file system, its root
/// and its place. All five, for numbers are given anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostMount(String);

/// Binds the root onto itself. What is mounted there shows nowhere else.
pub(crate) fn bind_on_host(plan: &RootfsPlan) -> Result<HostMount, StepError> {
    let failed = |errno| StepError::new("bind rootfs", plan.path.display().to_string(), errno);
    let root = bind_onto_itself(&plan.path).map_err(|failed| {
        failed.with_detail("without a mount namespace the mounts are made in the host's")
    })?;
    let made = set_propagation(root.as_fd(), None, libc::MS_PRIVATE, true)
        .map_err(failed)
        .and_then(|()| find(root.as_fd(), &plan.path));
    drop(root);
    if made.is_err() {
        // Nobody else would know of it.
        let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
        if let Err(errno) = umount2(plan.path.as_path(), flags) {
            log::warn!(
                "{}",
                StepError::new("unmount rootfs", plan.path.display().to_string(), errno)
            );
        }
    }
    made
}

/// The mount that the root of a bind is of.
fn find(root: BorrowedFd<'_>, path: &Path) -> Result<HostMount, StepError> {
    let failed = |errno| StepError::new("bind rootfs", path.display().to_string(), errno);
    let number = mount_id(root).map_err(failed)?.to_string();
    let text = list()?;
    let mut mounts = text.lines().filter_map(identity);
    let found = mounts.find(|found| found.split(' ').next() == Some(&number));
    found
        .map(|found| HostMount(found.to_owned()))
        .ok_or_else(|| failed(Errno::ESTALE))
}

/// The root that was bound.
pub(crate) fn open_on_host(plan: &RootfsPlan) -> Result<RootFd, StepError> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(plan.path.as_path(), flags, Mode::empty())
        .map_err(|errno| StepError::new("open rootfs", plan.path.display().to_string(), errno))?;
    Ok(RootFd::new(root))
}

impl HostMount {
    /// Takes the bind off with all that is mounted on it; nothing where it is gone.
    pub(crate) fn unbind(&self) -> Result<(), StepError> {
        for _ in 0..MOST {
            let text = list()?;
            if !text.lines().filter_map(identity).any(|it| it == self.0) {
                return Ok(());
            }
            let place = self.place();
            let failed =
                |errno| StepError::new("unmount rootfs", place.display().to_string(), errno);
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let top = open(place.as_path(), flags, Mode::empty()).map_err(failed)?;
            // What covers a directory above it may have one of that name.
            let number = mount_id(top.as_fd()).map_err(failed)?;
            if !lies_on(&text, &number.to_string(), self.number()) {
                return Err(failed(Errno::EBUSY).with_detail("another mount covers it"));
            }
            drop(top);
            umount2(
                place.as_path(),
                MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW,
            )
            .map_err(failed)?;
        }
        Err(StepError::refused(
            "unmount rootfs",
            self.place().display().to_string(),
            "there is always another mount",
        ))
    }

    fn number(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    fn place(&self) -> PathBuf {
        unescape(self.0.rsplit(' ').next().unwrap_or_default())
    }
}

/// The fields of a line that tell which mount it is (proc_pid_mountinfo(5)).
fn identity(line: &str) -> Option<&str> {
    let (end, _) = line.match_indices(' ').nth(4)?;
    line.get(..end)
}

/// Whether a mount is the other or lies on it.
fn lies_on(mountinfo: &str, mount: &str, other: &str) -> bool {
    let mut mount = mount;
    for _ in 0..mountinfo.lines().count() {
        if mount == other {
            return true;
        }
        let parent = mountinfo.lines().find_map(|line| {
            let mut fields = line.split(' ');
            (fields.next() == Some(mount))
                .then(|| fields.next())
                .flatten()
        });
        let Some(parent) = parent else {
            return false;
        };
        mount = parent;
    }
    false
}

fn list() -> Result<String, StepError> {
    mountinfo().map_err(|errno| StepError::new("read", "/proc/self/mountinfo", errno))
}

#[cfg(test)]
mod tests {
    use super::{HostMount, identity, lies_on};
    use std::path::Path;

    const LIST: &str = "1 0 8:1 / / rw - ext4 /dev/a rw\n\
                        5 1 8:1 /b\\040c /b\\040c rw shared:3 - ext4 /dev/a rw\n\
                        6 5 0:9 / /b\\040c/proc rw - proc proc rw\n\
                        7 5 0:8 / /b\\040c rw - tmpfs t rw\n";

    #[test]
    fn a_mount_is_told_by_five_fields() {
        let line = LIST.lines().nth(1).unwrap_or_default();
        let mount = HostMount(identity(line).unwrap_or_default().to_owned());
        assert_eq!(mount.0, "5 1 8:1 /b\\040c /b\\040c");
        assert_eq!(mount.number(), "5");
        assert_eq!(mount.place(), Path::new("/b c"));
        assert_eq!(identity("1 2 3"), None);
    }

    #[test]
    fn what_lies_on_a_mount_is_found_by_its_parents() {
        assert!(lies_on(LIST, "5", "5"));
        assert!(lies_on(LIST, "7", "5"));
        assert!(lies_on(LIST, "6", "1"));
        assert!(!lies_on(LIST, "1", "5"));
        assert!(!lies_on(LIST, "9", "5"));
    }
}
