//! The only door to the kernel, and the only place with unsafe code.
//!
//! Functions take borrowed descriptors, C strings and typed flags, and return
//! owned descriptors or an [`Errno`]. What nix wraps well is used from nix by
//! the callers; here is what it does not wrap. Nothing here knows an OCI word.
//! EINTR is given back to the caller unless a function says otherwise.

#![expect(unsafe_code, reason = "system calls; each block says why it is sound")]
#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the widths of the kernel's interface"
)]

pub(crate) mod bpf;
mod call;
pub(crate) mod clone;
pub(crate) mod creds;
pub(crate) mod fd;
pub(crate) mod kill;
pub(crate) mod landlock;
pub(crate) mod mount;
pub(crate) mod net;
pub(crate) mod ns;
pub(crate) mod open;
pub(crate) mod openat2;
pub(crate) mod process;
pub(crate) mod sched;
pub(crate) mod seccomp;
pub(crate) mod small_file;
pub(crate) mod socket;
pub(crate) mod tty;
pub(crate) mod xattr;

pub(crate) use nix::errno::Errno;

/// What a call gives: its value or the kernel's reason.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// The result of a raw system call through libc, which sets errno.
fn check(returned: libc::c_long) -> Result<libc::c_long> {
    if returned < 0 {
        Err(Errno::last())
    } else {
        Ok(returned)
    }
}
