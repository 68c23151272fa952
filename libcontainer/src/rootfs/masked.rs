//! Paths that nobody inside may see, and paths that nobody inside may change.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, makedev};

use super::dev::verify;
use crate::error::StepError;
use crate::path::{RootFd, is_directory};
use crate::sys::Errno;
use crate::sys::mount::{
    MountAttr, attr, fsconfig_create, fsconfig_string, fsmount, fsopen, mount_setattr, move_mount,
    open_tree_clone,
};
use crate::sys::open::open;

/// Covers files with the host's `/dev/null`, never with the image's, and
/// directories with one read-only empty tmpfs that all of them share: hundreds
/// of superblocks are slow to make and to unmake.
pub(crate) fn mask(root: &RootFd, paths: &[PathBuf]) -> Result<(), StepError> {
    let mut null = None;
    let mut empty: Option<OwnedFd> = None;
    for path in paths {
        let Some(target) = existing(root, path, "mask")? else {
            continue;
        };
        let failed = |errno| failed("mask", path, errno);
        let cover = if is_directory(target.as_fd()).map_err(failed)? {
            match &empty {
                Some(first) => open_tree_clone(first.as_fd(), c"", false).map_err(failed)?,
                None => {
                    let made = empty_directory().map_err(failed)?;
                    move_mount(made.as_fd(), target.as_fd()).map_err(failed)?;
                    empty = Some(made);
                    continue;
                }
            }
        } else {
            let source = match &null {
                Some(source) => source,
                None => null.insert(host_null()?),
            };
            open_tree_clone(source.as_fd(), c"", false).map_err(failed)?
        };
        move_mount(cover.as_fd(), target.as_fd()).map_err(failed)?;
    }
    Ok(())
}

/// Makes each path a mount of its own and closes it for writing; the flags it
/// has from the mount around it stay.
pub(crate) fn protect(root: &RootFd, paths: &[PathBuf]) -> Result<(), StepError> {
    let read_only = MountAttr {
        set: attr::RDONLY,
        ..MountAttr::default()
    };
    for path in paths {
        let Some(target) = existing(root, path, "make read-only")? else {
            continue;
        };
        let failed = |errno| failed("make read-only", path, errno);
        let tree = open_tree_clone(target.as_fd(), c"", true).map_err(failed)?;
        mount_setattr(tree.as_fd(), false, &read_only).map_err(failed)?;
        move_mount(tree.as_fd(), target.as_fd()).map_err(failed)?;
    }
    Ok(())
}

/// What is at the path; a path that is not there needs no cover.
fn existing(
    root: &RootFd,
    path: &Path,
    action: &'static str,
) -> Result<Option<OwnedFd>, StepError> {
    match root.resolve(path) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(failed(action, path, errno)),
    }
}

fn host_null() -> Result<OwnedFd, StepError> {
    let failed = |errno| StepError::new("open", "/dev/null of the host", errno);
    let null = open(
        "/dev/null",
        OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed)?;
    verify(null.as_fd(), SFlag::S_IFCHR, makedev(1, 3)).map_err(failed)?;
    Ok(null)
}

/// A read-only tmpfs that holds nothing. One block and one inode are all it may
/// ever take; kernels that refuse so little get none of these limits.
fn empty_directory() -> Result<OwnedFd, Errno> {
    match tmpfs(&[(c"nr_blocks", c"1"), (c"nr_inodes", c"1")]) {
        Err(Errno::EINVAL | Errno::ENOSPC) => tmpfs(&[]),
        made => made,
    }
}

fn tmpfs(parameters: &[(&std::ffi::CStr, &std::ffi::CStr)]) -> Result<OwnedFd, Errno> {
    let fs = fsopen(c"tmpfs")?;
    fsconfig_string(fs.as_fd(), c"source", c"tmpfs")?;
    for (key, value) in parameters {
        fsconfig_string(fs.as_fd(), key, value)?;
    }
    fsconfig_create(fs.as_fd())?;
    fsmount(fs.as_fd(), attr::RDONLY)
}

fn failed(action: &'static str, path: &Path, errno: Errno) -> StepError {
    StepError::new(action, path.display().to_string(), errno)
}
