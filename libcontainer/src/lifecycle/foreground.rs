//! What `run` and `exec` have in common while they stay.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use super::delete;
use super::request::Exit;
use crate::error::{Error, StepError};
use crate::state::{Record, StateDir};
use crate::sys::process::Ended;
use crate::terminal::{Foreground, Relay};

/// A container that runs, and whose end is waited for.
#[derive(Debug)]
pub(super) struct Attended {
    pub(super) dir: StateDir,
    pub(super) record: Record,
    /// Its init, a child of ours.
    pub(super) pid: libc::pid_t,
    pub(super) pidfd: Rc<OwnedFd>,
    /// The terminal's master, when it is ours to relay.
    pub(super) master: Option<OwnedFd>,
}

/// Relays terminal and signals until the init ends, and says how it did; then the
/// container is deleted unless it is to be kept.
pub(super) fn attend(
    mut attended: Attended,
    foreground: &Foreground,
    keep: bool,
) -> Result<Exit, Error> {
    // Others may look and act while we wait.
    attended.dir.unlock();
    let relay = match attended.master.take() {
        Some(master) => Relay::new(master),
        None => Ok(Relay::without_terminal()),
    };
    let ended = relay.and_then(|relay| relay.run(foreground, attended.pidfd.as_fd(), attended.pid));
    if keep {
        return Ok(exit_code(ended?));
    }
    let removed = delete::destroy(
        &mut attended.dir,
        &attended.record,
        Some(attended.pidfd.as_fd()),
    );
    let ended = ended?;
    // Deleted by somebody else meanwhile is as good.
    if let Err(error) = removed {
        log::warn!("{error}");
    }
    Ok(exit_code(ended))
}

/// Orphans of the container become ours to reap.
pub(super) fn become_subreaper() -> Result<(), Error> {
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|errno| StepError::new("become", "a child subreaper", errno).into())
}

/// As shells have it: the status, or 128 and the signal.
pub(super) fn exit_code(ended: Ended) -> Exit {
    let code = match ended {
        Ended::Exited(status) => status,
        Ended::Signaled(signal) => signal.saturating_add(128),
    };
    Exit(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}
