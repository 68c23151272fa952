//! Which process the init is: a pid and the time that it was started, since a
//! pid alone is given to another process when its owner is gone.

use std::os::fd::OwnedFd;

use crate::sys::{Errno, process, small_file};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    /// In clock ticks since boot.
    pub(crate) start: u64,
}

impl Identity {
    /// A handle on the process, if it is still the one and has not ended.
    pub(crate) fn open(self) -> Result<Option<OwnedFd>, Errno> {
        let pidfd = match process::pidfd_open(self.pid) {
            Ok(pidfd) => pidfd,
            // EINVAL: the pid is a thread's now.
            Err(Errno::ESRCH | Errno::EINVAL) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        // The handle is of whoever had the pid then; who that is is asked after.
        Ok(self.lives()?.then_some(pidfd))
    }

    /// Whether it is there and has not ended, at this moment.
    pub(crate) fn lives(self) -> Result<bool, Errno> {
        match stat(self.pid) {
            Ok(found) => Ok(found.is_some_and(|(state, start)| {
                start == self.start && !matches!(state, b'Z' | b'X')
            })),
            Err(Errno::ENOENT | Errno::ESRCH) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}

/// The start time of a process.
pub(crate) fn start_time(pid: i32) -> Result<u64, Errno> {
    stat(pid)?.map(|(_, start)| start).ok_or(Errno::ESRCH)
}

fn stat(pid: i32) -> Result<Option<(u8, u64)>, Errno> {
    let text = small_file::read_proc(&format!("/proc/{pid}/stat"))?;
    Ok(parse(&text))
}

/// State and start time, fields 3 and 22 (proc_pid_stat(5)). The name before
/// them may hold anything, so that the last parenthesis counts.
fn parse(text: &[u8]) -> Option<(u8, u64)> {
    let end = text.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(text.get(end.checked_add(2)?..)?).ok()?;
    let mut fields = rest.split(' ');
    let state = *fields.next()?.as_bytes().first()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Identity, parse, start_time};

    #[test]
    fn the_name_may_hold_anything() {
        let text = b"12 (a) R 1 ) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(parse(text), Some((b'S', 4711)));
        assert_eq!(parse(b"12 (x"), None);
    }

    #[test]
    fn another_start_time_is_another_process() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let start = start_time(pid).unwrap();
        assert!(Identity { pid, start }.open().unwrap().is_some());
        let other = Identity {
            pid,
            start: start + 1,
        };
        assert!(other.open().unwrap().is_none());
    }

    #[test]
    fn a_zombie_has_ended() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd = crate::sys::process::pidfd_open(pid).unwrap();
        let mut fds = [nix::poll::PollFd::new(
            std::os::fd::AsFd::as_fd(&pidfd),
            nix::poll::PollFlags::POLLIN,
        )];
        nix::poll::poll(&mut fds, nix::poll::PollTimeout::NONE).unwrap();
        let start = start_time(pid).unwrap();
        assert!(Identity { pid, start }.open().unwrap().is_none());
        child.wait().unwrap();
    }
}
