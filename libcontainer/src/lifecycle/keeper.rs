//! Who keeps the rights to clean up while a jailed process waits for the end.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;

use crate::error::{Error, StepError};
use crate::sys::clone::{Spawned, exit_now, fork_single_threaded};
use crate::sys::process::{Ended, wait};

/// A copy of this process that does one thing when it is told to, and else nothing.
#[derive(Debug)]
pub(super) struct Keeper {
    word: OwnedFd,
    process: Spawned,
}

impl Keeper {
    /// Leaves one behind that will do `last`: a fork, for a program of one thread. When this process ends without a
    /// word, as by SIGKILL, so does the copy: a foreground command that was killed
    /// leaves its container running.
    pub(super) fn leave_behind(
        last: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Self, StepError> {
        let failed = |errno| StepError::new("leave behind", "a process that cleans up", errno);
        let (heard, word) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
        if let Some(process) = fork_single_threaded(0).map_err(failed)? {
            return Ok(Self { word, process });
        }
        drop(word);
        if matches!(nix::unistd::read(&heard, &mut [0]), Ok(1))
            && let Err(error) = last()
        {
            log::warn!("{error}");
        }
        exit_now(0)
    }

    /// Has it done, and waits for that.
    pub(super) fn finish(self) -> Result<(), StepError> {
        let failed = |errno| StepError::new("wait for", "the process that cleans up", errno);
        nix::unistd::write(&self.word, &[1]).map_err(failed)?;
        match wait(self.process.pidfd.as_fd(), true).map_err(failed)? {
            Some(Ended::Exited(0)) => Ok(()),
            ended => {
                let reason = format!("it ended before its work was done: {ended:?}");
                Err(
                    StepError::refused("rely on", "the process that cleans up", reason)
                        .with_detail("delete removes what is left"),
                )
            }
        }
    }
}
