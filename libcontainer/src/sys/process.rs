//! Processes by descriptor, and what a process sets of itself.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::call::{Call, Disposition};
use super::{Errno, Result, fd, small_file};

/// pidfd_open(2), Linux 5.3.
pub(crate) fn pidfd_open(pid: libc::pid_t) -> Result<OwnedFd> {
    Ok(fd::own(Call::PidfdOpen(pid).make()?))
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
    Call::PidfdSendSignal(pidfd, signal).make()?;
    Ok(())
}

/// pidfd_getfd(2), Linux 5.6: a copy of another process's descriptor.
pub(crate) fn pidfd_getfd(pidfd: BorrowedFd<'_>, number: RawFd) -> Result<OwnedFd> {
    Ok(fd::own(Call::PidfdGetfd(pidfd, number).make()?))
}

/// prlimit64(2) of another process, by pid.
pub(crate) fn set_rlimit(pid: libc::pid_t, resource: u32, soft: u64, hard: u64) -> Result<()> {
    Call::Prlimit(pid, resource, &[soft, hard]).make()?;
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
    // `siginfo_t` as numbers: the signal, an errno, how it ended; then, aligned
    // for a pointer, the pid, the user and the status.
    const PID: usize = if cfg!(target_pointer_width = "64") {
        4
    } else {
        3
    };
    let mut info: [libc::c_int; 32];
    let options = libc::WEXITED | if block { 0 } else { libc::WNOHANG };
    loop {
        info = [0; 32];
        match Call::WaitidPidfd(pidfd, &mut info, options).make() {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => break,
        }
    }
    let [_, _, how, ..] = info;
    let [pid, _, status] = [info[PID], info[PID + 1], info[PID + 2]];
    // Nothing has ended.
    if pid == 0 {
        return Ok(None);
    }
    Ok(Some(if how == libc::CLD_EXITED {
        Ended::Exited(status)
    } else {
        Ended::Signaled(status)
    }))
}

/// PR_SET_DUMPABLE 0: nobody without CAP_SYS_PTRACE looks into this process.
pub(crate) fn forbid_dump() -> Result<()> {
    Call::Prctl(libc::PR_SET_DUMPABLE, 0, 0).make()?;
    Ok(())
}

/// PR_SET_PDEATHSIG; 0 clears it.
pub(crate) fn set_parent_death_signal(signal: libc::c_int) -> Result<()> {
    Call::Prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong, 0).make()?;
    Ok(())
}

/// personality(2).
pub(crate) fn set_personality(domain: u32) -> Result<()> {
    Call::Personality(domain.into()).make()?;
    Ok(())
}

/// The signals of the kernel, 1 to 64; the C library hides two of them.
const SIGNALS: libc::c_int = 64;

/// Every bit of a set of signals.
pub(crate) const ALL_SIGNALS: u64 = u64::MAX;

/// Gives these signals back their default action, and unblocks every signal:
/// what Rust's start-up and the caller left behind must not reach the user's
/// program (signal(7): ignored and blocked signals survive an exec).
///
/// Bit 0 is signal 1, as in `SigIgn` of `proc_pid_status(5)`.
pub(crate) fn reset_signals(ignored: u64) -> Result<()> {
    for signal in 1..=SIGNALS {
        let fixed = signal == libc::SIGKILL || signal == libc::SIGSTOP;
        if !fixed && ignored >> (signal - 1) & 1 == 1 {
            set_default_action(signal)?;
        }
    }
    nix::sys::signal::SigSet::empty().thread_set_mask()
}

/// SIG_IGN for SIGPIPE: a write that nobody reads is an error to look at.
pub(crate) fn ignore_broken_pipes() {
    // Fails for no signal that there is.
    let _ = Call::RtSigaction(libc::SIGPIPE, Disposition::Ignore).make();
}

/// Lets signals that ask a process to end do so although it is the first of its
/// pid namespace, which the default action does not end (pid_namespaces(7)). An
/// exec takes this back.
pub(crate) fn end_when_asked() {
    extern "C" fn end(signal: libc::c_int) {
        // _exit(2) may be called in a handler (signal-safety(7)).
        super::clone::exit_now(128 + signal);
    }
    let handler: extern "C" fn(libc::c_int) = end;
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: the handler makes one system call that does not return.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

/// `rt_sigaction(2)` itself: the C library refuses signals 32 and 33, which it
/// keeps for its threads and hands on ignored when it starts a program.
fn set_default_action(signal: libc::c_int) -> Result<()> {
    Call::RtSigaction(signal, Disposition::Default).make()?;
    Ok(())
}

/// The signals that this process ignores, from its procfs: one look in place of
/// a question for each signal. Where there is no telling, it may be any.
pub(crate) fn ignored_signals(proc: BorrowedFd<'_>) -> u64 {
    read_ignored(proc).unwrap_or(ALL_SIGNALS)
}

fn read_ignored(proc: BorrowedFd<'_>) -> Option<u64> {
    use crate::sys::open::openat;
    use nix::fcntl::OFlag;
    use nix::sys::stat::Mode;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = openat(proc, c"self/status", flags, Mode::empty()).ok()?;
    parse_ignored(&small_file::read_rest(file).ok()?)
}

fn parse_ignored(status: &[u8]) -> Option<u64> {
    let line = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"SigIgn:"))?;
    u64::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok()
}

/// Lets a program start as from nothing: no signal ignored or blocked, and no
/// descriptor but the first three, whatever we and our caller have open.
pub(crate) fn start_clean(command: &mut std::process::Command) {
    start_clean_with(command, &[]);
}

/// The same with these descriptors, by our numbers; they are open until it runs.
pub(crate) fn start_clean_with(command: &mut std::process::Command, kept: &[BorrowedFd<'_>]) {
    use std::os::unix::process::CommandExt;
    let kept: Vec<RawFd> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    let clean = move || {
        fd::keep_first_three_on_exec()?;
        for number in &kept {
            Call::Fcntl(*number, libc::F_SETFD, 0).make()?;
        }
        reset_signals(ALL_SIGNALS)?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls on numbers
    // and constants; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(clean) };
}

/// The size of a page of memory.
pub(crate) fn page_size() -> usize {
    const SMALLEST: usize = 4096;
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    let size = size.ok().flatten();
    size.and_then(|size| usize::try_from(size).ok())
        .unwrap_or(SMALLEST)
}

/// setdomainname(2).
pub(crate) fn set_domain_name(name: &str) -> Result<()> {
    Call::Setdomainname(name).make()?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{ALL_SIGNALS, ignored_signals, parse_ignored, pid_of, pidfd_open, start_clean};
    use std::os::fd::{AsFd, AsRawFd};

    #[test]
    fn a_pidfd_tells_its_pid() {
        let own = std::process::id() as libc::pid_t;
        let pidfd = pidfd_open(own).unwrap();
        assert_eq!(pid_of(pidfd.as_fd()), Ok(own));
        let other = std::fs::File::open("/proc/self/status").unwrap();
        assert!(pid_of(other.as_fd()).is_err());
    }

    #[test]
    fn ignored_signals_are_read() {
        let status = b"Name:\tSigIgn: x\nSigBlk:\t0000000000000001\nSigIgn:\t0000000180001000\n";
        assert_eq!(parse_ignored(status), Some(0x1_8000_1000));
        assert_eq!(parse_ignored(b"Name:\tx\n"), None);
        // Rust's start-up ignores SIGPIPE.
        let proc = std::fs::File::open("/proc").unwrap();
        let ignored = ignored_signals(proc.as_fd());
        assert_eq!(ignored >> (libc::SIGPIPE - 1) & 1, 1);
        assert_ne!(ignored, ALL_SIGNALS);
    }

    #[test]
    fn a_program_that_starts_clean_inherits_nothing() {
        // One that an exec would leave open, blocked signals, and those that the
        // C library hands on ignored.
        let leak = std::fs::File::open("/dev/null").unwrap();
        crate::sys::fd::set_cloexec(leak.as_fd(), false).unwrap();
        let mask = nix::sys::signal::SigSet::all();
        let before = mask.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK);
        let mut command = std::process::Command::new("/bin/sh");
        let script = format!(
            "test ! -e /proc/$$/fd/{} && exec grep -E '^Sig(Blk|Ign)' /proc/self/status",
            leak.as_raw_fd()
        );
        command.args(["-c", &script]);
        start_clean(&mut command);
        let output = command.output().unwrap();
        before.unwrap().thread_set_mask().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            text,
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
        );
    }
}
