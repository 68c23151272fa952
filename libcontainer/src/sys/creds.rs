//! Capabilities, ids and keyrings of the calling thread.
//!
//! All by raw calls: libc's wrappers signal every thread of a process, and here
//! there is one.

use std::ffi::CStr;

use super::{Result, check};

const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// capset(2).
pub(crate) fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| Data {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 takes a header and two data structures.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })?;
    Ok(())
}

/// capget(2): the permitted set.
pub(crate) fn permitted_capabilities() -> Result<u64> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 fills two data structures.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    let [low, high] = data;
    Ok(u64::from(low.permitted) | u64::from(high.permitted) << 32)
}

/// prctl(2) with numbers.
fn prctl(option: libc::c_int, first: libc::c_ulong, second: libc::c_ulong) -> Result<()> {
    let unused: libc::c_ulong = 0;
    // SAFETY: the options used here take numbers alone.
    let returned = unsafe { libc::prctl(option, first, second, unused, unused) };
    check(returned.into())?;
    Ok(())
}

/// Takes a capability out of the bounding set; EINVAL beyond the last one.
pub(crate) fn drop_bounding(capability: u32) -> Result<()> {
    prctl(libc::PR_CAPBSET_DROP, capability.into(), 0)
}

/// Puts a capability into the ambient set.
pub(crate) fn raise_ambient(capability: u32) -> Result<()> {
    let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
    prctl(libc::PR_CAP_AMBIENT, raise, capability.into())
}

/// Empties the ambient set.
pub(crate) fn clear_ambient() -> Result<()> {
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
    prctl(libc::PR_CAP_AMBIENT, clear, 0)
}

/// PR_SET_KEEPCAPS: permitted capabilities survive the change of user.
pub(crate) fn keep_capabilities(keep: bool) -> Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, keep.into(), 0)
}

/// PR_SET_NO_NEW_PRIVS.
pub(crate) fn set_no_new_privs() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// setgroups(2).
pub(crate) fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: the length is the slice's.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
    Ok(())
}

/// setresgid(2), all three.
pub(crate) fn set_gid(gid: u32) -> Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    Ok(())
}

/// setresuid(2), all three.
pub(crate) fn set_uid(uid: u32) -> Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
    Ok(())
}

/// keyctl(2) `KEYCTL_JOIN_SESSION_KEYRING`: the keyring's serial number.
pub(crate) fn join_session_keyring(name: &CStr) -> Result<i32> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: the name is a C string.
    let serial = check(unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr())
    })?;
    Ok(serial as i32)
}

/// keyctl(2) `KEYCTL_DESCRIBE`: "type;uid;gid;perm;description".
pub(crate) fn describe_key(serial: i32, buffer: &mut [u8]) -> Result<usize> {
    const KEYCTL_DESCRIBE: libc::c_int = 6;
    // SAFETY: the kernel writes at most the length given.
    let length = check(unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_DESCRIBE,
            serial,
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    })?;
    Ok(length as usize)
}

/// keyctl(2) `KEYCTL_SETPERM`.
pub(crate) fn set_key_permissions(serial: i32, permissions: u32) -> Result<()> {
    const KEYCTL_SETPERM: libc::c_int = 5;
    // SAFETY: numbers only.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_SETPERM, serial, permissions) })?;
    Ok(())
}
