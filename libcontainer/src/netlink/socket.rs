//! The socket: a request and its answer, with a deadline.

use std::cell::Cell;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send,
    socket,
};

use super::message::{Message, Request, acknowledgement, control, flag, messages};
use crate::sys::{self, Errno};

/// The kernel answers at once, but for locks that others may hold.
const PATIENCE: Duration = Duration::from_secs(10);
/// As long as any datagram of the kernel's.
const DATAGRAM: usize = 64 << 10;
/// The longest dump that is read: far more than the devices of any host.
const MAX_MESSAGES: usize = 1 << 20;
/// How often a dump that changed meanwhile is asked for once more.
const TRIES: usize = 5;

/// Why the kernel did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) errno: Errno,
    /// Its own words, or nothing.
    pub(crate) said: String,
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self {
            errno,
            said: String::new(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.errno.desc())?;
        if self.said.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.said)
    }
}

/// A socket in one network namespace.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    sequence: Cell<u32>,
}

impl Connection {
    /// In the network namespace of the thread that calls.
    pub(crate) fn open() -> Result<Self, Errno> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        // To the kernel alone: whoever has power over the network namespace could
        // send us answers otherwise.
        connect(
            std::os::fd::AsRawFd::as_raw_fd(&socket),
            &NetlinkAddr::new(0, 0),
        )?;
        // Kernels without them say less.
        let _ = sys::net::explain_refusals(socket.as_fd());
        Ok(Self {
            socket,
            sequence: Cell::new(0),
        })
    }

    /// In another network namespace, as the host's root: a thread of its own goes
    /// there, since a thread that does cannot be sure to come back.
    pub(crate) fn open_in(namespace: BorrowedFd<'_>) -> Result<Self, Errno> {
        let namespace = namespace.try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
        let there = move || {
            sys::ns::join(namespace.as_fd(), libc::CLONE_NEWNET)?;
            Self::open()
        };
        let thread = std::thread::Builder::new()
            .spawn(there)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))?;
        thread.join().unwrap_or(Err(Errno::EIO))
    }

    /// Sends a request that the kernel acknowledges.
    pub(super) fn change(&self, request: Request) -> Result<(), Refused> {
        self.exchange(request, &mut |_| {})
    }

    /// Sends a request and gives every message of the answer to `each`. An answer
    /// that is said to have been disturbed is asked for once more, `each` being
    /// told by `None`.
    pub(super) fn dump(
        &self,
        request: &Request,
        each: &mut dyn FnMut(Option<&Message<'_>>),
    ) -> Result<(), Refused> {
        for _ in 0..TRIES {
            each(None);
            let mut interrupted = false;
            self.exchange(request.clone(), &mut |message| {
                interrupted |= message.flags & flag::DUMP_INTERRUPTED != 0;
                each(Some(message));
            })?;
            if !interrupted {
                return Ok(());
            }
        }
        Err(Errno::EAGAIN.into())
    }

    fn exchange(
        &self,
        request: Request,
        each: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), Refused> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        let bytes = request.finish(sequence)?;
        send_whole(self.socket.as_fd(), &bytes)?;
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = vec![0; DATAGRAM];
        let mut count = 0_usize;
        loop {
            let length = self.receive(&mut buffer, deadline)?;
            let datagram = buffer.get(..length).ok_or(Errno::EMSGSIZE)?;
            for message in messages(datagram)? {
                count = count.saturating_add(1);
                if count > MAX_MESSAGES {
                    return Err(Errno::E2BIG.into());
                }
                if message.sequence != sequence {
                    // The rest of what a deadline cut off.
                    continue;
                }
                match message.kind {
                    control::ERROR => {
                        let (errno, said) = acknowledgement(&message)?;
                        if errno == 0 {
                            return Ok(());
                        }
                        let errno = Errno::from_raw(errno);
                        return Err(Refused { errno, said });
                    }
                    control::DONE => {
                        // It may be the one that tells of a disturbance, or a failure.
                        each(&message);
                        let (errno, said) = acknowledgement(&Message {
                            flags: 0,
                            ..message
                        })
                        .unwrap_or_default();
                        return if errno == 0 {
                            Ok(())
                        } else {
                            let errno = Errno::from_raw(errno);
                            Err(Refused { errno, said })
                        };
                    }
                    _ => each(&message),
                }
            }
        }
    }

    /// One datagram: its length, which is more than the buffer's when it was cut.
    fn receive(&self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Errno> {
        use std::os::fd::AsRawFd;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if left.is_zero() => return Err(Errno::ETIMEDOUT),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno),
            }
            match recv(
                self.socket.as_raw_fd(),
                buffer,
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC,
            ) {
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                received => return received,
            }
        }
    }
}

fn send_whole(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    loop {
        match send(socket.as_raw_fd(), bytes, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            Ok(length) if length == bytes.len() => return Ok(()),
            Ok(_) => return Err(Errno::EMSGSIZE),
            Err(errno) => return Err(errno),
        }
    }
}
