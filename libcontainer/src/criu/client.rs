//! The conversation with CRIU: `criu swrk` serves requests over a socket that it
//! was started with, and notifies of the steps that it comes to.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, shutdown, socketpair};
use prost::Message;

use super::failure::{failed, garbled, not_run};
use super::log::{last_error, quote};
use super::messages::{Features, Kind, Options, Request, Response};
use super::step::{self, AtStep};
use super::version::Version;
use crate::error::{Error, ErrorKind, StepError};
use crate::sys::process::{pidfd_open, start_clean_with};
use crate::sys::{Errno, socket};

/// As long as CRIU has for what it only has to look up, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any answer has.
const LONGEST: usize = 64 << 10;

/// What CRIU is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Write the processes to images.
    Dump,
    /// Write memory alone, and leave them running.
    PreDump,
    /// Make them again from images.
    Restore,
}

impl Task {
    fn kind(self) -> Kind {
        match self {
            Self::Dump => Kind::Dump,
            Self::PreDump => Kind::PreDump,
            Self::Restore => Kind::Restore,
        }
    }

    /// Its name in messages, which callers look for.
    fn name(self) -> &'static str {
        match self {
            Self::Dump => "DUMP",
            Self::PreDump => "PRE_DUMP",
            Self::Restore => "RESTORE",
        }
    }
}

/// A CRIU that waits for requests.
#[derive(Debug)]
pub(crate) struct Criu {
    child: Child,
    pidfd: OwnedFd,
    socket: OwnedFd,
    /// What it says before it has a log.
    errors: Option<File>,
    ended: bool,
}

impl Criu {
    /// Starts it without standard streams.
    pub(crate) fn start() -> Result<Self, Error> {
        let errors = memfd_create(c"criu-errors", MFdFlags::MFD_CLOEXEC)
            .map_err(|errno| StepError::new("make", "a file for criu's messages", errno))?;
        let errors = File::from(errors);
        let theirs = errors.try_clone().map_err(|error| not_run(&error))?;
        let mut command = Command::new("criu");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(theirs);
        Self::spawn(command, &[], Some(errors))
    }

    /// Starts it with our standard streams, which what it restores takes over, and
    /// with these descriptors, by our numbers.
    pub(crate) fn start_to_restore(kept: &[BorrowedFd<'_>]) -> Result<Self, Error> {
        Self::spawn(Command::new("criu"), kept, None)
    }

    fn spawn(
        mut command: Command,
        kept: &[BorrowedFd<'_>],
        errors: Option<File>,
    ) -> Result<Self, Error> {
        let (socket, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(|errno| StepError::new("make", "a socket pair", errno))?;
        command.args(["swrk", &theirs.as_raw_fd().to_string()]);
        let mut all = kept.to_vec();
        all.push(theirs.as_fd());
        start_clean_with(&mut command, &all);
        let mut child = command.spawn().map_err(|error| not_run(&error))?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        match pidfd_open(pid) {
            Ok(pidfd) => Ok(Self {
                child,
                pidfd,
                socket,
                errors,
                ended: false,
            }),
            Err(errno) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(StepError::new("watch over", "criu", errno).into())
            }
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    /// Which it is.
    pub(crate) fn version(&self) -> Result<Version, Error> {
        let response = self.ask(&Request {
            kind: Kind::Version.into(),
            keep_open: Some(true),
            ..Request::default()
        })?;
        match response.version {
            Some(numbers) if response.success => Ok(Version::of(&numbers)),
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                "criu does not tell its version: criu 3.0 or newer is needed",
            )),
        }
    }

    /// Which of these features there are, here and now.
    pub(crate) fn features(&self, asked: Features) -> Result<Features, Error> {
        let response = self.ask(&Request {
            kind: Kind::FeatureCheck.into(),
            keep_open: Some(true),
            features: Some(asked),
            ..Request::default()
        })?;
        if !response.success {
            return Err(failed("FEATURE_CHECK", &response, last_error(&self.said())));
        }
        Ok(response.features.unwrap_or_default())
    }

    /// A request that is answered at once.
    fn ask(&self, request: &Request) -> Result<Response, Error> {
        self.send(request)?;
        let mut fds = Vec::new();
        self.receive(Some(PATIENCE), &mut fds)
    }

    /// Carries a task out, for as long as it takes. What CRIU's log says of a failure
    /// is shown.
    pub(crate) fn carry_out(
        mut self,
        task: Task,
        options: Options,
        log: &Path,
        at: &mut AtStep<'_>,
    ) -> Result<(), Error> {
        log::debug!("criu {}: {options:?}", task.name());
        self.send(&Request {
            kind: task.kind().into(),
            options: Some(options),
            ..Request::default()
        })?;
        let mut ours = None;
        loop {
            let mut fds = Vec::new();
            // After a failure of ours it has nothing left to do but to clean up.
            let patience = ours.is_some().then_some(PATIENCE);
            let response = match self.receive(patience, &mut fds) {
                Ok(response) => response,
                Err(error) => {
                    let error = ours.unwrap_or(error);
                    quote(log);
                    return Err(error);
                }
            };
            if response.kind == i32::from(Kind::Notify) {
                let done = step::take(&response, fds, at);
                let success = done.is_ok();
                if let Err(error) = done {
                    ours.get_or_insert(error);
                }
                self.send(&Request {
                    kind: Kind::Notify.into(),
                    notify_success: Some(success),
                    ..Request::default()
                })?;
                continue;
            }
            if let Some(error) = ours {
                return Err(error);
            }
            if !response.success {
                return Err(failed(task.name(), &response, quote(log).as_deref()));
            }
            if response.kind != i32::from(task.kind()) {
                return Err(garbled());
            }
            break;
        }
        let status = self.end()?;
        // After a pre-dump it waits for another, and takes our end for a failure.
        if task != Task::PreDump && !status.success() {
            return Err(Error::new(ErrorKind::Os, format!("criu failed: {status}")));
        }
        Ok(())
    }

    /// Closes our side and waits for its end.
    fn end(&mut self) -> Result<std::process::ExitStatus, Error> {
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Write);
        let ended = self.child.wait().map_err(|error| not_run(&error))?;
        self.ended = true;
        Ok(ended)
    }

    fn send(&self, request: &Request) -> Result<(), Error> {
        match socket::send(self.socket.as_fd(), &request.encode_to_vec(), &[]) {
            Ok(_) => Ok(()),
            // It is gone, and has said why.
            Err(Errno::EPIPE | Errno::ECONNRESET) => Err(self.gone()),
            Err(errno) => Err(StepError::new("speak to", "criu", errno).into()),
        }
    }

    fn receive(
        &self,
        patience: Option<Duration>,
        fds: &mut Vec<OwnedFd>,
    ) -> Result<Response, Error> {
        let failed = |errno| Error::from(StepError::new("hear from", "criu", errno));
        let deadline = patience.map(|patience| Instant::now() + patience);
        if !self.speaks(deadline).map_err(failed)? {
            return Err(self.gone());
        }
        let mut bytes = vec![0; LONGEST];
        let length = match socket::receive(self.socket.as_fd(), &mut bytes, fds) {
            Ok(0) | Err(Errno::ECONNRESET) => return Err(self.gone()),
            Ok(length) if length == LONGEST => return Err(garbled()),
            received => received.map_err(failed)?,
        };
        Response::decode(bytes.get(..length).unwrap_or_default()).map_err(|_| garbled())
    }

    /// Waits until it says something; false when it has ended before.
    fn speaks(&self, deadline: Option<Instant>) -> Result<bool, Errno> {
        loop {
            let timeout = match deadline {
                None => PollTimeout::NONE,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
                }
            };
            let mut fds = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, timeout) {
                Ok(0) => return Err(Errno::ETIMEDOUT),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
                Ok(_) => {
                    let [socket, _] = fds;
                    return Ok(socket
                        .revents()
                        .is_some_and(|events| events.contains(PollFlags::POLLIN)));
                }
            }
        }
    }

    /// What it said before it had a log.
    fn said(&self) -> String {
        let mut text = Vec::new();
        if let Some(mut errors) = self.errors.as_ref() {
            // The place in the file is one for both.
            let _ = errors.rewind();
            let _ = errors.take(1 << 20).read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// It ended without an answer; what it wrote meanwhile says why.
    fn gone(&self) -> Error {
        let words = match last_error(&self.said()) {
            Some(line) => format!("criu failed: {line}"),
            None => "criu failed: it ended without an answer".to_owned(),
        };
        Error::new(ErrorKind::Unsupported, words)
            .with_advice("\"criu check\" tells what criu lacks on this host")
    }
}

impl Drop for Criu {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
        if !matches!(poll(&mut fds, patience), Ok(1)) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Criu, Task};
    use crate::criu::messages::Options;
    use std::process::{Command, Stdio};

    /// Any program that ends without an answer.
    fn ends(script: &str) -> Criu {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "criu"]);
        let errors = nix::sys::memfd::memfd_create(c"e", nix::sys::memfd::MFdFlags::MFD_CLOEXEC);
        let errors = std::fs::File::from(errors.unwrap());
        command
            .stdin(Stdio::null())
            .stderr(errors.try_clone().unwrap());
        Criu::spawn(command, &[], Some(errors)).unwrap()
    }

    #[test]
    fn one_that_ends_is_quoted() {
        let criu = ends("echo 'Error (x.c:1): no kernel' >&2; echo bye >&2");
        let error = criu.version().unwrap_err();
        assert_eq!(error.to_string(), "criu failed: Error (x.c:1): no kernel");
        let criu = ends("exit 3");
        let log = std::path::Path::new("/nonexistent/dump.log");
        let error = criu
            .carry_out(Task::Dump, Options::default(), log, &mut |_| Ok(()))
            .unwrap_err();
        assert_eq!(error.to_string(), "criu failed: it ended without an answer");
    }
}
