//! Sockets that a descriptor is sent to: `--console-socket`, `--pidfd-socket`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::Mode;

use crate::error::StepError;
use crate::sys::open::open;
use crate::sys::{Errno, socket as messages};

/// A connection to such a socket, made before anything else is: a path that
/// nobody listens on is found early.
#[derive(Debug)]
pub(crate) struct ConsoleSocket {
    socket: OwnedFd,
    path: PathBuf,
}

impl ConsoleSocket {
    pub(crate) fn connect(path: &Path) -> Result<Self, StepError> {
        let failed = |errno| StepError::new("connect to", path.display().to_string(), errno);
        let socket = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .map_err(failed)?;
        // By way of the descriptor: a path may be longer than an address.
        let found = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?;
        let short = format!("/proc/self/fd/{}", found.as_raw_fd());
        let address = UnixAddr::new(short.as_str()).map_err(failed)?;
        loop {
            match connect(socket.as_raw_fd(), &address) {
                Err(Errno::EINTR) => {}
                done => break done.map_err(failed)?,
            }
        }
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }

    /// Sends a descriptor in one message, with its name as the data.
    pub(crate) fn send(&self, fd: BorrowedFd<'_>, name: &str) -> Result<(), StepError> {
        send_fd(self.socket.as_fd(), fd, name)
            .map_err(|errno| StepError::new("send to", self.path.display().to_string(), errno))
    }
}

/// Sends a descriptor over a connected socket.
fn send_fd(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    messages::send(socket, name.as_bytes(), &[fd])?;
    Ok(())
}
