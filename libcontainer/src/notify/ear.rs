//! The socket that the container's program writes to.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;

use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};

use super::Manager;
use crate::error::StepError;
use crate::sys::Errno;

/// Its name in the container's directory for it.
const NAME: &str = "notify.sock";

/// A message is no longer (systemd reads that much of one).
const LONGEST: usize = 4096;

/// A socket that waits for the word that the program is ready, and whom to tell
/// then.
#[derive(Debug)]
pub(crate) struct Ear {
    socket: UnixDatagram,
    manager: Manager,
}

impl Ear {
    /// Makes the socket in the directory that the container has a mount of. All of
    /// its users may write there, whoever they are outside.
    pub(crate) fn make(directory: BorrowedFd<'_>, manager: Manager) -> Result<Self, StepError> {
        let failed = |errno| StepError::new("make", "the container's notify socket", errno);
        // By way of the descriptor: a path may be longer than an address.
        let path = format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd());
        let by = |error: std::io::Error| {
            failed(Errno::from_raw(error.raw_os_error().unwrap_or_default()))
        };
        let socket = UnixDatagram::bind(path).map_err(by)?;
        socket.set_nonblocking(true).map_err(by)?;
        let mode = Mode::from_bits_truncate(0o777);
        fchmodat(directory, NAME, mode, FchmodatFlags::FollowSymlink).map_err(failed)?;
        Ok(Self { socket, manager })
    }

    /// Takes the messages that have come; when one of them says that the program
    /// is ready, the manager is told so, and of the process to watch from now on.
    /// Nothing else of theirs is passed on: they come from inside.
    pub(crate) fn hear(&self, main: libc::pid_t) -> Option<&Manager> {
        let mut bytes = [0_u8; LONGEST];
        loop {
            // By read(2) and write(2): a jailed process has no other calls for it.
            let length = match nix::unistd::read(&self.socket, &mut bytes) {
                Ok(length) => length,
                Err(Errno::EINTR) => continue,
                Err(_) => return None,
            };
            let message = bytes.get(..length).unwrap_or_default();
            if let Some(line) = ready(message) {
                if let Err(error) = self.manager.tell(line, main) {
                    log::warn!("{error}");
                }
                return Some(&self.manager);
            }
        }
    }
}

impl AsFd for Ear {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The line of a message that says so.
fn ready(message: &[u8]) -> Option<&[u8]> {
    let mut lines = message.split(|byte| *byte == b'\n');
    lines.find(|line| line.starts_with(b"READY="))
}

#[cfg(test)]
mod tests {
    use super::ready;

    #[test]
    fn one_line_of_a_message_is_looked_for() {
        for (message, wanted) in [
            (&b"READY=1"[..], Some(&b"READY=1"[..])),
            (b"STATUS=up\nREADY=1\nMAINPID=7\n", Some(b"READY=1")),
            (b"NOTREADY=1\nSTATUS=READY=1", None),
            (b"", None),
        ] {
            assert_eq!(ready(message), wanted);
        }
    }
}
