//! Descriptors: owning what the kernel gave, closing what must not be inherited.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use super::call::Call;
use super::{Errno, Result, check};

/// Owns a descriptor that a system call has just returned.
pub(super) fn own(returned: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel gave this number to us in this call, so that nobody
    // else owns it.
    unsafe { OwnedFd::from_raw_fd(returned as RawFd) }
}

/// Owns a descriptor that this process was started with.
///
/// The caller has just been executed and has not yet looked at this number.
pub(crate) fn inherited(number: RawFd) -> OwnedFd {
    // SAFETY: called once for a number that the process's creator handed over
    // for this purpose; nothing else in the new image knows it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Borrows a descriptor that this process was started with and never closes.
pub(crate) fn standing(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: used for 0, 1, 2 and the descriptors that the caller keeps for the
    // container's process, which stay open until the program is executed.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Closes `first..=last`: close_range(2), Linux 5.9, else one by one.
pub(crate) fn close_range(first: RawFd, last: Option<RawFd>) -> Result<()> {
    let end = last.map_or(libc::c_uint::MAX, |fd| fd as libc::c_uint);
    // SAFETY: only called right before an exec or in a fresh process, where no
    // owner of a descriptor in the range runs any more.
    match check(unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, end, 0) }) {
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let end = last.unwrap_or(RawFd::MAX).min(most_fds());
            for number in first..=end {
                // SAFETY: as above; fails on a closed number.
                unsafe { libc::close(number) };
            }
            Ok(())
        }
        done => done.map(|_| ()),
    }
}

/// Gives up a descriptor without closing it, in a process that sets up a container:
/// it sweeps all that it has in one call before the program, and to close each by
/// itself would be one call of nine. Beyond half of the limit of open files they are
/// closed as usual, so that no limit is met sooner.
pub(crate) fn leave_to_sweep(fd: OwnedFd) {
    static MOST: OnceLock<RawFd> = OnceLock::new();
    let most = *MOST.get_or_init(|| {
        use nix::sys::resource::{Resource, getrlimit};
        const MANY: RawFd = 512;
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft / 2);
        RawFd::try_from(limit).map_or(MANY, |limit| limit.min(MANY))
    });
    if fd.as_raw_fd() < most {
        let _ = fd.into_raw_fd();
    }
}

/// Lets all descriptors from 3 on end at the next exec: `close_range` with
/// `CLOSE_RANGE_CLOEXEC`, Linux 5.11, else one by one. Allocates nothing.
pub(crate) fn keep_first_three_on_exec() -> Result<()> {
    const FIRST: libc::c_uint = 3;
    match Call::CloseRangeCloexec(FIRST).make() {
        Ok(_) => Ok(()),
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EPERM) => {
            mark_each(FIRST as RawFd);
            Ok(())
        }
        Err(errno) => Err(errno),
    }
}

/// Whether the kernel knows `close_range` with `CLOSE_RANGE_CLOEXEC`; asked about the
/// last number of all, which no descriptor has.
pub(crate) fn knows_close_range() -> Result<()> {
    Call::CloseRangeCloexec(libc::c_uint::MAX).make()?;
    Ok(())
}

/// Marks one by one.
fn mark_each(first: RawFd) {
    for number in first..most_fds() {
        // Fails on a closed number.
        let _ = Call::Fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC).make();
    }
}

/// Above any descriptor: the limit of open files, or the kernel's usual one where
/// there is none.
fn most_fds() -> RawFd {
    use nix::sys::resource::{Resource, getrlimit};
    const USUAL: RawFd = 1 << 20;
    getrlimit(Resource::RLIMIT_NOFILE)
        .ok()
        .and_then(|(_, hard)| RawFd::try_from(hard).ok())
        .map_or(USUAL, |hard| hard.min(USUAL))
}

/// Sets or clears close-on-exec.
pub(crate) fn set_cloexec(fd: BorrowedFd<'_>, on: bool) -> Result<()> {
    let flag = if on { libc::FD_CLOEXEC } else { 0 };
    Call::Fcntl(fd.as_raw_fd(), libc::F_SETFD, flag).make()?;
    Ok(())
}

/// flock(2) LOCK_EX without waiting: EWOULDBLOCK when another open file of the same
/// file holds it. It ends with the last descriptor of this one.
pub(crate) fn try_lock_exclusive(file: BorrowedFd<'_>) -> Result<()> {
    Call::Flock(file, libc::LOCK_EX | libc::LOCK_NB).make()?;
    Ok(())
}

/// flock(2) LOCK_UN.
pub(crate) fn unlock(file: BorrowedFd<'_>) -> Result<()> {
    Call::Flock(file, libc::LOCK_UN).make()?;
    Ok(())
}

/// Whether a number is a descriptor that this process was started with: open,
/// and not one of its own, all of which close on exec.
pub(crate) fn is_inherited(number: RawFd) -> bool {
    // Fails on a closed number.
    Call::Fcntl(number, libc::F_GETFD, 0)
        .make()
        .is_ok_and(|flags| flags & libc::c_long::from(libc::FD_CLOEXEC) == 0)
}
