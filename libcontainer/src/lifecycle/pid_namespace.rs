//! A pid namespace to be joined: only a clone enters one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::error::StepError;
use crate::path::c_path;
use crate::sys::ns;
use crate::sys::open::open;

/// A pid namespace that our next children are born in.
pub(super) struct PidNamespace {
    own: OwnedFd,
}

impl PidNamespace {
    /// Joins the namespace, or that of the process behind a pidfd.
    pub(super) fn for_children(target: BorrowedFd<'_>) -> Result<Self, StepError> {
        let failed = |errno| StepError::new("join", "the container's pid namespace", errno);
        let path = c_path(Path::new("/proc/self/ns/pid")).map_err(failed)?;
        let own = open(
            path.as_c_str(),
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(failed)?;
        ns::join(target, libc::CLONE_NEWPID).map_err(failed)?;
        Ok(Self { own })
    }

    /// Our children are born in our own again.
    pub(super) fn leave(self) -> Result<(), StepError> {
        ns::join(self.own.as_fd(), libc::CLONE_NEWPID)
            .map_err(|errno| StepError::new("leave", "the container's pid namespace", errno))
    }
}
