//! A connection: authentication, calls, and the signals that come between.

use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::message::{ANSWER, CALL, ERROR, Message, SIGNAL};
use super::{Address, Error, Value};
use crate::sys::{Errno, socket as bytes};

/// The name and path of the bus itself.
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// So many signals are kept for whoever waits for one; older ones go first.
const KEPT: usize = 128;
/// The longest line of the authentication.
const LONGEST_LINE: usize = 1024;

/// A method call.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    /// Whom it is for.
    pub(crate) destination: &'a str,
    /// The object.
    pub(crate) path: &'a str,
    /// The interface.
    pub(crate) interface: &'a str,
    /// The method.
    pub(crate) member: &'a str,
    /// The arguments.
    pub(crate) body: Vec<Value>,
}

/// A connection to a bus, or to a program directly.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    serial: u32,
    /// Bytes that came and are not yet a message.
    inbox: Vec<u8>,
    /// Interface and member of the signals that are kept.
    wanted: Option<(&'static str, &'static str)>,
    signals: VecDeque<Vec<Value>>,
    through_bus: bool,
}

impl Connection {
    /// Connects to a program that speaks D-Bus without a bus between.
    pub(crate) fn direct(address: &Address, deadline: Instant) -> Result<Self, Error> {
        let mut connection = Self {
            stream: open(address, deadline)?,
            serial: 0,
            inbox: Vec::new(),
            wanted: None,
            signals: VecDeque::new(),
            through_bus: false,
        };
        connection.authenticate(deadline)?;
        Ok(connection)
    }

    /// Connects to a bus.
    pub(crate) fn bus(address: &Address, deadline: Instant) -> Result<Self, Error> {
        let mut connection = Self::direct(address, deadline)?;
        connection.through_bus = true;
        connection.call_bus("Hello", Vec::new(), deadline)?;
        Ok(connection)
    }

    /// Whether a bus is between us and the others.
    pub(crate) fn is_through_bus(&self) -> bool {
        self.through_bus
    }

    /// Whether signals are kept.
    pub(crate) fn is_listening(&self) -> bool {
        self.wanted.is_some()
    }

    /// Calls a method of the bus itself.
    pub(crate) fn call_bus(
        &mut self,
        member: &str,
        body: Vec<Value>,
        deadline: Instant,
    ) -> Result<Vec<Value>, Error> {
        let call = Call {
            destination: BUS,
            path: BUS_PATH,
            interface: BUS,
            member,
            body,
        };
        self.call(&call, deadline)
    }

    /// Calls a method and waits for its answer.
    pub(crate) fn call(&mut self, call: &Call<'_>, deadline: Instant) -> Result<Vec<Value>, Error> {
        self.serial = self.serial.wrapping_add(1).max(1);
        let destination = if self.through_bus {
            call.destination
        } else {
            ""
        };
        let message = Message {
            kind: CALL,
            serial: self.serial,
            path: call.path.to_owned(),
            interface: call.interface.to_owned(),
            member: call.member.to_owned(),
            destination: destination.to_owned(),
            body: call.body.clone(),
            ..Message::default()
        };
        self.send(&message.to_bytes(), deadline)?;
        loop {
            let message = self.receive(deadline)?;
            let answers_us = message.answers == self.serial;
            match message.kind {
                ANSWER if answers_us => return Ok(message.body),
                ERROR if answers_us => {
                    let words = message.body.first().and_then(Value::as_text);
                    return Err(Error::Answer {
                        message: words.unwrap_or_default().to_owned(),
                        name: message.error,
                    });
                }
                _ => self.keep(message),
            }
        }
    }

    /// Keeps signals of this name from now on; the bus has to be told to send
    /// them.
    pub(crate) fn want(&mut self, interface: &'static str, member: &'static str) {
        self.wanted = Some((interface, member));
    }

    /// The arguments of the next wanted signal.
    pub(crate) fn signal(&mut self, deadline: Instant) -> Result<Vec<Value>, Error> {
        loop {
            if let Some(signal) = self.signals.pop_front() {
                return Ok(signal);
            }
            let message = self.receive(deadline)?;
            self.keep(message);
        }
    }

    fn keep(&mut self, message: Message) {
        let name = (message.interface.as_str(), message.member.as_str());
        if message.kind == SIGNAL && self.wanted == Some(name) {
            if self.signals.len() >= KEPT {
                self.signals.pop_front();
            }
            self.signals.push_back(message.body);
        }
    }

    /// EXTERNAL without a name: the peer asks the kernel who we are. So it works
    /// in a user namespace too, where we do not know our name outside.
    fn authenticate(&mut self, deadline: Instant) -> Result<(), Error> {
        self.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", deadline)?;
        for wanted in ["DATA", "OK "] {
            let line = self.line(deadline)?;
            if !line.starts_with(wanted.as_bytes()) {
                return Err(Error::Rejected);
            }
        }
        Ok(())
    }

    fn line(&mut self, deadline: Instant) -> Result<Vec<u8>, Error> {
        loop {
            if let Some(end) = self.inbox.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.inbox.split_off(end.saturating_add(2));
                let line = std::mem::replace(&mut self.inbox, rest);
                return Ok(line);
            }
            if self.inbox.len() > LONGEST_LINE {
                return Err(Error::Malformed("authentication"));
            }
            self.fill(deadline)?;
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<Message, Error> {
        loop {
            if let Some(length) = Message::length(&self.inbox)?
                && self.inbox.len() >= length
            {
                let rest = self.inbox.split_off(length);
                let message = std::mem::replace(&mut self.inbox, rest);
                return Message::from_bytes(&message);
            }
            self.fill(deadline)?;
        }
    }

    /// Waits for more bytes.
    fn fill(&mut self, deadline: Instant) -> Result<(), Error> {
        let mut chunk = [0; 4096];
        loop {
            self.stream.set_read_timeout(Some(left(deadline)?))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Error::Closed),
                Ok(count) => {
                    self.inbox.extend(chunk.get(..count).unwrap_or_default());
                    return Ok(());
                }
                Err(error) => again(error.into())?,
            }
        }
    }

    fn send(&mut self, message: &[u8], deadline: Instant) -> Result<(), Error> {
        let mut rest = message;
        while !rest.is_empty() {
            self.stream.set_write_timeout(Some(left(deadline)?))?;
            match bytes::send(self.stream.as_fd(), rest, &[]) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(errno) => again(errno.into())?,
            }
        }
        Ok(())
    }
}

/// The time that is left; a deadline that is over is an error.
fn left(deadline: Instant) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::TimedOut);
    }
    // The kernel counts microseconds, and takes none for no limit.
    Ok(left.max(Duration::from_micros(1)))
}

/// Passes over an interruption and over a time that ran out, which the deadline
/// tells of.
fn again(error: Error) -> Result<(), Error> {
    if matches!(error, Error::Os(Errno::EINTR | Errno::EAGAIN)) {
        return Ok(());
    }
    Err(error)
}

/// Connects. A peer that does not come round to accepting is waited for.
fn open(address: &Address, deadline: Instant) -> Result<UnixStream, Error> {
    let name = match address {
        Address::File(path) => UnixAddr::new(path.as_path()),
        Address::Abstract(name) => UnixAddr::new_abstract(name),
    }?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let mut pause = Duration::from_millis(1);
    loop {
        match connect(fd.as_raw_fd(), &name) {
            Ok(()) => break,
            // The peer's queue is full (unix(7)).
            Err(Errno::EAGAIN) => std::thread::sleep(pause.min(left(deadline)?)),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        pause = pause.saturating_mul(2).min(Duration::from_millis(100));
    }
    let stream = UnixStream::from(fd);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test stops where its ground is missing"
    )]

    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// A peer that takes one connection, lets it in, and goes on as told.
    fn peer(
        then: impl FnOnce(UnixStream) + Send + 'static,
    ) -> (tempfile::TempDir, Address, JoinHandle<()>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus");
        let listener = UnixListener::bind(&path).unwrap();
        let peer = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::with_capacity(1, stream.try_clone().unwrap()).lines();
            for wanted in ["\0AUTH EXTERNAL", "DATA", "BEGIN"] {
                assert_eq!(lines.next().unwrap().unwrap(), wanted);
            }
            (&stream).write_all(b"DATA\r\nOK 0123\r\n").unwrap();
            then(stream);
        });
        (dir, Address::File(path), peer)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    fn ask(address: &Address) -> Result<Vec<Value>, Error> {
        let mut connection = Connection::direct(address, later())?;
        connection.want("i.F", "Done");
        let call = Call {
            destination: "x",
            path: "/x",
            interface: "i.F",
            member: "Do",
            body: vec![Value::U32(5)],
        };
        let answer = connection.call(&call, later())?;
        Ok([answer, connection.signal(later())?].concat())
    }

    fn read(mut stream: &UnixStream) -> Message {
        let mut bytes = Vec::new();
        let mut byte = [0];
        loop {
            stream.read_exact(&mut byte).unwrap();
            bytes.extend(byte);
            if Message::length(&bytes).unwrap() == Some(bytes.len()) {
                return Message::from_bytes(&bytes).unwrap();
            }
        }
    }

    fn signal(member: &str, body: u32) -> Vec<u8> {
        let message = Message {
            kind: SIGNAL,
            serial: 1,
            path: "/x".to_owned(),
            interface: "i.F".to_owned(),
            member: member.to_owned(),
            body: vec![Value::U32(body)],
            ..Message::default()
        };
        message.to_bytes()
    }

    fn answer(kind: u8, answers: u32, body: Vec<Value>) -> Vec<u8> {
        let message = Message {
            kind,
            serial: 2,
            answers,
            error: if kind == ERROR { "a.b.Fault" } else { "" }.to_owned(),
            body,
            ..Message::default()
        };
        message.to_bytes()
    }

    #[test]
    fn signals_before_the_answer_are_kept() {
        let (_dir, address, peer) = peer(|mut stream| {
            let call = read(&stream);
            assert_eq!(
                (call.member.as_str(), &call.body),
                ("Do", &vec![Value::U32(5)])
            );
            let bytes = [
                signal("Other", 1),
                answer(ANSWER, call.serial + 1, Vec::new()),
                signal("Done", 2),
                answer(ANSWER, call.serial, vec![Value::U32(3)]),
            ];
            // A byte at a time, as a socket may hand them out.
            for byte in bytes.concat() {
                stream.write_all(&[byte]).unwrap();
            }
        });
        assert_eq!(ask(&address), Ok(vec![Value::U32(3), Value::U32(2)]));
        peer.join().unwrap();
    }

    #[test]
    fn an_error_is_an_error_by_its_name() {
        let (_dir, address, peer) = peer(|mut stream| {
            let call = read(&stream);
            let words = vec![Value::text("no")];
            stream
                .write_all(&answer(ERROR, call.serial, words))
                .unwrap();
        });
        let error = ask(&address).unwrap_err();
        assert!(error.is_answer("Fault") && !error.is_answer("Other"));
        assert_eq!(error.to_string(), "no");
        peer.join().unwrap();
    }

    #[test]
    fn a_peer_that_goes_is_told_from_one_that_is_silent() {
        let (_dir, address, gone) = peer(|stream| {
            read(&stream);
        });
        assert_eq!(ask(&address), Err(Error::Closed));
        gone.join().unwrap();

        let (_dir, address, silent) = peer(|mut stream| {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        });
        let mut connection = Connection::direct(&address, later()).unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(connection.signal(soon), Err(Error::TimedOut));
        drop(connection);
        silent.join().unwrap();
    }

    #[test]
    fn garbage_and_lengths_beyond_reason_end_it() {
        for bytes in [
            b"hello, this is no bus at all".to_vec(),
            b"l\x02\0\x01\xff\xff\xff\x7f\x01\0\0\0\0\0\0\0".to_vec(),
        ] {
            let (_dir, address, peer) = peer(move |mut stream| {
                let _ = stream.write_all(&bytes);
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest);
            });
            assert!(matches!(ask(&address), Err(Error::Malformed(_))));
            peer.join().unwrap();
        }
    }

    #[test]
    fn nobody_there_is_the_kernels_reason() {
        let address = Address::File("/nonexistent/bus".into());
        assert_eq!(ask(&address), Err(Error::Os(Errno::ENOENT)));
    }
}
