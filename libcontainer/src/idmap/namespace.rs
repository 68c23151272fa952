//! A user namespace that exists for the sake of its maps.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::{IdMaps, write};
use crate::error::StepError;
use crate::sys::clone::{Spawned, spawn_idle};
use crate::sys::open::open;
use crate::sys::process::{pidfd_send_signal, wait};

/// Makes one with these maps. A process has to be in it while they are written;
/// afterwards the descriptor alone keeps it.
pub(crate) fn user_namespace(maps: &IdMaps) -> Result<OwnedFd, StepError> {
    const OBJECT: &str = "a user namespace for the mappings";
    let cloned = spawn_idle(libc::CLONE_NEWUSER, None)
        .map_err(|errno| StepError::new("make", OBJECT, errno))?;
    let inhabitant = Inhabitant(cloned);
    let pid = inhabitant.0.pid;
    write(pid, maps, None)?;
    open(
        format!("/proc/{pid}/ns/user").as_str(),
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| StepError::new("open", OBJECT, errno))
}

/// The process in it, ended when it is needed no more.
struct Inhabitant(Spawned);

impl Drop for Inhabitant {
    fn drop(&mut self) {
        let pidfd = self.0.pidfd.as_fd();
        let _ = pidfd_send_signal(pidfd, libc::SIGKILL);
        let _ = wait(pidfd, true);
    }
}
