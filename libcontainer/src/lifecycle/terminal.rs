//! Who gets the terminal of a process.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::request::RunMode;
use super::supervise::Ready;
use crate::error::{Error, ErrorKind};
use crate::plan::ProcessPlan;
use crate::terminal::{ConsoleSocket, fit};

/// A terminal needs somebody to hand it to, and a socket something to be handed.
pub(super) fn check_terminal(
    wants_terminal: bool,
    mode: RunMode,
    socket: Option<&Path>,
) -> Result<(), Error> {
    let detached = mode == RunMode::Detached;
    let refuse = |text: &str| Err(Error::new(ErrorKind::InvalidConfig, text));
    match (wants_terminal, detached, socket.is_some()) {
        (true, true, false) => refuse(
            "cannot allocate tty if lodge will detach without setting console socket (--console-socket)",
        ),
        (false, _, true) | (true, false, true) => refuse(
            "cannot use console socket (--console-socket) if lodge will not detach or allocate tty",
        ),
        _ => Ok(()),
    }
}

/// Sends the terminal to the socket, or keeps it for a relay.
pub(super) fn hand_over_terminal(
    ready: Ready,
    console: Option<&ConsoleSocket>,
    process: &ProcessPlan,
) -> Result<Option<OwnedFd>, Error> {
    match (ready.terminal, console) {
        (Some((name, master)), Some(socket)) => {
            socket.send(master.as_fd(), &name)?;
            Ok(None)
        }
        (Some((_, master)), None) => {
            let has_size = process.terminal.is_some_and(|it| it.size.is_some());
            fit(master.as_fd(), has_size)?;
            Ok(Some(master))
        }
        (None, _) => Ok(None),
    }
}
