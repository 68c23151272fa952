//! The foreground: bytes between two terminals, signals to the process, until it
//! ends.
//!
//! Nothing is allocated once the loop runs: it may run for months.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::host::HostTerminal;
use crate::error::StepError;
use crate::sys::fd::standing;
use crate::sys::process::{Ended, pidfd_send_signal, wait};
use crate::sys::{Errno, Result};

/// What a process has to live to be worth any care of ours, in milliseconds.
const MOMENT: u8 = 50;

/// Signals held back for us from the time before the process exists, so that
/// none is lost.
#[derive(Debug)]
pub(crate) struct Foreground {
    signals: SignalFd,
    before: SigSet,
}

impl Foreground {
    /// Blocks what is to be passed on.
    pub(crate) fn enter() -> std::result::Result<Self, StepError> {
        let failed = |errno| StepError::new("block", "signals", errno);
        let mut mask = SigSet::all();
        // Ours: faults, and what Go's runtime sends itself.
        for signal in [
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGFPE,
            Signal::SIGILL,
            Signal::SIGURG,
        ] {
            mask.remove(signal);
        }
        let before = SigSet::thread_get_mask().map_err(failed)?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(failed)?;
        mask.thread_block().map_err(failed)?;
        Ok(Self { signals, before })
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

/// Something else that is listened to meanwhile.
pub(crate) trait Aside: AsFd + std::fmt::Debug {
    /// Takes what has come; false when no more is awaited.
    fn goes_on(&mut self) -> bool;
}

/// The relay for one process.
#[derive(Debug)]
pub(crate) struct Relay {
    terminal: Option<Shown>,
    aside: Option<Box<dyn Aside>>,
}

#[derive(Debug)]
struct Shown {
    master: OwnedFd,
    host: HostTerminal,
    /// The caller's input has not ended.
    reads: bool,
    /// The process's terminal has not hung up.
    open: bool,
}

/// Bytes on their way, in one direction.
struct Lane {
    bytes: [u8; 8192],
    start: usize,
    end: usize,
}

impl Lane {
    const fn new() -> Self {
        Self {
            bytes: [0; 8192],
            start: 0,
            end: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes more; false at the end of the source.
    fn fill(&mut self, from: BorrowedFd<'_>) -> bool {
        match nix::unistd::read(from, &mut self.bytes) {
            Ok(0) => false,
            Ok(length) => {
                self.start = 0;
                self.end = length;
                true
            }
            Err(Errno::EINTR | Errno::EAGAIN) => true,
            Err(_) => false,
        }
    }

    /// Passes on what there is; false when nobody takes it.
    fn pour(&mut self, to: BorrowedFd<'_>) -> bool {
        while !self.is_empty() {
            let rest = self.bytes.get(self.start..self.end).unwrap_or_default();
            match nix::unistd::write(to, rest) {
                Ok(length) => self.start = self.start.saturating_add(length),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return true,
                Err(_) => {
                    self.start = self.end;
                    return false;
                }
            }
        }
        true
    }
}

impl Relay {
    /// A relay without a terminal: signals alone.
    pub(crate) fn without_terminal() -> Self {
        Self {
            terminal: None,
            aside: None,
        }
    }

    /// A relay between a pty's master and the caller's terminal.
    pub(crate) fn new(master: OwnedFd) -> std::result::Result<Self, StepError> {
        let host = HostTerminal::take()?;
        let failed = |errno| StepError::new("set up", "the container's terminal", errno);
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
        Ok(Self {
            terminal: Some(Shown {
                master,
                host,
                reads: true,
                open: true,
            }),
            aside: None,
        })
    }

    /// The same, listening to this as well.
    pub(crate) fn with_aside(self, aside: Option<Box<dyn Aside>>) -> Self {
        Self { aside, ..self }
    }

    /// Relays until the process ends, and says how.
    ///
    /// `settle` is called once, before a byte of the container is read; where there
    /// is no terminal, so that none ever is, when the process has lived for a moment.
    pub(crate) fn run(
        mut self,
        foreground: &Foreground,
        process: BorrowedFd<'_>,
        pid: libc::pid_t,
        settle: &mut dyn FnMut(),
    ) -> std::result::Result<Ended, StepError> {
        let mut up = Lane::new();
        let mut down = Lane::new();
        let ended = self
            .until_end(foreground, process, pid, (&mut up, &mut down), settle)
            .map_err(|errno| StepError::new("relay for", format!("process {pid}"), errno))?;
        if let Some(shown) = &mut self.terminal {
            shown.drain(&mut down);
        }
        Ok(ended)
    }

    fn until_end(
        &mut self,
        foreground: &Foreground,
        process: BorrowedFd<'_>,
        pid: libc::pid_t,
        (up, down): (&mut Lane, &mut Lane),
        settle: &mut dyn FnMut(),
    ) -> Result<Ended> {
        let mut settled = self.terminal.is_some();
        if settled {
            settle();
        }
        loop {
            let nothing = PollFlags::empty();
            let signals = PollFd::new(foreground.signals.as_fd(), PollFlags::POLLIN);
            let exits = PollFd::new(process, PollFlags::POLLIN);
            let (from_caller, terminal) = match &self.terminal {
                Some(shown) => {
                    let wants_input = shown.reads && up.is_empty();
                    let reads = if wants_input {
                        PollFlags::POLLIN
                    } else {
                        nothing
                    };
                    let mut both = nothing;
                    if shown.open {
                        both |= PollFlags::POLLIN;
                    }
                    if !up.is_empty() {
                        both |= PollFlags::POLLOUT;
                    }
                    (
                        PollFd::new(standing(0), reads),
                        PollFd::new(shown.master.as_fd(), both),
                    )
                }
                // Asked for nothing, these report nothing but a hang-up, which
                // is not looked at.
                None => (PollFd::new(process, nothing), PollFd::new(process, nothing)),
            };
            let unused = PollFd::new(process, nothing);
            let mut fds = [signals, exits, from_caller, terminal, unused];
            // A side that has hung up would wake us for ever.
            let watched = match &self.terminal {
                None => 2,
                Some(shown) if !shown.open => 2,
                Some(shown) if !(shown.reads && up.is_empty()) => {
                    fds.swap(2, 3);
                    3
                }
                Some(_) => 4,
            };
            if let (Some(aside), Some(last)) = (&self.aside, fds.get_mut(watched)) {
                *last = PollFd::new(aside.as_fd(), PollFlags::POLLIN);
            }
            let all = watched.saturating_add(usize::from(self.aside.is_some()));
            let patience = if settled {
                PollTimeout::NONE
            } else {
                MOMENT.into()
            };
            match poll(fds.get_mut(..all).unwrap_or_default(), patience) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
            let has_come = |n: usize| fds.get(n).and_then(PollFd::any).unwrap_or_default();
            let exited = has_come(1);
            let said = self.aside.is_some() && has_come(watched);
            if said && self.aside.as_mut().is_some_and(|aside| !aside.goes_on()) {
                self.aside = None;
            }
            if let Some(shown) = &mut self.terminal {
                shown.pass(up, down);
            }
            if let Some(ended) = self.signals(foreground, process, pid)? {
                return Ok(ended);
            }
            if exited && let Some(ended) = wait(process, false)? {
                return Ok(ended);
            }
            if !settled {
                settled = true;
                settle();
            }
        }
    }

    /// Passes on the signals that came.
    fn signals(
        &self,
        foreground: &Foreground,
        process: BorrowedFd<'_>,
        pid: libc::pid_t,
    ) -> Result<Option<Ended>> {
        while let Some(came) = foreground.signals.read_signal()? {
            let number = i32::try_from(came.ssi_signo).unwrap_or_default();
            match Signal::try_from(number) {
                Ok(Signal::SIGCHLD) => {
                    if let Some(ended) = reap(pid) {
                        return Ok(Some(ended));
                    }
                }
                Ok(Signal::SIGWINCH) => {
                    if let Some(shown) = &self.terminal {
                        shown.host.copy_size(shown.master.as_fd());
                    }
                }
                // Ours: a caller that stopped reading.
                Ok(Signal::SIGPIPE) => {}
                _ => match pidfd_send_signal(process, number) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(errno) => return Err(errno),
                },
            }
        }
        Ok(None)
    }
}

impl Shown {
    fn pass(&mut self, up: &mut Lane, down: &mut Lane) {
        if self.reads && up.is_empty() && readable(standing(0)) {
            self.reads = up.fill(standing(0));
        }
        up.pour(self.master.as_fd());
        if self.open {
            self.open = down.fill_ready(self.master.as_fd());
            down.pour(standing(1));
        }
    }

    /// What the process wrote before it ended.
    fn drain(&mut self, down: &mut Lane) {
        while self.open && readable(self.master.as_fd()) {
            self.open = down.fill(self.master.as_fd());
            down.pour(standing(1));
        }
    }
}

impl Lane {
    /// `fill` for a descriptor that does not block.
    fn fill_ready(&mut self, from: BorrowedFd<'_>) -> bool {
        if !self.is_empty() {
            return true;
        }
        self.fill(from)
    }
}

fn readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Reaps whatever ended: as a subreaper we inherit the container's orphans.
/// Says how the process itself ended, if it did.
fn reap(pid: libc::pid_t) -> Option<Ended> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(child, status)) if child == Pid::from_raw(pid) => {
                ended = Some(Ended::Exited(status));
            }
            Ok(WaitStatus::Signaled(child, signal, _)) if child == Pid::from_raw(pid) => {
                #[expect(clippy::as_conversions, reason = "the signal's own number")]
                {
                    ended = Some(Ended::Signaled(signal as i32));
                }
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return ended,
            Ok(_) => {}
        }
    }
}
