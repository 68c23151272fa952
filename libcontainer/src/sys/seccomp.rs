//! seccomp(2): install a filter, and ask what the kernel knows.
#![expect(unsafe_code, reason = "libc has no safe function for this call")]

use std::ffi::{c_long, c_ulong};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use serde::{Deserialize, Serialize};

use super::Errno;

/// One instruction of a classic BPF program (`struct sock_filter`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// Class, size and mode of the operation.
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// The constant of the operation.
    pub k: u32,
}

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    len: u16,
    filter: *const Instruction,
}

/// Puts the filter on the calling thread, for good.
///
/// Does not set `no_new_privs`: without it the caller needs `CAP_SYS_ADMIN` in
/// its user namespace. Answers with the listener when `flags` has
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`; the kernel opens it close-on-exec.
///
/// The program is judged by the kernel; a length that its 16 bits cannot hold
/// is refused here with the same `EINVAL`.
pub(crate) fn install(program: &[Instruction], flags: u32) -> Result<Option<OwnedFd>, Errno> {
    let program = Program {
        len: u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?,
        filter: program.as_ptr(),
    };
    // SAFETY: `program` points to `len` instructions of the kernel's layout, all
    // alive across the call; the kernel copies them and keeps no pointer.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            c_ulong::from(flags),
            ptr::from_ref(&program),
        )
    };
    let answer = Errno::result(answer)?;
    if c_ulong::from(flags) & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
        return match answer {
            0 => Ok(None),
            // With TSYNC: the thread that could not take the filter.
            _ => Err(Errno::ESRCH),
        };
    }
    let fd = RawFd::try_from(answer).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just opened this descriptor for us alone.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Whether the kernel knows this action (`SECCOMP_RET_*`, Linux 4.14).
pub(crate) fn knows_action(action: u32) -> bool {
    // SAFETY: the kernel reads one `u32` at this address, alive across the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            c_long::from(0),
            ptr::from_ref(&action),
        )
    };
    answer == 0
}

/// Whether the kernel knows these flags (`SECCOMP_FILTER_FLAG_*`).
///
/// Flags are judged before the program is read, so a null program makes the
/// answer `EFAULT` where they are known and `EINVAL` where they are not.
pub(crate) fn knows_flags(flags: u32) -> bool {
    // SAFETY: a null program is a fault that the kernel reports; nothing is
    // installed.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            c_ulong::from(flags),
            ptr::null::<Program>(),
        )
    };
    Errno::result(answer) == Err(Errno::EFAULT)
}

// The kernel's own layout, on every architecture.
const _: () = assert!(size_of::<Instruction>() == 8 && align_of::<Instruction>() == 4);

#[cfg(test)]
mod tests {
    use super::{Errno, Instruction, install, knows_action, knows_flags};

    #[test]
    fn known_and_unknown_actions() {
        assert!(knows_action(libc::SECCOMP_RET_ALLOW));
        assert!(knows_action(libc::SECCOMP_RET_ERRNO));
        assert!(!knows_action(0x1234_0000));
    }

    #[test]
    fn known_and_unknown_flags() {
        assert!(knows_flags(0));
        let log = u32::try_from(libc::SECCOMP_FILTER_FLAG_LOG).unwrap_or_default();
        assert!(knows_flags(log));
        assert!(!knows_flags(1 << 31));
    }

    #[test]
    fn a_program_that_the_kernel_refuses_is_an_error() {
        assert_eq!(install(&[], 0).map(drop), Err(Errno::EINVAL));
        let nonsense = Instruction {
            code: 0xffff,
            jt: 0,
            jf: 0,
            k: 0,
        };
        assert_eq!(install(&[nonsense], 0).map(drop), Err(Errno::EINVAL));
        let long = vec![nonsense; 70_000];
        assert_eq!(install(&long, 0).map(drop), Err(Errno::EINVAL));
    }
}
