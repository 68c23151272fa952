//! The runtime's side of a process's set-up: it answers what the process asks,
//! until that says that all stands.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::mount_sources::{self, MountSources};
use crate::cgroups::Cgroup;
use crate::error::{Error, ErrorKind, StepError};
use crate::process::{Child, Order, Report, is_lost};
use crate::sys::Errno;
use crate::sys::clone::EXEC_FAILED;
use crate::sys::process::{Ended, pid_of, pidfd_send_signal, wait};

/// As long as a step of the process may take; a file system may be slow.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the process had when it was ready.
#[derive(Debug)]
pub(super) struct Ready {
    /// The terminal's name inside, and its master.
    pub(super) terminal: Option<(String, OwnedFd)>,
}

/// What the runtime has for a process that asks while it sets itself up.
pub(super) struct Answers<'a> {
    /// What its mounts need.
    pub(super) sources: MountSources<'a>,
    /// Moves network devices into its network namespace.
    pub(super) devices: &'a mut dyn FnMut(OwnedFd) -> Result<(), Error>,
    /// Called when the mounts are made.
    pub(super) hooks: &'a mut dyn FnMut() -> Result<(), Error>,
}

/// Answers until the process is ready. Without `deadline` the process may take
/// any time: it runs hooks of its own that have none.
pub(super) fn until_ready(
    child: &Child,
    cgroup: &Cgroup,
    deadline: bool,
    answers: &mut Answers<'_>,
) -> Result<Ready, Error> {
    loop {
        let received = child
            .link
            .receive::<Report>(deadline.then_some(PATIENCE))?
            .ok_or_else(|| died(child, Some(cgroup)))?;
        match received.message {
            Report::NeedSource { path, recursive } => mount_sources::send(child, &path, recursive)?,
            Report::MapIds { path, asked } => {
                answers.sources.map(child, &path, asked, &received.fds)?;
            }
            Report::AwaitDevices => {
                let namespace = received.fds.into_iter().next().ok_or_else(unexpected)?;
                (answers.devices)(namespace)?;
                child.link.send(&Order::DevicesMoved, &[])?;
            }
            Report::RootfsReady => {
                (answers.hooks)()?;
                child.link.send(&Order::HooksDone, &[])?;
            }
            Report::Ready { terminal } => {
                let master = received.fds.into_iter().next();
                return Ok(Ready {
                    terminal: terminal.zip(master),
                });
            }
            Report::Warning(text) => log::warn!("{text}"),
            Report::Failed(failed) => return Err(failed_init(failed)),
            Report::Cloned { .. } | Report::Listener(_) | Report::NotExecuted(_) => {
                return Err(unexpected());
            }
        }
    }
}

/// Listens until the process has gone where we cannot hear it any more: to wait
/// for `start`, or to the user's program.
pub(super) fn until_gone(
    child: &Child,
    listener: &mut dyn FnMut(i32) -> Result<(), Error>,
) -> Result<(), Error> {
    loop {
        let Some(received) = child.link.receive::<Report>(Some(PATIENCE))? else {
            // Closed by an exec, or by a program that has ended since.
            return Ok(());
        };
        match received.message {
            Report::Warning(text) => log::warn!("{text}"),
            Report::Listener(number) => {
                listener(number)?;
                child.link.send(&Order::Proceed, &[])?;
            }
            Report::Failed(failed) => return Err(failed_init(failed)),
            Report::NotExecuted(failed) => return Err(not_executed(&failed)),
            Report::Cloned { .. }
            | Report::NeedSource { .. }
            | Report::MapIds { .. }
            | Report::AwaitDevices
            | Report::RootfsReady
            | Report::Ready { .. } => return Err(unexpected()),
        }
    }
}

/// An init that waits for `start` lives; one that was killed on its last steps
/// has closed the socket just as well.
pub(super) fn stands(child: &Child, cgroup: &Cgroup) -> Result<(), Error> {
    match has_ended(child) {
        Ok(false) => Ok(()),
        Ok(true) => Err(died(child, Some(cgroup))),
        Err(errno) => {
            Err(StepError::new("look at", format!("process {}", child.pid), errno).into())
        }
    }
}

fn has_ended(child: &Child) -> Result<bool, Errno> {
    let mut fds = [PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
}

/// The process that the first clone made goes on as another.
pub(super) fn follow_clone(child: &mut Child, cgroup: &Cgroup) -> Result<bool, Error> {
    let received = child
        .link
        .receive::<Report>(Some(PATIENCE))?
        .ok_or_else(|| died(child, Some(cgroup)))?;
    match (received.message, received.fds.into_iter().next()) {
        (Report::Cloned { waits_for_id_maps }, Some(pidfd)) => {
            child.pid = pid_of(pidfd.as_fd())
                .map_err(|errno| StepError::new("find", "the container's process", errno))?;
            let first = std::mem::replace(&mut child.pidfd, Rc::new(pidfd));
            // It ends right after its message.
            let _ = wait(first.as_fd(), true);
            Ok(waits_for_id_maps)
        }
        (Report::Failed(failed), _) => Err(failed_init(failed)),
        _ => Err(unexpected()),
    }
}

/// Ends the process, whatever it is doing.
pub(super) fn killer(child: &Child) -> impl FnOnce() + 'static {
    let pidfd = Rc::clone(&child.pidfd);
    move || {
        let _ = pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
        let _ = wait(pidfd.as_fd(), true);
    }
}

/// A failure that the process itself reported.
fn failed_init(failed: StepError) -> Error {
    Error::from(failed)
}

fn not_executed(failed: &StepError) -> Error {
    Error::new(ErrorKind::NotExecuted, failed.to_string())
}

fn unexpected() -> Error {
    Error::new(
        ErrorKind::Internal,
        "the container's process sent a message out of its turn",
    )
}

/// The cause of a failure of ours. A process that has ended has most often said
/// why, and what we met is the consequence: its word goes first, then how it
/// ended where all we know is that it is gone.
pub(super) fn explain(child: &Child, cgroup: Option<&Cgroup>, error: Error) -> Error {
    if !child.link.is_closed() {
        return error;
    }
    while let Ok(Some(received)) = child.link.receive::<Report>(None) {
        match received.message {
            Report::Failed(failed) => return failed_init(failed),
            Report::NotExecuted(failed) => return not_executed(&failed),
            Report::Warning(text) => log::warn!("{text}"),
            Report::Cloned { .. }
            | Report::NeedSource { .. }
            | Report::MapIds { .. }
            | Report::AwaitDevices
            | Report::RootfsReady
            | Report::Ready { .. }
            | Report::Listener(_) => {}
        }
    }
    let step = std::error::Error::source(&error).and_then(|it| it.downcast_ref::<StepError>());
    if step.is_some_and(is_lost) {
        return died(child, cgroup);
    }
    error
}

/// The process ended without a word: killed, most often.
fn died(child: &Child, cgroup: Option<&Cgroup>) -> Error {
    let how = match wait(child.pidfd.as_fd(), true) {
        Ok(Some(Ended::Exited(EXEC_FAILED))) => "could not execute its image".to_owned(),
        Ok(Some(Ended::Exited(status))) => format!("exited with status {status}"),
        Ok(Some(Ended::Signaled(signal))) => format!("was killed by signal {signal}"),
        Ok(None) | Err(_) => "ended".to_owned(),
    };
    let text = format!("the container's process {how} during its set-up");
    match cgroup.map_or(0, Cgroup::oom_kills) {
        0 => Error::new(ErrorKind::Os, text),
        count => Error::new(
            ErrorKind::Os,
            format!(
                "{text}: container init was OOM-killed (memory limit too low?), oom_kill {count}"
            ),
        )
        .with_advice("raise linux.resources.memory.limit"),
    }
}
