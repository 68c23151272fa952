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

/// Whether we are in a user namespace other than the first.
pub(crate) fn in_user_namespace() -> bool {
    !is_first("/proc/self/ns/user")
}

/// PROC_USER_INIT_INO: the first user namespace's number, since Linux 3.8. Its maps
/// say nothing: another one's may map every id to itself as well.
const FIRST: u64 = 0xEFFF_FFFD;

/// Whether this is the first user namespace; also where nobody can say.
fn is_first(path: &str) -> bool {
    nix::sys::stat::stat(path).map_or(true, |namespace| namespace.st_ino == FIRST)
}

#[cfg(test)]
mod tests {
    use super::is_first;

    #[test]
    fn a_namespace_is_told_by_its_number() {
        assert!(!is_first("/proc/self/ns/mnt"));
        assert!(is_first("/proc/nosuch"));
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
        // Where not all ids are there it is another one for certain.
        assert!(whole || !is_first("/proc/self/ns/user"));
    }
}
