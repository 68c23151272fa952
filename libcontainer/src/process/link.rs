//! Messages over a socket: a header of eight bytes (version, three zero bytes,
//! length), then the message in postcard's form.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StepError;
use crate::sys::{Errno, fd, socket};

const VERSION: u8 = 1;
const HEADER: usize = 8;
/// The longest message: a plan with a very long list of mounts.
const MAX_BYTES: usize = 64 << 20;

/// One end.
#[derive(Debug)]
pub(crate) struct Link {
    socket: OwnedFd,
}

/// What a receive gave.
#[derive(Debug)]
pub(crate) struct Received<T> {
    pub(crate) message: T,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Link {
    /// Both ends.
    pub(crate) fn pair() -> Result<(Self, OwnedFd), StepError> {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(|errno| StepError::new("make", "a socket pair", errno))?;
        Ok((Self { socket: ours }, theirs))
    }

    /// The end that this process was started with.
    pub(crate) fn inherited(number: RawFd) -> Result<Self, StepError> {
        let socket = fd::inherited(number);
        fd::set_cloexec(socket.as_fd(), true)
            .map_err(|errno| StepError::new("take over", "the runtime's socket", errno))?;
        Ok(Self { socket })
    }

    /// A socket of a test.
    #[cfg(any(test, fuzzing))]
    pub(super) fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Its number, for a sweep that must leave it open.
    pub(crate) fn number(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Sends a message with descriptors.
    pub(crate) fn send<T: Serialize>(
        &self,
        message: &T,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), StepError> {
        let bytes = encode(message)?;
        let mut sent = socket::send(self.socket.as_fd(), &bytes, fds).map_err(lost)?;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            let more = socket::send(self.socket.as_fd(), rest, &[]).map_err(lost)?;
            sent = sent.saturating_add(more);
        }
        Ok(())
    }

    /// Sends a message by write(2) alone: what a system call filter that is
    /// already in force lets pass.
    pub(crate) fn write<T: Serialize>(&self, message: &T) -> Result<(), StepError> {
        let bytes = encode(message)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match nix::unistd::write(&self.socket, rest) {
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(lost(errno)),
            }
        }
        Ok(())
    }

    /// Whether nobody holds the other end any more.
    pub(crate) fn is_closed(&self) -> bool {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::ZERO).is_ok()
            && fds.iter().any(|fd| {
                fd.revents()
                    .is_some_and(|events| events.contains(PollFlags::POLLHUP))
            })
    }

    /// One raw byte, for the wait before the exec.
    pub(crate) fn nudge(&self) -> Result<(), StepError> {
        socket::send(self.socket.as_fd(), &[0], &[])
            .map(|_| ())
            .map_err(lost)
    }

    /// The next message; none when the peer has closed.
    pub(crate) fn receive<T: DeserializeOwned>(
        &self,
        patience: Option<Duration>,
    ) -> Result<Option<Received<T>>, StepError> {
        if let Some(patience) = patience {
            self.wait(patience)?;
        }
        let mut fds = Vec::new();
        let mut header = [0_u8; HEADER];
        if !self.fill(&mut header, &mut fds)? {
            return Ok(None);
        }
        let [version, _, _, _, a, b, c, d] = header;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if version != VERSION || length > MAX_BYTES {
            return Err(garbled());
        }
        let mut body = vec![0_u8; length];
        if length > 0 && !self.fill(&mut body, &mut fds)? {
            return Err(lost(Errno::EPIPE));
        }
        let message = postcard::from_bytes(&body).map_err(|_| garbled())?;
        Ok(Some(Received { message, fds }))
    }

    fn wait(&self, patience: Duration) -> Result<(), StepError> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if left.is_zero() => {
                    return Err(StepError::new(
                        "hear from",
                        "the container's process",
                        Errno::ETIMEDOUT,
                    ));
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(lost(errno)),
            }
        }
    }

    /// Fills the buffer; false when the peer closed before its first byte.
    fn fill(&self, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> Result<bool, StepError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match socket::receive(self.socket.as_fd(), rest, fds) {
                // Closed, or dead with something of ours unread.
                Ok(0) | Err(Errno::ECONNRESET) if filled == 0 => return Ok(false),
                Ok(0) => return Err(lost(Errno::EPIPE)),
                Ok(length) => filled = filled.saturating_add(length),
                Err(errno) => return Err(lost(errno)),
            }
        }
        Ok(true)
    }
}

/// A message with its header.
fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, StepError> {
    let body = postcard::to_allocvec(message).map_err(|_| garbled())?;
    let length = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= MAX_BYTES)
        .ok_or_else(|| StepError::refused("send", "a message", "it is too long"))?;
    let mut bytes = Vec::with_capacity(body.len().saturating_add(HEADER));
    bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

const SPEAK: &str = "speak with";

fn lost(errno: Errno) -> StepError {
    StepError::new(SPEAK, "the other side of the set-up", errno)
}

/// Whether a failure is that the other side is gone, and no more than that.
pub(crate) fn is_lost(failed: &StepError) -> bool {
    failed.action == SPEAK && matches!(failed.errno(), Some(Errno::EPIPE | Errno::ECONNRESET))
}

fn garbled() -> StepError {
    StepError::refused("read", "a message of the set-up", "it has no known form")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Link, encode, is_lost};
    use crate::process::protocol::{Order, Report};
    use std::os::fd::AsFd;

    fn pair() -> (Link, Link) {
        let (ours, theirs) = Link::pair().unwrap();
        (ours, Link { socket: theirs })
    }

    #[test]
    fn messages_have_a_fixed_form() {
        assert_eq!(
            encode(&Order::CgroupJoined).unwrap(),
            [1, 0, 0, 0, 1, 0, 0, 0, 2]
        );
        assert_eq!(
            encode(&Report::Warning("a".to_owned())).unwrap(),
            [1, 0, 0, 0, 3, 0, 0, 0, 7, 1, b'a']
        );
    }

    #[test]
    fn descriptors_come_with_their_message() {
        let (ours, theirs) = pair();
        ours.nudge().unwrap();
        ours.send(&Order::HooksDone, &[]).unwrap();
        ours.send(&Order::Source, &[ours.socket.as_fd()]).unwrap();
        let mut byte = [1];
        let got = crate::sys::socket::receive(theirs.socket.as_fd(), &mut byte, &mut Vec::new());
        assert_eq!((got, byte), (Ok(1), [0]));
        let first = theirs.receive::<Order>(None).unwrap().unwrap();
        assert!(matches!(first.message, Order::HooksDone) && first.fds.is_empty());
        let second = theirs.receive::<Order>(None).unwrap().unwrap();
        assert!(matches!(second.message, Order::Source) && second.fds.len() == 1);
    }

    #[test]
    fn an_end_is_no_message() {
        let (ours, theirs) = pair();
        drop(ours);
        assert!(theirs.receive::<Order>(None).unwrap().is_none());
    }

    #[test]
    fn what_was_said_before_the_end_is_still_heard() {
        let (ours, theirs) = pair();
        // Unread, so that the end comes as a reset.
        ours.send(&Order::HooksDone, &[]).unwrap();
        theirs.write(&Report::Warning("last".to_owned())).unwrap();
        assert!(!ours.is_closed());
        drop(theirs);
        assert!(ours.is_closed());
        let failed = ours.send(&Order::Proceed, &[]).unwrap_err();
        assert!(is_lost(&failed), "{failed}");
        let heard = ours.receive::<Report>(None).unwrap().unwrap();
        assert!(matches!(heard.message, Report::Warning(text) if text == "last"));
        assert!(ours.receive::<Report>(None).unwrap().is_none());
    }

    #[test]
    fn other_versions_and_lengths_are_refused() {
        for bytes in [[2, 0, 0, 0, 1, 0, 0, 0, 2], [1, 0, 0, 0, 1, 0, 0, 255, 2]] {
            let (ours, theirs) = pair();
            crate::sys::socket::send(ours.socket.as_fd(), &bytes, &[]).unwrap();
            assert!(theirs.receive::<Order>(None).is_err());
        }
    }

    #[test]
    fn a_long_plan_passes_while_it_is_read() {
        let (ours, theirs) = pair();
        let long = "x".repeat(5 << 20);
        let sent = long.clone();
        let writer = std::thread::spawn(move || ours.write(&Report::Warning(sent)));
        let read = theirs.receive::<Report>(None).unwrap().unwrap();
        assert!(matches!(read.message, Report::Warning(text) if text == long));
        writer.join().unwrap().unwrap();
    }
}
