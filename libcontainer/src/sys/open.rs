//! open(2), through EINTR: on a slow file system a signal may come in between.
//!
//! By openat(2) alone: musl's open() sets close-on-exec once more.

use std::os::fd::{AsFd, OwnedFd};

use nix::NixPath;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::Mode;

use super::{Errno, Result};

/// Opens a path from the working directory, or an absolute one.
pub(crate) fn open<P: ?Sized + NixPath>(path: &P, flags: OFlag, mode: Mode) -> Result<OwnedFd> {
    openat(AT_FDCWD, path, flags, mode)
}

/// Opens a path from a directory.
pub(crate) fn openat<P: ?Sized + NixPath>(
    directory: impl AsFd,
    path: &P,
    flags: OFlag,
    mode: Mode,
) -> Result<OwnedFd> {
    loop {
        match nix::fcntl::openat(directory.as_fd(), path, flags, mode) {
            Err(Errno::EINTR) => {}
            opened => return opened,
        }
    }
}
