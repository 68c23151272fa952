//! clone3(2), and the few calls that run between it and the exec in the child.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::call::{Call, Strings};
use super::{Errno, Result, check, fd};

/// Everything the child of [`spawn_image`] needs, prepared by the parent: the
/// child allocates nothing and takes no lock.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    /// The file to execute.
    pub(crate) file: BorrowedFd<'a>,
    /// Its name in the process list.
    pub(crate) name: &'a CStr,
    /// The descriptor that stays open over the exec, and its number as text.
    pub(crate) socket: BorrowedFd<'a>,
    pub(crate) socket_number: &'a CStr,
    /// Read one byte from the socket before the exec, then become user and group
    /// 0: the id maps of a new user namespace are being written meanwhile, and
    /// an exec under an unmapped id would lose the capabilities
    /// (capabilities(7)).
    pub(crate) waits_for_id_maps: bool,
    /// Die when the thread that cloned ends (PR_SET_PDEATHSIG).
    pub(crate) dies_with_parent: bool,
}

/// A new process: its pid in our pid namespace and its pidfd.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: libc::pid_t,
    pub(crate) pidfd: OwnedFd,
    /// Whether it is in the cgroup that was asked for.
    pub(crate) in_cgroup: bool,
}

/// The exit status of a child that could not execute the image.
pub(crate) const EXEC_FAILED: i32 = 121;

/// `struct clone_args` of clone3(2), all of version 2 (Linux 5.7).
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Clones with these `CLONE_NEW*` flags, into this cgroup, and executes the
/// image in the child.
pub(crate) fn spawn_image(
    flags: libc::c_int,
    cgroup: Option<BorrowedFd<'_>>,
    image: &Image<'_>,
) -> Result<Spawned> {
    let argv = Strings::new(&[image.name, image.socket_number]);
    let envp = Strings::new(&[]);
    match clone3(flags, cgroup)? {
        Some(spawned) => Ok(spawned),
        None => trampoline(image, &argv, &envp),
    }
}

/// fork(2) with namespaces for a process that has one thread.
///
/// `None` in the child, which goes on with a copy of the memory.
pub(crate) fn fork_single_threaded(flags: libc::c_int) -> Result<Option<Spawned>> {
    clone3(flags, None)
}

/// Clones with these `CLONE_NEW*` flags, into this cgroup, a process that does nothing
/// and waits to be killed, at the latest with the thread that cloned it.
pub(crate) fn spawn_idle(flags: libc::c_int, cgroup: Option<BorrowedFd<'_>>) -> Result<Spawned> {
    match clone3(flags, cgroup)? {
        Some(spawned) => Ok(spawned),
        None => idle(),
    }
}

fn clone3(flags: libc::c_int, cgroup: Option<BorrowedFd<'_>>) -> Result<Option<Spawned>> {
    // Outside of c_int on purpose: bit 33 (Linux 5.7).
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: libc::c_int = -1;
    let mut args = CloneArgs {
        flags: u64::from(flags as u32) | libc::CLONE_PIDFD as u64,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if flags & libc::CLONE_PARENT != 0 {
        // The kernel takes the signal of the caller's own parent.
        args.exit_signal = 0;
    }
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM the child has its own copy of all memory. What it
    // may do with it is the callers' business: the trampoline and the idle child
    // make system calls alone, and `fork_single_threaded` is for processes without
    // other threads.
    let cloned = check(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            (&raw mut args).cast::<libc::c_void>(),
            size_of::<CloneArgs>(),
        )
    });
    let pid = match cloned {
        // A sandbox that does not know the call. Its filter may not look at the
        // flags of this one, hence no cgroup: the caller writes the pid there.
        Err(Errno::ENOSYS | Errno::EPERM) => clone(flags, args.exit_signal, &mut pidfd)?,
        cloned => cloned?,
    };
    if pid == 0 {
        return Ok(None);
    }
    Ok(Some(Spawned {
        pid: pid as libc::pid_t,
        pidfd: fd::own(pidfd.into()),
        in_cgroup: cloned.is_ok() && cgroup.is_some(),
    }))
}

/// clone(2), which gives the pidfd too (Linux 5.2).
fn clone(flags: libc::c_int, exit_signal: u64, pidfd: &mut libc::c_int) -> Result<libc::c_long> {
    let flags = u64::from(flags as u32) | libc::CLONE_PIDFD as u64 | exit_signal;
    let nothing: libc::c_ulong = 0;
    // SAFETY: as for clone3. The last arguments, whose order differs between
    // machines, are all null: no stack of its own, no thread.
    check(unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            nothing,
            std::ptr::from_mut(pidfd),
            nothing,
            nothing,
        )
    })
}

/// The child between clone and exec: system calls on prepared data, of which it
/// has its own copy, and nothing else. A failure is the exit status; the parent
/// sees the socket close.
fn trampoline(image: &Image<'_>, argv: &Strings<'_>, envp: &Strings<'_>) -> ! {
    if image.dies_with_parent {
        let signal = libc::SIGKILL as libc::c_ulong;
        let _ = Call::Prctl(libc::PR_SET_PDEATHSIG, signal, 0).make();
    }
    if image.waits_for_id_maps {
        let mut byte = [0];
        if Call::Read(image.socket, &mut byte).make() != Ok(1) {
            exit_now(EXEC_FAILED);
        }
        let _ = Call::Setresgid(0).make();
        let _ = Call::Setresuid(0).make();
    }
    // Nobody in a joined namespace may look into us. Not before: an ordinary user
    // may write the maps of a process only while it can be dumped (proc(5)), and
    // a new user namespace keeps others out by itself.
    let _ = Call::Prctl(libc::PR_SET_DUMPABLE, 0, 0).make();
    let _ = Call::Fcntl(image.socket.as_raw_fd(), libc::F_SETFD, 0).make();
    let _ = Call::ExecveatEmpty(image.file, argv, envp).make();
    exit_now(EXEC_FAILED)
}

/// The child that waits to be killed.
fn idle() -> ! {
    let signal = libc::SIGKILL as libc::c_ulong;
    let _ = Call::Prctl(libc::PR_SET_PDEATHSIG, signal, 0).make();
    loop {
        nix::unistd::pause();
    }
}

/// Ends the process at once, without the image's exit handlers.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: _exit does not return and runs nothing of ours.
    unsafe { libc::_exit(status) }
}

/// execve(2) of a path in the current root: the reason for coming back.
pub(crate) fn execve(path: &CStr, argv: &[&CStr], envp: &[&CStr]) -> Errno {
    let (argv, envp) = (Strings::new(argv), Strings::new(envp));
    match Call::Execve(path, &argv, &envp).make() {
        Err(errno) => errno,
        Ok(_) => Errno::UnknownErrno,
    }
}
