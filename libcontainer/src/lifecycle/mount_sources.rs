//! What the init asks of the runtime for its mounts: sources that its own ids
//! cannot reach, and owners mapped, for which the host's rights are needed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{fstat, major, minor};

use crate::attach::{map_ids, set_propagation};
use crate::error::{Error, StepError};
use crate::idmap::{self, IdMaps};
use crate::mounts::{IdMapping, MapNamespace};
use crate::path::c_path;
use crate::process::{Child, Order};
use crate::sys::Errno;
use crate::sys::mount::open_tree_clone;

/// The user namespaces of id-mapped mounts, made when they are first needed.
#[derive(Debug)]
pub(super) struct MountSources<'a> {
    maps: &'a [IdMaps],
    made: Vec<(usize, OwnedFd)>,
}

impl<'a> MountSources<'a> {
    pub(super) fn new(maps: &'a [IdMaps]) -> Self {
        Self {
            maps,
            made: Vec::new(),
        }
    }

    /// Maps the ids of a tree that the init sent, with its own user namespace
    /// when that has the maps.
    pub(super) fn map(
        &mut self,
        child: &Child,
        path: &Path,
        asked: IdMapping,
        fds: &[OwnedFd],
    ) -> Result<(), Error> {
        let order = match self.try_map(path, asked, fds) {
            Ok(()) => Order::MountMapped,
            Err(failed) => Order::MountNotMapped(failed),
        };
        child.link.send(&order, &[])?;
        Ok(())
    }

    fn try_map(&mut self, path: &Path, asked: IdMapping, fds: &[OwnedFd]) -> Result<(), StepError> {
        let missing = || StepError::refused(ACTION, path.display().to_string(), "nothing was sent");
        let tree = fds.first().ok_or_else(missing)?.as_fd();
        let namespace = match asked.namespace {
            MapNamespace::Container => fds.get(1).ok_or_else(missing)?.as_fd(),
            MapNamespace::Made(number) => self.namespace(number, path)?,
        };
        map_ids(tree, asked.recursive, namespace)
            .map_err(|errno| not_mapped(path, tree, asked, errno))
    }

    fn namespace(&mut self, number: usize, path: &Path) -> Result<BorrowedFd<'_>, StepError> {
        let missing = || StepError::refused(ACTION, path.display().to_string(), "no such mapping");
        if !self.made.iter().any(|(made, _)| *made == number) {
            let maps = self.maps.get(number).ok_or_else(missing)?;
            let namespace = idmap::user_namespace(maps).map_err(|failed| {
                StepError::refused(ACTION, path.display().to_string(), failed.to_string())
            })?;
            self.made.push((number, namespace));
        }
        let made = self.made.iter().find(|(made, _)| *made == number);
        Ok(made.ok_or_else(missing)?.1.as_fd())
    }
}

/// Sends a detached copy of a source.
pub(super) fn send(child: &Child, path: &Path, recursive: bool) -> Result<(), Error> {
    match open(path, recursive) {
        Ok(tree) => child.link.send(&Order::Source, &[tree.as_fd()])?,
        Err(failed) => child.link.send(&Order::NoSource(failed), &[])?,
    }
    Ok(())
}

const ACTION: &str = "map the ids of";

/// A detached copy of what a path is on the host. It is a peer of the mounts that
/// it was copied from, and made their slave: so are all mounts of a mount namespace
/// of another user namespace (mount_namespaces(7)).
fn open(path: &Path, recursive: bool) -> Result<OwnedFd, StepError> {
    let failed = |errno| StepError::new("open mount source", path.display().to_string(), errno);
    let tree = c_path(path)
        .and_then(|path| open_tree_clone(AT_FDCWD, &path, recursive))
        .map_err(failed)?;
    #[expect(
        clippy::useless_conversion,
        reason = "the width of c_ulong is the target's"
    )]
    set_propagation(tree.as_fd(), None, libc::MS_SLAVE.into(), true).map_err(failed)?;
    Ok(tree)
}

/// The kernel's reason, with what it does not say.
#[expect(clippy::wildcard_enum_match_arm, reason = "Errno has a hundred names")]
fn not_mapped(path: &Path, tree: BorrowedFd<'_>, asked: IdMapping, errno: Errno) -> StepError {
    let failed = StepError::new(ACTION, path.display().to_string(), errno);
    let mountinfo = || std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let detail = match errno {
        Errno::EINVAL => {
            let device = fstat(tree).map(|stat| stat.st_dev);
            let found = device.ok().and_then(|device| {
                let device = format!("{}:{}", major(device), minor(device));
                file_system(&mountinfo(), &device)
            });
            let what = found.map_or_else(
                || "its file system".to_owned(),
                |(fs_type, point)| format!("its file system, {fs_type} mounted at {point},"),
            );
            let below = if asked.recursive {
                " or one mounted below"
            } else {
                ""
            };
            format!("{what}{below} has no id-mapped mounts here")
        }
        Errno::EPERM => "it is id-mapped already, or its file system belongs to a user namespace that is not ours".to_owned(),
        Errno::ENOSYS => "mount_setattr(2) is missing: it needs Linux 5.12".to_owned(),
        _ => return failed,
    };
    failed.with_detail(detail)
}

/// The type of the file system of a device number, and where it is mounted
/// (proc_pid_mountinfo(5)).
fn file_system(mountinfo: &str, device: &str) -> Option<(String, String)> {
    mountinfo.lines().find_map(|line| {
        let (mount, superblock) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(2);
        if fields.next()? != device {
            return None;
        }
        let point = fields.nth(1)?;
        let fs_type = superblock.split(' ').next()?;
        Some((fs_type.to_owned(), point.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::file_system;

    #[test]
    fn a_file_system_is_found_by_its_device() {
        let text = "1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n\
                    2 1 0:22 / /proc rw,nosuid - proc proc rw\n";
        let found = |fs_type: &str, point: &str| Some((fs_type.to_owned(), point.to_owned()));
        assert_eq!(file_system(text, "0:22"), found("proc", "/proc"));
        assert_eq!(file_system(text, "8:1"), found("ext4", "/"));
        assert_eq!(file_system(text, "0:2"), None);
    }
}
