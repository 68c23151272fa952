//! The mount API by descriptors (Linux 5.2 and 5.12), and mount(2) for kernels
//! or sandboxes without it.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::call::Call;
use super::{Result, fd};

/// Attributes of a mount, `MOUNT_ATTR_*`.
pub(crate) mod attr {
    pub(crate) const RDONLY: u64 = 0x1;
    pub(crate) const NOSUID: u64 = 0x2;
    pub(crate) const NODEV: u64 = 0x4;
    pub(crate) const NOEXEC: u64 = 0x8;
    /// The mask of the access time settings; relatime is its zero.
    pub(crate) const ATIME: u64 = 0x70;
    pub(crate) const NOATIME: u64 = 0x10;
    pub(crate) const STRICTATIME: u64 = 0x20;
    pub(crate) const NODIRATIME: u64 = 0x80;
    pub(crate) const IDMAP: u64 = 0x0010_0000;
    pub(crate) const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE` or 0.
    pub(crate) propagation: u64,
    /// The user namespace of an id-mapped mount, with `attr::IDMAP`.
    pub(crate) userns_fd: u64,
}

/// The number of the mount that a descriptor is of (statx(2), Linux 5.8); none
/// where the kernel does not say.
pub(crate) fn mount_id(fd: BorrowedFd<'_>) -> Result<Option<u64>> {
    const STATX_MNT_ID: u32 = 0x1000;
    // `struct statx`, as numbers of 64 bits: what it holds (stx_mask) are the
    // first four bytes, the mount is number 18.
    const MOUNT_ID: usize = 18;
    let mut numbers = [0_u64; 32];
    Call::Statx(fd, STATX_MNT_ID, &mut numbers).make()?;
    let [first, ..] = numbers;
    let [a, b, c, d, ..] = first.to_ne_bytes();
    let holds = u32::from_ne_bytes([a, b, c, d]);
    Ok(numbers
        .get(MOUNT_ID)
        .copied()
        .filter(|_| holds & STATX_MNT_ID != 0))
}

/// fsopen(2): a context for a new file system of this type.
pub(crate) fn fsopen(fs_type: &CStr) -> Result<OwnedFd> {
    const FSOPEN_CLOEXEC: libc::c_uint = 1;
    Ok(fd::own(Call::Fsopen(fs_type, FSOPEN_CLOEXEC).make()?))
}

/// fsconfig(2) with a parameter that has a value.
pub(crate) fn fsconfig_string(fs: BorrowedFd<'_>, key: &CStr, value: &CStr) -> Result<()> {
    Call::FsconfigString(fs, key, value).make()?;
    Ok(())
}

/// fsconfig(2) with a parameter that stands alone.
pub(crate) fn fsconfig_flag(fs: BorrowedFd<'_>, key: &CStr) -> Result<()> {
    Call::FsconfigFlag(fs, key).make()?;
    Ok(())
}

/// fsconfig(2) that makes the superblock.
pub(crate) fn fsconfig_create(fs: BorrowedFd<'_>) -> Result<()> {
    Call::FsconfigCreate(fs).make()?;
    Ok(())
}

/// fsmount(2): a detached mount of the superblock.
pub(crate) fn fsmount(fs: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd> {
    const FSMOUNT_CLOEXEC: libc::c_uint = 1;
    let call = Call::Fsmount(fs, FSMOUNT_CLOEXEC, attributes as libc::c_uint);
    Ok(fd::own(call.make()?))
}

/// open_tree(2) with `OPEN_TREE_CLONE`: a detached copy of the mount at `path`
/// (with an empty path: at `dir` itself).
pub(crate) fn open_tree_clone(
    dir: BorrowedFd<'_>,
    path: &CStr,
    recursive: bool,
) -> Result<OwnedFd> {
    const OPEN_TREE_CLONE: libc::c_int = 1;
    const AT_RECURSIVE: libc::c_int = 0x8000;
    let mut flags = OPEN_TREE_CLONE | libc::O_CLOEXEC;
    if recursive {
        flags |= AT_RECURSIVE;
    }
    if path.is_empty() {
        flags |= libc::AT_EMPTY_PATH;
    }
    let call = Call::OpenTree(dir, path, flags as libc::c_uint);
    Ok(fd::own(call.make()?))
}

/// move_mount(2) of a detached mount onto the file that `target` stands for.
pub(crate) fn move_mount(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    const F_EMPTY_PATH: libc::c_uint = 0x04;
    const T_EMPTY_PATH: libc::c_uint = 0x40;
    Call::MoveMount(mount, target, F_EMPTY_PATH | T_EMPTY_PATH).make()?;
    Ok(())
}

/// The same onto a name in a directory, which must be of a file system of our own:
/// nobody else may put a link there.
pub(crate) fn move_mount_at(
    mount: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    name: &CStr,
) -> Result<()> {
    Call::MoveMountAt(mount, directory, name).make()?;
    Ok(())
}

/// mount_setattr(2) of the mount whose root `mount` is.
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    recursive: bool,
    attributes: &MountAttr,
) -> Result<()> {
    const AT_RECURSIVE: libc::c_int = 0x8000;
    let flags = if recursive { AT_RECURSIVE } else { 0 };
    Call::MountSetattr(mount, flags, attributes).make()?;
    Ok(())
}

/// mount(2), for what has no call by descriptor.
pub(crate) fn mount(
    source: Option<&CStr>,
    target: &CStr,
    fs_type: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> Result<()> {
    let call = Call::Mount {
        source,
        target,
        fs_type,
        flags,
        data,
    };
    call.make()?;
    Ok(())
}

/// Whether a mount has relatime: nix knows the flag by the C library's name, and
/// musl has none.
pub(crate) fn is_relatime(mount: BorrowedFd<'_>) -> Result<bool> {
    const ST_RELATIME: u64 = 0x1000;
    // `struct statfs` where a word has 64 bits: its flags are number 10.
    let mut numbers = [0_u64; 16];
    Call::Fstatfs(mount, &mut numbers).make()?;
    let [.., flags, _, _, _, _, _] = numbers;
    Ok(flags & ST_RELATIME != 0)
}
