//! seccomp(2): install a filter, and ask what the kernel knows.

use std::ffi::c_ulong;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::{Errno, fd};

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
pub(super) struct FilterProgram<'a> {
    length: u16,
    first: *const Instruction,
    instructions: PhantomData<&'a [Instruction]>,
}

impl<'a> FilterProgram<'a> {
    fn new(instructions: &'a [Instruction]) -> Result<Self, Errno> {
        Ok(Self {
            length: u16::try_from(instructions.len()).map_err(|_| Errno::EINVAL)?,
            first: instructions.as_ptr(),
            instructions: PhantomData,
        })
    }
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
    let program = FilterProgram::new(program)?;
    let answer = Call::SeccompFilter(flags.into(), Some(&program)).make()?;
    if c_ulong::from(flags) & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
        return match answer {
            0 => Ok(None),
            // With TSYNC: the thread that could not take the filter.
            _ => Err(Errno::ESRCH),
        };
    }
    Ok(Some(fd::own(answer)))
}

/// Whether the kernel knows this action (`SECCOMP_RET_*`, Linux 4.14).
pub(crate) fn knows_action(action: u32) -> bool {
    Call::SeccompActionAvail(&action).make().is_ok()
}

/// Whether the kernel knows these flags (`SECCOMP_FILTER_FLAG_*`).
///
/// Flags are judged before the program is read, so a null program makes the
/// answer `EFAULT` where they are known and `EINVAL` where they are not.
pub(crate) fn knows_flags(flags: u32) -> bool {
    Call::SeccompFilter(flags.into(), None).make() == Err(Errno::EFAULT)
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
