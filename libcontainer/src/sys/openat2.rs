//! openat2(2), Linux 5.6.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::call::Call;
use super::{Errno, Result, fd};

/// How a path is resolved, `RESOLVE_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolve(u64);

impl Resolve {
    /// Absolute paths and links, and `..`, stay below the descriptor as in a
    /// chroot; links of procfs that jump are refused.
    pub(crate) const IN_ROOT: Self = Self(0x10 | 0x02);
    /// Nothing leaves the descriptor, no link is followed, no mount is crossed.
    pub(crate) const STRICT: Self = Self(0x08 | 0x04 | 0x02 | 0x01);
    /// Nothing leaves the descriptor and no link is followed; mounts are crossed.
    pub(crate) const BENEATH_NO_LINKS: Self = Self(0x08 | 0x04 | 0x02);
    /// No link is followed.
    pub(crate) const NO_LINKS: Self = Self(0x04 | 0x02);
}

/// How often a resolution that raced with a rename (EAGAIN) is tried again; runc
/// measured that 128 leaves next to none.
const RETRIES: u32 = 128;

/// Opens `path` from `dir`, always close-on-exec; through EINTR.
pub(crate) fn openat2(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: libc::c_int,
    mode: libc::mode_t,
    resolve: Resolve,
) -> Result<OwnedFd> {
    // `struct open_how`: flags, mode, resolve.
    let flags = (flags | libc::O_CLOEXEC) as u64;
    let how = [flags, mode.into(), resolve.0];
    let mut tries = 0;
    let returned = loop {
        match Call::Openat2(dir, path, &how).make() {
            Err(Errno::EAGAIN | Errno::EINTR) if tries < RETRIES => tries += 1,
            opened => break opened?,
        }
    };
    Ok(fd::own(returned))
}
