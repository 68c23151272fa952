//! The system calls that nix does not wrap, or not as we need them: one row a
//! call, typed, and one place where any of them is made.
//!
//! Whether they are sound is decided here alone. A row lends the kernel memory
//! that lives through the call and is as large as the call goes by: fixed by its
//! type, or told in an argument of the same row. The kernel keeps no pointer of
//! any of them. No row maps, unmaps or shares memory, and none returns twice
//! (that is [`clone`](super::clone)'s) or takes a descriptor from its owner
//! (that is [`fd`](super::fd)'s).

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong};
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::{from_mut, from_ref, null};

use super::creds::{CapabilityData, CapabilityHeader};
use super::mount::MountAttr;
use super::net::InterfaceRequest;
use super::sched::SchedAttr;
use super::seccomp::FilterProgram;
use super::socket::Message;
use super::{Errno, Result};

/// The arguments in their registers.
type Words = [usize; 6];

/// A system call with its arguments, by the name and in the order of its manual
/// page.
pub(super) enum Call<'a> {
    Capget(&'a mut CapabilityHeader, &'a mut [CapabilityData; 2]),
    Capset(&'a CapabilityHeader, &'a [CapabilityData; 2]),
    /// `close_range` that closes nothing yet, from a descriptor to the last.
    CloseRangeCloexec(c_uint),
    Execve(&'a CStr, &'a Strings<'a>, &'a Strings<'a>),
    /// `execveat` of the descriptor itself.
    ExecveatEmpty(BorrowedFd<'a>, &'a Strings<'a>, &'a Strings<'a>),
    /// `fcntl` with a command that takes a number, of a descriptor that may be
    /// closed.
    Fcntl(RawFd, c_int, c_int),
    Flock(BorrowedFd<'a>, c_int),
    FsconfigCreate(BorrowedFd<'a>),
    FsconfigFlag(BorrowedFd<'a>, &'a CStr),
    FsconfigString(BorrowedFd<'a>, &'a CStr, &'a CStr),
    Fsetxattr(BorrowedFd<'a>, &'a CStr, &'a [u8]),
    Fsmount(BorrowedFd<'a>, c_uint, c_uint),
    Fsopen(&'a CStr, c_uint),
    /// `fstatfs` into a structure of numbers, of which the longest has 16.
    Fstatfs(BorrowedFd<'a>, &'a mut [u64; 16]),
    /// `ioctl` with a request that takes a number.
    Ioctl(BorrowedFd<'a>, c_ulong, c_int),
    /// `ioctl` with a request that reads an int.
    IoctlReads(BorrowedFd<'a>, c_ulong, &'a c_int),
    /// `ioctl` with a request that writes an unsigned int.
    IoctlWrites(BorrowedFd<'a>, c_ulong, &'a mut c_uint),
    IoctlSetInterface(BorrowedFd<'a>, &'a InterfaceRequest),
    IoctlSetSize(BorrowedFd<'a>, &'a libc::winsize),
    IoctlGetSize(BorrowedFd<'a>, &'a mut libc::winsize),
    IoprioSet(c_int, c_int, c_uint),
    KeyctlDescribe(i32, &'a mut [u8]),
    KeyctlJoinSessionKeyring(&'a CStr),
    KeyctlSetperm(i32, u32),
    Kill(libc::pid_t, c_int),
    /// The kinds of access that a ruleset handles: all of its first version.
    LandlockCreateRuleset(&'a u64),
    LandlockRestrictSelf(BorrowedFd<'a>),
    /// `landlock_create_ruleset` that makes none and gives the version.
    LandlockVersion,
    Mount {
        source: Option<&'a CStr>,
        target: &'a CStr,
        fs_type: Option<&'a CStr>,
        flags: c_ulong,
        data: Option<&'a CStr>,
    },
    /// `mount_setattr` of the descriptor itself.
    MountSetattr(BorrowedFd<'a>, c_int, &'a MountAttr),
    /// `move_mount` from a descriptor onto a descriptor.
    MoveMount(BorrowedFd<'a>, BorrowedFd<'a>, c_uint),
    /// `move_mount` from a descriptor onto a name, of which no link is followed.
    MoveMountAt(BorrowedFd<'a>, BorrowedFd<'a>, &'a CStr),
    OpenTree(BorrowedFd<'a>, &'a CStr, c_uint),
    Openat2(BorrowedFd<'a>, &'a CStr, &'a [u64; 3]),
    Personality(c_ulong),
    PidfdGetfd(BorrowedFd<'a>, RawFd),
    PidfdOpen(libc::pid_t),
    PidfdSendSignal(BorrowedFd<'a>, c_int),
    /// `prctl` with an option that takes numbers.
    Prctl(c_int, c_ulong, c_ulong),
    Prlimit(libc::pid_t, u32, &'a [u64; 2]),
    Read(BorrowedFd<'a>, &'a mut [u8]),
    Recvmsg(BorrowedFd<'a>, &'a Message<'a>, c_int),
    /// `rt_sigaction` without a handler.
    RtSigaction(c_int, Disposition),
    SchedSetaffinity(libc::pid_t, &'a [u64]),
    SchedSetattr(&'a SchedAttr),
    SeccompActionAvail(&'a u32),
    SeccompFilter(c_ulong, Option<&'a FilterProgram<'a>>),
    Sendmsg(BorrowedFd<'a>, &'a Message<'a>, c_int),
    SetMempolicy(u32, &'a [u64]),
    Setdomainname(&'a str),
    Setgroups(&'a [u32]),
    Setns(BorrowedFd<'a>, c_int),
    /// `setsockopt` of an option that is an int.
    Setsockopt(BorrowedFd<'a>, c_int, c_int, &'a c_int),
    Setresgid(u32),
    Setresuid(u32),
    /// `statx` of the descriptor itself; 32 numbers are the whole structure.
    Statx(BorrowedFd<'a>, u32, &'a mut [u64; 32]),
    Unshare(c_int),
    /// `waitid` of a child by its pidfd; the structure has 128 bytes.
    WaitidPidfd(BorrowedFd<'a>, &'a mut [c_int; 32], c_int),
}

/// What becomes of a signal where there is no handler.
pub(super) enum Disposition {
    Default,
    Ignore,
}

/// A list of C strings as execve(2) takes it: pointers, the last one null.
#[derive(Debug)]
pub(super) struct Strings<'a> {
    pointers: Vec<*const c_char>,
    strings: PhantomData<&'a CStr>,
}

impl<'a> Strings<'a> {
    pub(super) fn new(strings: &[&'a CStr]) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr());
        Self {
            pointers: pointers.chain([null()]).collect(),
            strings: PhantomData,
        }
    }
}

impl Call<'_> {
    /// Makes the call. Allocates nothing, takes no lock.
    #[inline]
    pub(super) fn make(self) -> Result<c_long> {
        let (number, words) = self.words();
        let [first, second, third, fourth, fifth, sixth] = words;
        // SAFETY: the rows of `words` hold what the module's head promises, and
        // the borrows in `self` live until after the call.
        let returned = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
        if returned < 0 {
            Err(Errno::last())
        } else {
            Ok(returned)
        }
    }

    #[inline]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn words(self) -> (c_long, Words) {
        const NULL: usize = 0;
        let empty = text(c"");
        match self {
            Self::Capget(header, data) => (libc::SYS_capget, [out(header), out(data), 0, 0, 0, 0]),
            Self::Capset(header, data) => (libc::SYS_capset, [at(header), at(data), 0, 0, 0, 0]),
            Self::CloseRangeCloexec(from) => {
                const CLOEXEC: usize = 1 << 2;
                (
                    libc::SYS_close_range,
                    [from as usize, c_uint::MAX as usize, CLOEXEC, 0, 0, 0],
                )
            }
            Self::Execve(path, argv, envp) => (
                libc::SYS_execve,
                [
                    text(path),
                    first(&argv.pointers),
                    first(&envp.pointers),
                    0,
                    0,
                    0,
                ],
            ),
            Self::ExecveatEmpty(file, argv, envp) => {
                let (argv, envp) = (first(&argv.pointers), first(&envp.pointers));
                let flags = libc::AT_EMPTY_PATH as usize;
                (libc::SYS_execveat, [fd(file), empty, argv, envp, flags, 0])
            }
            Self::Fcntl(number, command, value) => (
                libc::SYS_fcntl,
                [int(number), int(command), int(value), 0, 0, 0],
            ),
            Self::Flock(file, operation) => {
                (libc::SYS_flock, [fd(file), int(operation), 0, 0, 0, 0])
            }
            Self::FsconfigCreate(fs) => {
                const CMD_CREATE: usize = 6;
                (libc::SYS_fsconfig, [fd(fs), CMD_CREATE, NULL, NULL, 0, 0])
            }
            Self::FsconfigFlag(fs, key) => {
                const SET_FLAG: usize = 0;
                (
                    libc::SYS_fsconfig,
                    [fd(fs), SET_FLAG, text(key), NULL, 0, 0],
                )
            }
            Self::FsconfigString(fs, key, value) => {
                const SET_STRING: usize = 1;
                let (key, value) = (text(key), text(value));
                (libc::SYS_fsconfig, [fd(fs), SET_STRING, key, value, 0, 0])
            }
            Self::Fsetxattr(file, name, value) => (
                libc::SYS_fsetxattr,
                [fd(file), text(name), first(value), value.len(), 0, 0],
            ),
            Self::Fsmount(fs, flags, attributes) => (
                libc::SYS_fsmount,
                [fd(fs), flags as usize, attributes as usize, 0, 0, 0],
            ),
            Self::Fsopen(fs_type, flags) => (
                libc::SYS_fsopen,
                [text(fs_type), flags as usize, 0, 0, 0, 0],
            ),
            Self::Fstatfs(file, numbers) => {
                (libc::SYS_fstatfs, [fd(file), out(numbers), 0, 0, 0, 0])
            }
            Self::Ioctl(file, request, value) => ioctl(file, request, int(value)),
            Self::IoctlReads(file, request, value) => ioctl(file, request, at(value)),
            Self::IoctlWrites(file, request, value) => ioctl(file, request, out(value)),
            Self::IoctlSetInterface(socket, value) => ioctl(socket, libc::SIOCSIFFLAGS, at(value)),
            Self::IoctlSetSize(terminal, size) => ioctl(terminal, libc::TIOCSWINSZ, at(size)),
            Self::IoctlGetSize(terminal, size) => ioctl(terminal, libc::TIOCGWINSZ, out(size)),
            Self::IoprioSet(which, who, value) => (
                libc::SYS_ioprio_set,
                [int(which), int(who), value as usize, 0, 0, 0],
            ),
            Self::KeyctlDescribe(key, buffer) => {
                const DESCRIBE: usize = 6;
                let length = buffer.len();
                (
                    libc::SYS_keyctl,
                    [DESCRIBE, int(key), first_out(buffer), length, 0, 0],
                )
            }
            Self::KeyctlJoinSessionKeyring(name) => {
                const JOIN_SESSION_KEYRING: usize = 1;
                (
                    libc::SYS_keyctl,
                    [JOIN_SESSION_KEYRING, text(name), 0, 0, 0, 0],
                )
            }
            Self::KeyctlSetperm(key, permissions) => {
                const SETPERM: usize = 5;
                (
                    libc::SYS_keyctl,
                    [SETPERM, int(key), permissions as usize, 0, 0, 0],
                )
            }
            Self::Kill(pid, signal) => (libc::SYS_kill, [int(pid), int(signal), 0, 0, 0, 0]),
            Self::LandlockCreateRuleset(handled) => {
                let size = size_of_val(handled);
                (
                    libc::SYS_landlock_create_ruleset,
                    [at(handled), size, 0, 0, 0, 0],
                )
            }
            Self::LandlockVersion => {
                const CREATE_RULESET_VERSION: usize = 1;
                (
                    libc::SYS_landlock_create_ruleset,
                    [NULL, 0, CREATE_RULESET_VERSION, 0, 0, 0],
                )
            }
            Self::LandlockRestrictSelf(ruleset) => (
                libc::SYS_landlock_restrict_self,
                [fd(ruleset), 0, 0, 0, 0, 0],
            ),
            Self::Mount {
                source,
                target,
                fs_type,
                flags,
                data,
            } => {
                let maybe = |string: Option<&CStr>| string.map_or(NULL, text);
                let (source, fs_type, data) = (maybe(source), maybe(fs_type), maybe(data));
                (
                    libc::SYS_mount,
                    [source, text(target), fs_type, flags as usize, data, 0],
                )
            }
            Self::MountSetattr(mount, flags, attributes) => {
                let size = size_of::<MountAttr>();
                let flags = int(flags | libc::AT_EMPTY_PATH);
                (
                    libc::SYS_mount_setattr,
                    [fd(mount), empty, flags, at(attributes), size, 0],
                )
            }
            Self::MoveMount(mount, target, flags) => (
                libc::SYS_move_mount,
                [fd(mount), empty, fd(target), empty, flags as usize, 0],
            ),
            Self::MoveMountAt(mount, directory, name) => {
                const F_EMPTY_PATH: usize = 0x04;
                let (mount, directory, name) = (fd(mount), fd(directory), text(name));
                (
                    libc::SYS_move_mount,
                    [mount, empty, directory, name, F_EMPTY_PATH, 0],
                )
            }
            Self::OpenTree(dir, path, flags) => (
                libc::SYS_open_tree,
                [fd(dir), text(path), flags as usize, 0, 0, 0],
            ),
            Self::Openat2(dir, path, how) => {
                let size = size_of_val(how);
                (
                    libc::SYS_openat2,
                    [fd(dir), text(path), at(how), size, 0, 0],
                )
            }
            Self::Personality(domain) => (libc::SYS_personality, [domain as usize, 0, 0, 0, 0, 0]),
            Self::PidfdGetfd(pidfd, number) => {
                (libc::SYS_pidfd_getfd, [fd(pidfd), int(number), 0, 0, 0, 0])
            }
            Self::PidfdOpen(pid) => (libc::SYS_pidfd_open, [int(pid), 0, 0, 0, 0, 0]),
            Self::PidfdSendSignal(pidfd, signal) => (
                libc::SYS_pidfd_send_signal,
                [fd(pidfd), int(signal), NULL, 0, 0, 0],
            ),
            Self::Prctl(option, one, two) => (
                libc::SYS_prctl,
                [int(option), one as usize, two as usize, 0, 0, 0],
            ),
            Self::Prlimit(pid, resource, limit) => (
                libc::SYS_prlimit64,
                [int(pid), resource as usize, at(limit), NULL, 0, 0],
            ),
            Self::Read(file, buffer) => {
                let length = buffer.len();
                (
                    libc::SYS_read,
                    [fd(file), first_out(buffer), length, 0, 0, 0],
                )
            }
            Self::Recvmsg(socket, message, flags) => (
                libc::SYS_recvmsg,
                [fd(socket), at(message), int(flags), 0, 0, 0],
            ),
            Self::RtSigaction(signal, disposition) => {
                // A handler, flags, on some machines a restorer, and the mask.
                static DEFAULT: [u64; 4] = [0; 4];
                static IGNORE: [u64; 4] = [1, 0, 0, 0];
                const SIGSET_BYTES: usize = 8;
                let action = at(match disposition {
                    Disposition::Default => &DEFAULT,
                    Disposition::Ignore => &IGNORE,
                });
                (
                    libc::SYS_rt_sigaction,
                    [int(signal), action, NULL, SIGSET_BYTES, 0, 0],
                )
            }
            Self::SchedSetaffinity(pid, mask) => {
                let size = size_of_val(mask);
                (
                    libc::SYS_sched_setaffinity,
                    [int(pid), size, first(mask), 0, 0, 0],
                )
            }
            Self::SchedSetattr(attributes) => {
                (libc::SYS_sched_setattr, [0, at(attributes), 0, 0, 0, 0])
            }
            Self::SeccompActionAvail(action) => {
                let operation = libc::SECCOMP_GET_ACTION_AVAIL as usize;
                (libc::SYS_seccomp, [operation, 0, at(action), 0, 0, 0])
            }
            Self::SeccompFilter(flags, program) => {
                let operation = libc::SECCOMP_SET_MODE_FILTER as usize;
                let program = program.map_or(NULL, at);
                (
                    libc::SYS_seccomp,
                    [operation, flags as usize, program, 0, 0, 0],
                )
            }
            Self::Sendmsg(socket, message, flags) => (
                libc::SYS_sendmsg,
                [fd(socket), at(message), int(flags), 0, 0, 0],
            ),
            Self::SetMempolicy(mode, nodes) => {
                // The kernel looks at one bit less than it is told.
                let (pointer, bits) = if nodes.is_empty() {
                    (NULL, 0)
                } else {
                    (first(nodes), size_of_val(nodes) * 8 + 1)
                };
                (
                    libc::SYS_set_mempolicy,
                    [mode as usize, pointer, bits, 0, 0, 0],
                )
            }
            Self::Setdomainname(name) => (
                libc::SYS_setdomainname,
                [first(name.as_bytes()), name.len(), 0, 0, 0, 0],
            ),
            Self::Setgroups(groups) => (
                libc::SYS_setgroups,
                [groups.len(), first(groups), 0, 0, 0, 0],
            ),
            Self::Setns(target, flags) => (libc::SYS_setns, [fd(target), int(flags), 0, 0, 0, 0]),
            Self::Setsockopt(socket, level, option, value) => {
                let size = size_of_val(value);
                (
                    libc::SYS_setsockopt,
                    [fd(socket), int(level), int(option), at(value), size, 0],
                )
            }
            Self::Setresgid(gid) => {
                let gid = gid as usize;
                (libc::SYS_setresgid, [gid, gid, gid, 0, 0, 0])
            }
            Self::Setresuid(uid) => {
                let uid = uid as usize;
                (libc::SYS_setresuid, [uid, uid, uid, 0, 0, 0])
            }
            Self::Statx(file, mask, numbers) => {
                let flags = libc::AT_EMPTY_PATH as usize;
                (
                    libc::SYS_statx,
                    [fd(file), empty, flags, mask as usize, out(numbers), 0],
                )
            }
            Self::Unshare(flags) => (libc::SYS_unshare, [int(flags), 0, 0, 0, 0, 0]),
            Self::WaitidPidfd(pidfd, info, options) => {
                let by = libc::P_PIDFD as usize;
                (
                    libc::SYS_waitid,
                    [by, fd(pidfd), out(info), int(options), NULL, 0],
                )
            }
        }
    }
}

fn ioctl(file: BorrowedFd<'_>, request: impl TryInto<c_ulong>, argument: usize) -> (c_long, Words) {
    let request: c_ulong = request.try_into().unwrap_or_default();
    (
        libc::SYS_ioctl,
        [fd(file), request as usize, argument, 0, 0, 0],
    )
}

fn int(value: c_int) -> usize {
    value as usize
}

fn fd(file: BorrowedFd<'_>) -> usize {
    int(file.as_raw_fd())
}

fn text(string: &CStr) -> usize {
    string.as_ptr().expose_provenance()
}

fn at<T>(value: &T) -> usize {
    from_ref(value).expose_provenance()
}

fn out<T>(value: &mut T) -> usize {
    from_mut(value).expose_provenance()
}

fn first<T>(slice: &[T]) -> usize {
    slice.as_ptr().expose_provenance()
}

fn first_out<T>(slice: &mut [T]) -> usize {
    slice.as_mut_ptr().expose_provenance()
}
