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

impl HostTerminal {
    /// The first of the standard streams that is a terminal, else the
    /// controlling one.
    pub(super) fn take() -> Result<Self, StepError> {
        let failed =
            |errno| StepError::said(format!("open /dev/tty: {}", crate::error::reason(errno)));
        let stream = [0, 1, 2]
            .into_iter()
            .map(standing)
            .find(|fd| isatty(fd).unwrap_or_default());
        let fd = match stream {
            Some(stream) => stream.try_clone_to_owned().map_err(|error| {
                failed(Errno::from_raw(error.raw_os_error().unwrap_or_default()))
            })?,
            None => {
                open("/dev/tty", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?
            }
        };
        let before = tcgetattr(&fd).map_err(failed)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&fd, SetArg::TCSANOW, &raw).map_err(failed)?;
        Ok(Self { fd, before })
    }

    /// Gives the pty the size of the caller's terminal.
    pub(super) fn copy_size(&self, master: BorrowedFd<'_>) {
        if let Ok(size) = tty::size(self.fd.as_fd()) {
            let _ = tty::set_size(master, size);
        }
    }
}

impl Drop for HostTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.fd, SetArg::TCSANOW, &self.before);
    }
}

/// Leaves line ends as the process writes them: the caller's terminal, or the
/// file its output goes to, makes of them what it will.
pub(super) fn keep_line_ends(master: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut settings = tcgetattr(master)?;
    settings.output_flags.remove(OutputFlags::ONLCR);
    tcsetattr(master, SetArg::TCSANOW, &settings)
}
