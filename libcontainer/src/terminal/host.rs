//! The caller's terminal while a container's is shown on it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::isatty;

use crate::error::StepError;
use crate::sys::fd::standing;
use crate::sys::open::open;
use crate::sys::{Errno, tty};

/// The caller's terminal in raw mode, given back as it was when dropped.
#[derive(Debug)]
pub(super) struct HostTerminal {
    fd: OwnedFd,
    before: Termios,
}

/// The caller's terminal: the first of the standard streams that is one, else the
/// controlling one.
fn find() -> Result<OwnedFd, StepError> {
    let failed = |errno| StepError::said(format!("open /dev/tty: {}", crate::error::reason(errno)));
    let stream = [0, 1, 2]
        .into_iter()
        .map(standing)
        .find(|fd| isatty(fd).unwrap_or_default());
    match stream {
        Some(stream) => stream
            .try_clone_to_owned()
            .map_err(|error| failed(Errno::from_raw(error.raw_os_error().unwrap_or_default()))),
        None => open("/dev/tty", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed),
    }
}

/// Fits a pty to the caller's terminal that it will be shown on: before the
/// program runs, which may ask for the size with its first step.
pub(crate) fn fit(master: BorrowedFd<'_>, has_size: bool) -> Result<(), StepError> {
    let failed = |errno| StepError::new("set up", "the container's terminal", errno);
    let caller = find()?;
    keep_line_ends(master).map_err(failed)?;
    if !has_size {
        copy_size(caller.as_fd(), master);
    }
    Ok(())
}

fn copy_size(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    if let Ok(size) = tty::size(from) {
        let _ = tty::set_size(to, size);
    }
}

impl HostTerminal {
    /// Takes the caller's terminal.
    pub(super) fn take() -> Result<Self, StepError> {
        let failed = |errno| StepError::new("set up", "the caller's terminal", errno);
        let fd = find()?;
        let before = tcgetattr(&fd).map_err(failed)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&fd, SetArg::TCSANOW, &raw).map_err(failed)?;
        Ok(Self { fd, before })
    }

    /// Gives the pty the size of the caller's terminal.
    pub(super) fn copy_size(&self, master: BorrowedFd<'_>) {
        copy_size(self.fd.as_fd(), master);
    }
}

impl Drop for HostTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.fd, SetArg::TCSANOW, &self.before);
    }
}

/// Leaves line ends as the process writes them: the caller's terminal, or the
/// file its output goes to, makes of them what it will.
fn keep_line_ends(master: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut settings = tcgetattr(master)?;
    settings.output_flags.remove(OutputFlags::ONLCR);
    tcsetattr(master, SetArg::TCSANOW, &settings)
}
