//! Waiting for the kernel to run out of the container's memory.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::record::Cgroup;
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// Tells when the container is out of memory. [`AsFd`] gives the descriptor that
/// becomes readable then.
#[derive(Debug)]
pub struct OomWatch<'a> {
    cgroup: &'a Cgroup,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Counts what `memory.oom_control` tells. Its file has to stay open.
    V1 {
        counter: EventFd,
        control: String,
        _file: OwnedFd,
    },
    /// Says that `memory.events` has changed; which of its numbers, nobody says.
    V2 { inotify: Inotify, kills: u64 },
}

impl Cgroup {
    /// Watches for want of memory from now on; none where nobody watches over
    /// memory, as in a v2 cgroup without that controller.
    pub fn watch_oom(&self) -> Result<Option<OomWatch<'_>>, StepError> {
        let source = if let Some(tree) = self.v1("memory") {
            v1(&tree.folder())
        } else if let Some(tree) = self.v2() {
            match v2(&tree.file("memory.events")) {
                Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(None),
                source => source,
            }
        } else {
            return Ok(None);
        };
        let mut watch = OomWatch {
            cgroup: self,
            source: source?,
        };
        // What was killed before is no news.
        watch.take()?;
        Ok(Some(watch))
    }
}

/// `memory.oom_control` with an eventfd (the kernel's admin-guide/cgroup-v1,
/// "OOM Control").
fn v1(folder: &str) -> Result<Source, StepError> {
    let control = format!("{folder}/memory.oom_control");
    let fail = |errno| StepError::new("watch", control.clone(), errno);
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let counter = EventFd::from_flags(flags).map_err(fail)?;
    let file = small_file::open_to_read(&control).map_err(fail)?;
    let line = format!("{} {}", counter.as_raw_fd(), file.as_raw_fd());
    small_file::write(&format!("{folder}/cgroup.event_control"), &line).map_err(fail)?;
    Ok(Source::V1 {
        counter,
        control,
        _file: file,
    })
}

fn v2(events: &str) -> Result<Source, StepError> {
    let fail = |errno| StepError::new("watch", events, errno);
    let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
    let inotify = Inotify::init(flags).map_err(fail)?;
    inotify
        .add_watch(events, AddWatchFlags::IN_MODIFY)
        .map_err(fail)?;
    Ok(Source::V2 { inotify, kills: 0 })
}

impl OomWatch<'_> {
    /// Whether it happened since the last time. Never waits.
    pub fn take(&mut self) -> Result<bool, StepError> {
        let fail = |errno| StepError::new("read", "the events of memory", errno);
        match &mut self.source {
            Source::V1 {
                counter, control, ..
            } => match counter.read() {
                // The counter goes up once more when the cgroup is removed.
                Ok(_) => Ok(small_file::open_to_read(control).is_ok()),
                Err(Errno::EAGAIN) => Ok(false),
                Err(errno) => Err(fail(errno)),
            },
            Source::V2 { inotify, kills } => {
                loop {
                    match inotify.read_events() {
                        Ok(_) | Err(Errno::EINTR) => {}
                        Err(Errno::EAGAIN) => break,
                        Err(errno) => return Err(fail(errno)),
                    }
                }
                let now = self.cgroup.oom_kills();
                let grew = now > *kills;
                *kills = now.max(*kills);
                Ok(grew)
            }
        }
    }
}

impl AsFd for OomWatch<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::V1 { counter, .. } => counter.as_fd(),
            Source::V2 { inotify, .. } => inotify.as_fd(),
        }
    }
}
