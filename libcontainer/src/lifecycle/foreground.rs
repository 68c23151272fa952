//! What `run` and `exec` have in common while they stay.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::delete;
use super::keeper::Keeper;
use super::request::Exit;
use crate::error::{Error, StepError};
use crate::notify::Ear;
use crate::process::Child;
use crate::security::jail::{Duty, Jail};
use crate::state::{Record, StateDir};
use crate::sys::process::Ended;
use crate::terminal::{Aside, Foreground, Relay};

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
    /// Where its program tells that it is ready.
    pub(super) ear: Option<Ear>,
}

/// Relays terminal and signals until the init ends, and says how it did; then the
/// container is deleted unless it is to be kept.
pub(super) fn attend(
    mut attended: Attended,
    foreground: &Foreground,
    keep: bool,
    confined: bool,
) -> Result<Exit, Error> {
    // Others may look and act while we wait.
    attended.dir.unlock();
    let relay = match attended.master.take() {
        Some(master) => Relay::new(master),
        None => Ok(Relay::without_terminal()),
    };
    let aside: Option<Box<dyn Aside>> = match attended.ear.take() {
        Some(ear) => Some(Box::new(Readiness {
            ear,
            own: nix::unistd::Pid::this().as_raw(),
        })),
        None => None,
    };
    let pidfd = attended.pidfd.as_fd();
    let mut destroy = || delete::destroy(&mut attended.dir, &attended.record, Some(pidfd));
    let mut keeper = None;
    let mut confine = || {
        let jail = Jail::build(Duty::Relay)?;
        if !keep {
            keeper = Some(Keeper::leave_behind(&mut destroy)?);
        }
        jail.enter()
    };
    let ended = relay.and_then(|relay| {
        relay
            .with_aside(aside)
            .run(foreground, pidfd, attended.pid, &mut || {
                if confined {
                    warn_of(confine().map_err(Error::from));
                }
            })
    });
    if !keep {
        // Deleted by somebody else meanwhile is as good.
        warn_of(match keeper {
            Some(keeper) => keeper.finish().map_err(Error::from),
            None => destroy(),
        });
    }
    Ok(exit_code(ended?))
}

/// Relays for a process of a container that stays when the process has ended.
pub(super) fn relay(
    relay: Relay,
    foreground: &Foreground,
    child: &Child,
    confined: bool,
) -> Result<Exit, StepError> {
    let mut confine = || {
        if confined {
            let jail = Jail::build(Duty::Relay);
            warn_of(jail.and_then(|jail| jail.enter()).map_err(Error::from));
        }
    };
    let ended = relay.run(foreground, child.pidfd.as_fd(), child.pid, &mut confine)?;
    Ok(exit_code(ended))
}

fn warn_of(result: Result<(), Error>) {
    if let Err(error) = result {
        log::warn!("{error}");
    }
}

/// The word that the program is ready. The manager goes on to watch us, who stay
/// until the container ends; asking for our own number is not among what a jailed
/// process may.
#[derive(Debug)]
struct Readiness {
    ear: Ear,
    own: libc::pid_t,
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ear.as_fd()
    }
}

impl Aside for Readiness {
    fn goes_on(&mut self) -> bool {
        self.ear.hear(self.own).is_none()
    }
}

/// Orphans of the container become ours to reap.
pub(super) fn become_subreaper() -> Result<(), Error> {
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|errno| StepError::new("become", "a child subreaper", errno).into())
}

/// As shells have it: the status, or 128 and the signal.
fn exit_code(ended: Ended) -> Exit {
    let code = match ended {
        Ended::Exited(status) => status,
        Ended::Signaled(signal) => signal.saturating_add(128),
    };
    Exit(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}
