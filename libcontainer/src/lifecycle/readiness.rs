//! NOTIFY_SOCKET of the caller's: a socket of the container's own in its place.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::container::{ContainerId, StateRoot};
use crate::error::{Error, StepError};
use crate::notify::{Ear, Manager};
use crate::spec::oci::{Mount, Spec};
use crate::state::{NOTIFY, StateDir};
use crate::sys::Errno;

/// Where the container has it.
const INSIDE: &str = "/run/notify";

/// Where the service manager listens that the caller is asked to tell of its
/// readiness.
pub(super) fn manager() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())
}

/// Adds the mount of the directory that will hold the container's own socket, and
/// tells the program of it.
pub(super) fn show(spec: &mut Spec, root: &StateRoot, id: &ContainerId) -> Result<(), Error> {
    let root = std::path::absolute(root.path()).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        StepError::new("find", root.path().display().to_string(), errno)
    })?;
    let mut mount = Mount::default();
    mount
        .set_destination(INSIDE.into())
        .set_typ(Some("bind".to_owned()))
        .set_source(Some(root.join(id.as_str()).join(NOTIFY)))
        .set_options(Some(
            ["bind", "nosuid", "noexec", "nodev", "ro"]
                .map(str::to_owned)
                .into(),
        ));
    spec.mounts_mut().get_or_insert_default().push(mount);
    if let Some(process) = spec.process_mut() {
        let env = process.env_mut().get_or_insert_default();
        env.push(format!("NOTIFY_SOCKET={INSIDE}/notify.sock"));
    }
    Ok(())
}

/// Listens in the directory that was made for it, if one was.
pub(super) fn listen(dir: &StateDir, address: Option<OsString>) -> Result<Option<Ear>, Error> {
    let (Some(address), Some(folder)) = (address, dir.notify_folder()?) else {
        return Ok(None);
    };
    match Manager::connect(address) {
        Ok(manager) => Ok(Some(Ear::make(folder.as_fd(), manager)?)),
        Err(error) => {
            // Nobody is there to be told.
            log::warn!("{error}");
            Ok(None)
        }
    }
}

/// Waits until the program is ready, which the manager is told, or has ended. The
/// manager watches `main` then.
pub(super) fn pass_on(ear: &Ear, init: BorrowedFd<'_>, main: libc::pid_t) -> Result<(), Error> {
    loop {
        let mut fds = [ear.as_fd(), init].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => {
                return Err(StepError::new("wait for", "the container's readiness", errno).into());
            }
        }
        if let Some(manager) = ear.hear(main) {
            // We are gone soon, and the manager asks who has told it.
            if let Err(error) = manager.await_barrier() {
                log::warn!("{error}");
            }
            return Ok(());
        }
        let ended = fds.last().and_then(PollFd::any).unwrap_or_default();
        if ended {
            return Ok(());
        }
    }
}
