//! `kill`.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::load::Loaded;
use super::signal;
use crate::Result;
use crate::container::{StateRoot, Status};
use crate::error::{Error, ErrorKind, StepError};
use crate::sys::Errno;
use crate::sys::process::pidfd_send_signal;

/// As long as processes have to be found.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a signal to the container's init: a name in any case with or without
/// `SIG`, or a number. SIGKILL reaches every process of a container that has no
/// pid namespace of its own. With `all`, a container that does not run is no
/// error.
///
/// # Errors
/// `InvalidConfig` for an unknown signal, `NotFound`, `WrongStatus` for a
/// container that does not run.
pub fn kill(root: &StateRoot, id: &str, signal: &str, all: bool) -> Result<()> {
    let number = signal::parse(signal)?;
    let loaded = Loaded::find(root, id)?;
    let fatal = number == libc::SIGKILL;
    if (fatal || all) && !loaded.record.own_pid_namespace {
        let cgroup = loaded.cgroup()?;
        if !cgroup.is_disabled() && cgroup.exists() {
            cgroup.signal_all(number, Instant::now() + PATIENCE)?;
            return Ok(());
        }
    }
    let Some(init) = &loaded.init else {
        return if all { Ok(()) } else { Err(not_running(id)) };
    };
    match pidfd_send_signal(init.as_fd(), number) {
        Ok(()) => {}
        Err(Errno::ESRCH) if all => return Ok(()),
        Err(Errno::ESRCH) => return Err(not_running(id)),
        Err(errno) => {
            return Err(StepError::new("signal", format!("container {id}"), errno).into());
        }
    }
    if fatal && loaded.status == Status::Paused {
        // On cgroup v1 a frozen process cannot even be killed.
        loaded.cgroup()?.thaw()?;
    }
    Ok(())
}

fn not_running(id: &str) -> Error {
    Error::new(
        ErrorKind::WrongStatus,
        format!("container not running: {id}"),
    )
}
