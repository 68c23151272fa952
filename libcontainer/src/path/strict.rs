//! A file of a procfs of ours: nothing on the way there may be a link or another
//! mount.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};

use super::root::components;
use crate::sys::open::openat;
use crate::sys::openat2::{Resolve, openat2};
use crate::sys::{Errno, Result};

/// Opens `path` below `dir`, crossing neither links nor mounts.
pub(crate) fn open_strict(dir: BorrowedFd<'_>, path: &CStr, flags: OFlag) -> Result<OwnedFd> {
    match openat2(dir, path, flags.bits(), 0, Resolve::STRICT) {
        // A kernel before 5.6, or a sandbox that does not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => step_by_step(dir, path, flags),
        opened => opened,
    }
}

/// The same one component at a time. A mount shows by another device number:
/// every instance of procfs has its own.
fn step_by_step(dir: BorrowedFd<'_>, path: &CStr, flags: OFlag) -> Result<OwnedFd> {
    let device = fstat(dir)?.st_dev;
    let mut here: Option<OwnedFd> = None;
    let mut names = components(path).peekable();
    while let Some(name) = names.next() {
        if name == b".." {
            return Err(Errno::EXDEV);
        }
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        let how = if names.peek().is_some() {
            OFlag::O_PATH | OFlag::O_DIRECTORY
        } else {
            flags
        };
        let from = here.as_ref().map_or(dir, AsFd::as_fd);
        let next = openat(
            from,
            name.as_c_str(),
            how | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        if fstat(&next)?.st_dev != device {
            return Err(Errno::EXDEV);
        }
        here = Some(next);
    }
    here.ok_or(Errno::EISDIR)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{open_strict, step_by_step};
    use crate::sys::Errno;
    use nix::fcntl::OFlag;
    use std::ffi::CString;
    use std::os::fd::AsFd;

    #[test]
    fn links_and_ways_up_are_refused() {
        let proc = std::fs::File::open("/proc").unwrap();
        let own = std::process::id();
        for (path, expected) in [
            (format!("{own}/status"), None),
            (format!("{own}/task/{own}/comm"), None),
            ("self/status".to_owned(), Some(())),
            (format!("{own}/cwd/x"), Some(())),
            ("../etc/passwd".to_owned(), Some(())),
            ("no-such".to_owned(), Some(())),
        ] {
            let path = CString::new(path).unwrap();
            for open in [open_strict, step_by_step] {
                let opened = open(proc.as_fd(), &path, OFlag::O_RDONLY);
                assert_eq!(opened.err().map(drop), expected, "{path:?}");
            }
        }
    }

    #[test]
    fn another_mount_is_refused() {
        let root = std::fs::File::open("/").unwrap();
        for open in [open_strict, step_by_step] {
            let opened = open(root.as_fd(), c"proc/version", OFlag::O_RDONLY);
            assert_eq!(opened.unwrap_err(), Errno::EXDEV);
        }
    }
}
