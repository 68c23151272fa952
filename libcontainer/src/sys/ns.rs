//! Namespaces.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// NS_GET_NSTYPE: the `CLONE_NEW*` flag of the namespace behind a descriptor
/// (ioctl_ns(2), Linux 4.11).
pub(crate) fn kind(namespace: BorrowedFd<'_>) -> Result<libc::c_int> {
    const NS_GET_NSTYPE: libc::c_int = 0xb703;
    // SAFETY: the request takes no argument.
    let flag = check(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE as _) }.into())?;
    Ok(flag as libc::c_int)
}

/// setns(2): joins the namespace behind a descriptor, or with a pidfd those of
/// that process that the flags name (Linux 5.8).
pub(crate) fn join(target: BorrowedFd<'_>, flags: libc::c_int) -> Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::setns(target.as_raw_fd(), flags) }.into())?;
    Ok(())
}

/// unshare(2).
pub(crate) fn unshare(flags: libc::c_int) -> Result<()> {
    // SAFETY: numbers only; no flag of those used shares memory.
    check(unsafe { libc::unshare(flags) }.into())?;
    Ok(())
}
