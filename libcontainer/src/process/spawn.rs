//! Making the process: from the runtime's side.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::link::Link;
use super::sealed_self::sealed_self;
use crate::error::StepError;
use crate::sys::clone::{Image, spawn_image};

/// What kind of process.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// `CLONE_NEW*`.
    pub(crate) flags: libc::c_int,
    /// The cgroup v2 directory that it starts in.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// Its user namespace is new, and its maps are written before it goes on.
    pub(crate) waits_for_id_maps: bool,
}

/// The process, waiting for its plan.
#[derive(Debug)]
pub(crate) struct Child {
    /// In our pid namespace.
    pub(crate) pid: libc::pid_t,
    /// For signals and waiting.
    pub(crate) pidfd: Rc<OwnedFd>,
    /// Our end.
    pub(crate) link: Link,
    /// Whether it was cloned into the cgroup that was asked for.
    pub(crate) in_cgroup: bool,
}

/// Clones and executes the sealed image. The process dies with us until it is
/// told to proceed.
pub(crate) fn spawn(request: &Request<'_>) -> Result<Child, StepError> {
    let image = sealed_self()?;
    let (link, theirs) = Link::pair()?;
    let number = CString::new(theirs.as_raw_fd().to_string())
        .map_err(|_| StepError::refused("clone", "the container's process", "no socket"))?;
    let image = Image {
        file: image.as_fd(),
        name: c"lodge-init",
        socket: theirs.as_fd(),
        socket_number: &number,
        waits_for_id_maps: request.waits_for_id_maps,
        dies_with_parent: true,
    };
    let spawned = spawn_image(request.flags, request.cgroup, &image)
        .map_err(|errno| StepError::new("clone", "the container's process", errno))?;
    Ok(Child {
        pid: spawned.pid,
        pidfd: Rc::new(spawned.pidfd),
        link,
        in_cgroup: spawned.in_cgroup,
    })
}
