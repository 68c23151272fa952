//! `events`.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::load::Loaded;
use super::stats::{self, Stats};
use crate::Result;
use crate::cgroups::OomWatch;
use crate::container::StateRoot;
use crate::error::{Error, ErrorKind, StepError};
use crate::security::jail::{Duty, Jail};
use crate::sys::Errno;

/// Something that is told of a container.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// What it used so far.
    Stats(Box<Stats>),
    /// The kernel ran out of the container's memory.
    Oom,
}

/// How a container is watched.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// The time from one statistics to the next; the first come after it.
    pub interval: Duration,
    /// A descriptor that is written to: the watch ends when nobody reads there
    /// any more.
    pub reader: Option<BorrowedFd<'a>>,
    /// Give up what a watch does not need, for ever: capabilities, changes of files,
    /// most system calls. For a program of one thread that ends afterwards; another
    /// only gets a warning.
    pub confined: bool,
}

/// Tells what happens to a container until it stops, the caller breaks off, or
/// nobody reads it.
///
/// ```no_run
/// use std::ops::ControlFlow;
/// use std::time::Duration;
///
/// use libcontainer::container::StateRoot;
/// use libcontainer::lifecycle::{Event, Watch, events};
///
/// # fn main() -> libcontainer::Result<()> {
/// let watch = Watch {
///     interval: Duration::from_secs(10),
///     reader: None,
///     confined: false,
/// };
/// events(&StateRoot::at("/run/example"), "web", watch, &mut |event| {
///     match event {
///         Event::Stats(stats) => println!("{} bytes", stats.cgroup.memory.usage.usage),
///         Event::Oom => println!("out of memory"),
///     }
///     ControlFlow::Continue(())
/// })
/// # }
/// ```
///
/// # Errors
/// `NotFound`, `WrongStatus` for a container that is stopped, `InvalidConfig`
/// for no interval, or what could not be watched. Statistics that cannot be read
/// are said in the log.
pub fn events(
    root: &StateRoot,
    id: &str,
    watch: Watch<'_>,
    tell: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<()> {
    let loaded = Loaded::find(root, id)?;
    if watch.interval.is_zero() {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "duration interval must be greater than 0",
        ));
    }
    stats::refuse_stopped(&loaded)?;
    let Some(init) = &loaded.init else {
        return Ok(());
    };
    let failed = |errno| Error::from(StepError::new("watch", format!("container {id}"), errno));
    let cgroup = loaded.cgroup()?;
    let mut oom = cgroup.watch_oom()?;
    let timer = timer(watch.interval).map_err(failed)?;
    if watch.confined
        && let Err(refused) = Jail::build(Duty::Watch).and_then(|jail| jail.enter())
    {
        log::warn!("{refused}");
    }
    loop {
        let ready = wait(init.as_fd(), &timer, oom.as_ref(), watch.reader).map_err(failed)?;
        // An init that was killed for want of memory ends the watch, and why it
        // ended is told before.
        if let Some(oom) = &mut oom
            && (ready.oom || ready.ended)
            && oom.take()?
            && tell(Event::Oom).is_break()
        {
            return Ok(());
        }
        if ready.ended || ready.unread {
            return Ok(());
        }
        if ready.tick {
            // Ticks that were missed are one.
            match timer.wait() {
                Ok(()) | Err(Errno::EAGAIN) => {}
                Err(errno) => return Err(failed(errno)),
            }
            match stats::read(&loaded) {
                Ok(stats) => {
                    if tell(Event::Stats(Box::new(stats))).is_break() {
                        return Ok(());
                    }
                }
                Err(error) => log::error!("{error}"),
            }
        }
    }
}

/// What a wait came back for.
#[derive(Debug, Clone, Copy)]
struct Readiness {
    ended: bool,
    tick: bool,
    oom: bool,
    unread: bool,
}

fn wait(
    init: BorrowedFd<'_>,
    timer: &TimerFd,
    oom: Option<&OomWatch<'_>>,
    reader: Option<BorrowedFd<'_>>,
) -> std::result::Result<Readiness, Errno> {
    // Nothing is asked of the reader: that it is gone is always told. In place of
    // what is not there the init is asked once more.
    let mut fds = [
        PollFd::new(init, PollFlags::POLLIN),
        PollFd::new(timer.as_fd(), PollFlags::POLLIN),
        PollFd::new(oom.map_or(init, AsFd::as_fd), PollFlags::POLLIN),
        PollFd::new(reader.unwrap_or(init), PollFlags::empty()),
    ];
    while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
        if errno != Errno::EINTR {
            return Err(errno);
        }
    }
    let [ended, tick, oom, unread] = fds.map(|fd| fd.any().unwrap_or(true));
    Ok(Readiness {
        ended,
        tick,
        oom,
        unread: unread && reader.is_some(),
    })
}

fn timer(interval: Duration) -> std::result::Result<TimerFd, Errno> {
    let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
    let expiration = Expiration::Interval(TimeSpec::from_duration(interval));
    timer.set(expiration, TimerSetTimeFlags::empty())?;
    Ok(timer)
}
