//! What `run` and `exec` have in common while they stay.

use super::request::Exit;
use crate::error::{Error, StepError};
use crate::sys::process::Ended;

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
