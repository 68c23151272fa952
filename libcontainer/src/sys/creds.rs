//! Capabilities, ids and keyrings of the calling thread.
//!
//! All by raw calls: libc's wrappers signal every thread of a process, and here
//! there is one.

use std::ffi::CStr;

use super::Result;
use super::call::Call;

const VERSION_3: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct` of capset(2).
#[repr(C)]
pub(super) struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`; version 3 takes two.
#[repr(C)]
#[derive(Default, Clone, Copy)]
pub(super) struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// capset(2).
pub(crate) fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    let header = CapabilityHeader {
        version: VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| CapabilityData {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    Call::Capset(&header, &data).make()?;
    Ok(())
}

/// capget(2): the permitted set.
pub(crate) fn permitted_capabilities() -> Result<u64> {
    let mut header = CapabilityHeader {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [CapabilityData::default(); 2];
    Call::Capget(&mut header, &mut data).make()?;
    let [low, high] = data;
    Ok(u64::from(low.permitted) | u64::from(high.permitted) << 32)
}

/// prctl(2) with numbers.
fn prctl(option: libc::c_int, first: libc::c_ulong, second: libc::c_ulong) -> Result<()> {
    Call::Prctl(option, first, second).make()?;
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
    Call::Setgroups(groups).make()?;
    Ok(())
}

/// setresgid(2), all three.
pub(crate) fn set_gid(gid: u32) -> Result<()> {
    Call::Setresgid(gid).make()?;
    Ok(())
}

/// setresuid(2), all three.
pub(crate) fn set_uid(uid: u32) -> Result<()> {
    Call::Setresuid(uid).make()?;
    Ok(())
}

/// keyctl(2) `KEYCTL_JOIN_SESSION_KEYRING`: the keyring's serial number.
pub(crate) fn join_session_keyring(name: &CStr) -> Result<i32> {
    let serial = Call::KeyctlJoinSessionKeyring(name).make()?;
    Ok(serial as i32)
}

/// keyctl(2) `KEYCTL_DESCRIBE`: "type;uid;gid;perm;description".
pub(crate) fn describe_key(serial: i32, buffer: &mut [u8]) -> Result<usize> {
    let length = Call::KeyctlDescribe(serial, buffer).make()?;
    Ok(length as usize)
}

/// keyctl(2) `KEYCTL_SETPERM`.
pub(crate) fn set_key_permissions(serial: i32, permissions: u32) -> Result<()> {
    Call::KeyctlSetperm(serial, permissions).make()?;
    Ok(())
}
