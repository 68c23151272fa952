//! Processes by descriptor, and what a process sets of itself.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::{Errno, Result, check, fd, small_file};

/// pidfd_open(2), Linux 5.3.
pub(crate) fn pidfd_open(pid: libc::pid_t) -> Result<OwnedFd> {
    // SAFETY: numbers only.
    let returned = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    Ok(fd::own(returned))
}

/// The pid behind a pidfd in the pid namespace of our procfs (proc_pid_fdinfo(5)).
pub(crate) fn pid_of(pidfd: BorrowedFd<'_>) -> Result<libc::pid_t> {
    let file = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = small_file::read_proc(&file)?;
    text.split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Pid:"))
        .and_then(|number| str::from_utf8(number).ok()?.trim().parse().ok())
        // -1: it has ended; 0: it is outside of that namespace.
        .filter(|pid| *pid > 0)
        .ok_or(Errno::ESRCH)
}

/// pidfd_send_signal(2), Linux 5.1; signal 0 only asks.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: libc::c_int) -> Result<()> {
    // SAFETY: numbers, and a null pointer for the signal's information.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })?;
    Ok(())
}

/// pidfd_getfd(2), Linux 5.6: a copy of another process's descriptor.
pub(crate) fn pidfd_getfd(pidfd: BorrowedFd<'_>, number: RawFd) -> Result<OwnedFd> {
    // SAFETY: numbers only.
    let returned =
        check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })?;
    Ok(fd::own(returned))
}

/// prlimit64(2) of another process, by pid.
pub(crate) fn set_rlimit(pid: libc::pid_t, resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = [soft, hard];
    // SAFETY: the structure is two 64-bit numbers; no old value is asked for.
    check(unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid,
            resource,
            limit.as_ptr(),
            std::ptr::null_mut::<u64>(),
        )
    })?;
    Ok(())
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By exit with this status.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

/// Waits for a child by its pidfd and reaps it (waitid(2), Linux 5.4), through
/// EINTR. `None` when it still runs and `block` is false.
pub(crate) fn wait(pidfd: BorrowedFd<'_>, block: bool) -> Result<Option<Ended>> {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: the kernel fills the structure, which is of its type.
        let returned = unsafe {
            libc::waitid(
                libc::P_PIDFD,
                pidfd.as_raw_fd() as libc::id_t,
                info.as_mut_ptr(),
                options,
            )
        };
        match check(returned.into()) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => break,
        }
    }
    // SAFETY: zeroed or filled, both are valid.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid fills these fields; they are 0 when nothing ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    Ok(Some(if info.si_code == libc::CLD_EXITED {
        Ended::Exited(status)
    } else {
        Ended::Signaled(status)
    }))
}

/// PR_SET_DUMPABLE 0: nobody without CAP_SYS_PTRACE looks into this process.
pub(crate) fn forbid_dump() -> Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }.into())?;
    Ok(())
}

/// PR_SET_PDEATHSIG; 0 clears it.
pub(crate) fn set_parent_death_signal(signal: libc::c_int) -> Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) }.into())?;
    Ok(())
}

/// personality(2).
pub(crate) fn set_personality(domain: u32) -> Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::personality(domain.into()) }.into())?;
    Ok(())
}

/// Restores SIGPIPE and unblocks every signal: what Rust's start-up and the
/// caller left behind must not reach the user's program (signal(7): ignored
/// and blocked signals survive an exec).
pub(crate) fn reset_signals() -> Result<()> {
    const SIGNALS: libc::c_int = 64;
    for signal in 1..=SIGNALS {
        if signal == libc::SIGKILL || signal == libc::SIGSTOP {
            continue;
        }
        // SAFETY: only asks for the present action.
        let ignored = unsafe {
            let mut old = std::mem::zeroed::<libc::sigaction>();
            libc::sigaction(signal, std::ptr::null(), &raw mut old) == 0
                && old.sa_sigaction == libc::SIG_IGN
        };
        if ignored {
            // SAFETY: the default action runs no code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    nix::sys::signal::SigSet::empty().thread_set_mask()
}

/// Lets signals that ask a process to end do so although it is the first of its
/// pid namespace, which the default action does not end (pid_namespaces(7)). An
/// exec takes this back.
pub(crate) fn end_when_asked() {
    extern "C" fn end(signal: libc::c_int) {
        // SAFETY: _exit(2) may be called in a handler (signal-safety(7)).
        unsafe { libc::_exit(128 + signal) };
    }
    let handler: extern "C" fn(libc::c_int) = end;
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: the handler makes one system call that does not return.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

/// setdomainname(2).
pub(crate) fn set_domain_name(name: &str) -> Result<()> {
    // SAFETY: the length is the text's.
    check(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }.into())?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{pid_of, pidfd_open};
    use std::os::fd::AsFd;

    #[test]
    fn a_pidfd_tells_its_pid() {
        let own = std::process::id() as libc::pid_t;
        let pidfd = pidfd_open(own).unwrap();
        assert_eq!(pid_of(pidfd.as_fd()), Ok(own));
        let other = std::fs::File::open("/proc/self/status").unwrap();
        assert!(pid_of(other.as_fd()).is_err());
    }
}
