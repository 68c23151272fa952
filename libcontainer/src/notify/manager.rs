//! The service manager (sd_notify(3)).

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use crate::error::StepError;
use crate::sys::{Errno, socket};

/// As long as it may take to read what it was told, in milliseconds.
const PATIENCE: u16 = 30_000;

/// A manager that wants to know, connected.
#[derive(Debug)]
pub(crate) struct Manager {
    address: OsString,
    socket: UnixDatagram,
}

impl Manager {
    /// The one at this address, which is a path, or a name after `@`.
    pub(crate) fn connect(address: OsString) -> Result<Self, StepError> {
        let socket = UnixDatagram::unbound().and_then(|socket| {
            match address.as_bytes().strip_prefix(b"@") {
                Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
                None => socket.connect(&address)?,
            }
            Ok(socket)
        });
        let errno =
            |error: std::io::Error| error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw);
        match socket.map_err(errno) {
            Ok(socket) => Ok(Self { address, socket }),
            Err(errno) => Err(failed(&address, errno)),
        }
    }

    /// Tells that the service is ready, and which process is its first from now on:
    /// in one message, for it may not listen to the old one after.
    pub(super) fn tell(&self, ready: &[u8], main: libc::pid_t) -> Result<(), StepError> {
        let message = [ready, format!("\nMAINPID={main}\n").as_bytes()].concat();
        loop {
            match nix::unistd::write(&self.socket, &message) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed(&self.address, errno)),
            }
        }
    }

    /// Waits until it has read what it was told: it looks up the sender, which may
    /// be gone after (sd_notify_barrier(3)).
    pub(crate) fn await_barrier(&self) -> Result<(), StepError> {
        let failed = |errno| failed(&self.address, errno);
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
        socket::send(self.socket.as_fd(), b"BARRIER=1", &[writer.as_fd()]).map_err(failed)?;
        drop(writer);
        let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut fds, PollTimeout::from(PATIENCE)) {
                Ok(0) => {
                    log::warn!("the manager at $NOTIFY_SOCKET has not read in 30 s; going on");
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}

fn failed(address: &OsStr, errno: Errno) -> StepError {
    let address = address.to_string_lossy();
    StepError::new("tell", format!("$NOTIFY_SOCKET {address}"), errno)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::Manager;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    #[test]
    fn it_is_told_by_name_and_in_one_message() {
        let name = format!("lodge-notify-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        let manager = Manager::connect(format!("@{name}").into()).unwrap();
        manager.tell(b"READY=1", 42).unwrap();
        let mut bytes = [0; 64];
        let length = listener.recv(&mut bytes).unwrap();
        assert_eq!(bytes.get(..length), Some(&b"READY=1\nMAINPID=42\n"[..]));
    }

    #[test]
    fn a_manager_that_is_not_there_is_named() {
        let error = Manager::connect("/nosuch/notify".into());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("/nosuch/notify"), "{error}");
    }
}
