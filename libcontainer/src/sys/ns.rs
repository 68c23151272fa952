//! Namespaces.

use std::os::fd::BorrowedFd;

use super::Result;
use super::call::Call;

/// NS_GET_NSTYPE: the `CLONE_NEW*` flag of the namespace behind a descriptor
/// (ioctl_ns(2), Linux 4.11).
pub(crate) fn kind(namespace: BorrowedFd<'_>) -> Result<libc::c_int> {
    const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
    let flag = Call::Ioctl(namespace, NS_GET_NSTYPE, 0).make()?;
    Ok(flag as libc::c_int)
}

/// setns(2): joins the namespace behind a descriptor, or with a pidfd those of
/// that process that the flags name (Linux 5.8).
pub(crate) fn join(target: BorrowedFd<'_>, flags: libc::c_int) -> Result<()> {
    Call::Setns(target, flags).make()?;
    Ok(())
}

/// unshare(2).
pub(crate) fn unshare(flags: libc::c_int) -> Result<()> {
    Call::Unshare(flags).make()?;
    Ok(())
}
