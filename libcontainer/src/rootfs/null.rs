//! Standard streams that lead to nowhere.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, fstat, makedev};

use super::dev::verify;
use crate::error::StepError;
use crate::sys::Errno;
use crate::sys::fd::standing;
use crate::sys::open::open;

/// Standard streams that are the host's `/dev/null` become the container's: a
/// checkpoint finds no file of another's mounts in its images.
pub(crate) fn take_own_null() -> Result<(), StepError> {
    let failed = |errno| StepError::new("open", "/dev/null of the container", errno);
    let mut own: Option<OwnedFd> = None;
    for number in 0..3 {
        let Ok(stat) = fstat(standing(number)) else {
            continue;
        };
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if kind != SFlag::S_IFCHR || stat.st_rdev != makedev(1, 3) {
            continue;
        }
        let null = match &own {
            Some(null) => null,
            None => own.insert(match container_null() {
                Ok(null) => null,
                // An image that has something else there, or nothing, or now this and now
                // that: the streams stay the caller's.
                Err(Errno::ENXIO | Errno::ENOENT | Errno::EACCES | Errno::ELOOP) => return Ok(()),
                Err(errno) => return Err(failed(errno)),
            }),
        };
        match number {
            0 => nix::unistd::dup2_stdin(null),
            1 => nix::unistd::dup2_stdout(null),
            _ => nix::unistd::dup2_stderr(null),
        }
        .map_err(failed)?;
    }
    Ok(())
}

fn container_null() -> Result<OwnedFd, Errno> {
    // Read and write: a FIFO would not block us (fifo(7)).
    let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let null = open(
        "/dev/null",
        OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    verify(null.as_fd(), SFlag::S_IFCHR, makedev(1, 3))?;
    let null = open("/dev/null", flags, Mode::empty())?;
    verify(null.as_fd(), SFlag::S_IFCHR, makedev(1, 3))?;
    Ok(null)
}
