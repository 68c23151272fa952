//! Propagation of the mount namespace, and the root as a mount of its own.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::{Mode, stat};

use crate::attach::Source;
use crate::error::StepError;
use crate::mounts::Propagation;
use crate::path::{RootFd, c_path, is_directory_by};
use crate::plan::RootfsPlan;
use crate::sys::Errno;
use crate::sys::mount::mount;
use crate::sys::open::open;

/// Cuts the namespace off from the host's mounts and binds the root onto itself:
/// pivot_root(2) wants a mount, and so do attributes of the root alone.
///
/// What is given back is the root of that mount; everything below is reached
/// through it.
pub(crate) fn prepare(plan: &RootfsPlan) -> Result<RootFd, StepError> {
    propagate(plan.propagation)?;
    if let Some(asked) = plan.propagation {
        isolate_parent(&plan.path, asked)?;
    }
    bind_onto_itself(&plan.path).map(RootFd::new)
}

/// Gives the root of the mount.
pub(super) fn bind_onto_itself(rootfs: &Path) -> Result<OwnedFd, StepError> {
    let failed = |action, errno| StepError::new(action, rootfs.display().to_string(), errno);
    let path = c_path(rootfs).map_err(|errno| failed("open rootfs", errno))?;
    let directory = open(
        rootfs,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| failed("open rootfs", errno))?;
    let failed = |errno| failed("bind rootfs", errno);
    let source = Source::open(AT_FDCWD, &path, true).map_err(failed)?;
    // The name was looked up twice; both must be one directory.
    same(directory.as_fd(), source.as_fd()).map_err(failed)?;
    source.attach(directory.as_fd(), &[]).map_err(failed)
}

fn same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<(), Errno> {
    use nix::sys::stat::fstat;
    let (one, other) = (fstat(one)?, fstat(other)?);
    if one.st_dev == other.st_dev && one.st_ino == other.st_ino {
        Ok(())
    } else {
        Err(Errno::ESTALE)
    }
}

/// Slave by default: the host's mounts and unmounts reach the container's
/// copies, the container's never the host.
fn propagate(asked: Option<Propagation>) -> Result<(), StepError> {
    let (flag, recursive) = match asked {
        None => (libc::MS_SLAVE, libc::MS_REC),
        // What cannot be bound cannot be made a root either; the root becomes
        // unbindable in the end.
        Some(asked) if libc::c_ulong::try_from(asked.flag) == Ok(libc::MS_UNBINDABLE) => {
            (libc::MS_PRIVATE, libc::MS_REC)
        }
        Some(asked) => (
            libc::c_ulong::try_from(asked.flag).unwrap_or(libc::MS_SLAVE),
            if asked.recursive { libc::MS_REC } else { 0 },
        ),
    };
    mount(None, c"/", None, flag | recursive, None)
        .map_err(|errno| StepError::new("set the propagation of", "/", errno))
}

/// The mount that holds the root must not be shared: pivot_root(2) refuses it,
/// and the bind would show on the host. A root that is asked to be a slave gets
/// that from it, also where the answer of `/` did not reach it.
fn isolate_parent(rootfs: &Path, asked: Propagation) -> Result<(), StepError> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        StepError::new("read", "/proc/self/mountinfo", errno)
    })?;
    let Some((parent, true)) = holder(&text, rootfs) else {
        return Ok(());
    };
    let (action, flag) = if libc::c_ulong::try_from(asked.flag) == Ok(libc::MS_SLAVE) {
        ("make a slave of", libc::MS_SLAVE)
    } else {
        ("make private", libc::MS_PRIVATE)
    };
    let failed = |errno| StepError::new(action, parent.display().to_string(), errno);
    let target = c_path(&parent).map_err(failed)?;
    mount(None, &target, None, flag, None).map_err(failed)
}

/// The mount that holds a path, and whether it is shared (proc_pid_mountinfo(5)).
fn holder(mountinfo: &str, path: &Path) -> Option<(std::path::PathBuf, bool)> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, _) = line.split_once(" - ")?;
        let mut fields = mount.split(' ');
        let point = unescape(fields.nth(4)?);
        Some((point, fields.any(|field| field.starts_with("shared:"))))
    });
    mounts
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.as_os_str().len())
}

/// A path of mountinfo: white space and backslashes are octal there (proc(5)).
pub(super) fn unescape(text: &str) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// Refuses a root that is no directory before anything is made.
pub(crate) fn check(path: &Path) -> Result<(), StepError> {
    let failed = |errno| StepError::new("open rootfs", path.display().to_string(), errno);
    if is_directory_by(&stat(path).map_err(failed)?) {
        Ok(())
    } else {
        Err(failed(Errno::ENOTDIR))
    }
}

#[cfg(test)]
mod tests {
    use super::{holder, unescape};
    use std::path::Path;

    #[test]
    fn the_innermost_and_last_mount_holds_a_path() {
        let text = "1 0 0:1 / / rw shared:1 - ext4 /dev/a rw\n\
                    2 1 0:2 / /a rw,nosuid shared:2 master:1 - tmpfs t rw\n\
                    3 1 0:3 / /ab rw - tmpfs t rw\n\
                    4 2 0:4 / /a rw master:2 - tmpfs t rw\n";
        for (path, point, shared) in [
            ("/x", "/", true),
            ("/a/b", "/a", false),
            ("/ab", "/ab", false),
        ] {
            assert_eq!(holder(text, Path::new(path)), Some((point.into(), shared)));
        }
    }

    #[test]
    fn octal_escapes_are_read() {
        assert_eq!(unescape("/a\\040b\\134c"), Path::new("/a b\\c"));
        assert_eq!(unescape("/plain"), Path::new("/plain"));
        assert_eq!(unescape("/end\\04"), Path::new("/end\\04"));
    }
}
