//! The mount API by descriptors (Linux 5.2 and 5.12), and mount(2) for kernels
//! or sandboxes without it.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::{Result, check, fd};

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
    const NUMBERS: usize = 32;
    const MOUNT_ID: usize = 18;
    let mut numbers = [0_u64; NUMBERS];
    // SAFETY: the path is a C string; the kernel fills a struct of 256 bytes.
    check(unsafe {
        libc::syscall(
            libc::SYS_statx,
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            STATX_MNT_ID,
            numbers.as_mut_ptr(),
        )
    })?;
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
    // SAFETY: the type is a C string.
    let returned =
        check(unsafe { libc::syscall(libc::SYS_fsopen, fs_type.as_ptr(), FSOPEN_CLOEXEC) })?;
    Ok(fd::own(returned))
}

/// fsconfig(2) with a parameter that has a value.
pub(crate) fn fsconfig_string(fs: BorrowedFd<'_>, key: &CStr, value: &CStr) -> Result<()> {
    const FSCONFIG_SET_STRING: libc::c_uint = 1;
    // SAFETY: key and value are C strings.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            fs.as_raw_fd(),
            FSCONFIG_SET_STRING,
            key.as_ptr(),
            value.as_ptr(),
            0,
        )
    })?;
    Ok(())
}

/// fsconfig(2) with a parameter that stands alone.
pub(crate) fn fsconfig_flag(fs: BorrowedFd<'_>, key: &CStr) -> Result<()> {
    const FSCONFIG_SET_FLAG: libc::c_uint = 0;
    // SAFETY: the key is a C string, a flag has no value.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            fs.as_raw_fd(),
            FSCONFIG_SET_FLAG,
            key.as_ptr(),
            std::ptr::null::<libc::c_char>(),
            0,
        )
    })?;
    Ok(())
}

/// fsconfig(2) that makes the superblock.
pub(crate) fn fsconfig_create(fs: BorrowedFd<'_>) -> Result<()> {
    const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
    // SAFETY: the command takes neither key nor value.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            fs.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            std::ptr::null::<libc::c_char>(),
            std::ptr::null::<libc::c_char>(),
            0,
        )
    })?;
    Ok(())
}

/// fsmount(2): a detached mount of the superblock.
pub(crate) fn fsmount(fs: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd> {
    const FSMOUNT_CLOEXEC: libc::c_uint = 1;
    // SAFETY: numbers only.
    let returned = check(unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            fs.as_raw_fd(),
            FSMOUNT_CLOEXEC,
            attributes as libc::c_uint,
        )
    })?;
    Ok(fd::own(returned))
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
    // SAFETY: the path is a C string.
    let returned = check(unsafe {
        libc::syscall(
            libc::SYS_open_tree,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags as libc::c_uint,
        )
    })?;
    Ok(fd::own(returned))
}

/// move_mount(2) of a detached mount onto the file that `target` stands for.
pub(crate) fn move_mount(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    const F_EMPTY_PATH: libc::c_uint = 0x04;
    const T_EMPTY_PATH: libc::c_uint = 0x40;
    // SAFETY: both paths are empty C strings.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            target.as_raw_fd(),
            c"".as_ptr(),
            F_EMPTY_PATH | T_EMPTY_PATH,
        )
    })?;
    Ok(())
}

/// mount_setattr(2) of the mount whose root `mount` is.
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    recursive: bool,
    attributes: &MountAttr,
) -> Result<()> {
    const AT_RECURSIVE: libc::c_int = 0x8000;
    let flags = libc::AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, the structure of the size given.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags as libc::c_uint,
            std::ptr::from_ref(attributes),
            size_of::<MountAttr>(),
        )
    })?;
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
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: each pointer is null or a C string that lives through the call.
    let returned = unsafe {
        libc::mount(
            pointer(source),
            target.as_ptr(),
            pointer(fs_type),
            flags,
            pointer(data).cast::<libc::c_void>(),
        )
    };
    check(returned.into())?;
    Ok(())
}

/// Whether a mount has relatime, ST_RELATIME of fstatvfs(3): not every C library
/// has a name for it, and nix leaves out what has none.
pub(crate) fn is_relatime(mount: BorrowedFd<'_>) -> Result<bool> {
    const ST_RELATIME: libc::c_ulong = 4096;
    let mut buffer = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the kernel fills the buffer, which is of its type.
    let returned = unsafe { libc::fstatvfs(mount.as_raw_fd(), buffer.as_mut_ptr()) };
    check(returned.into())?;
    // SAFETY: the call succeeded, so that the buffer is filled.
    let filled = unsafe { buffer.assume_init() };
    Ok(filled.f_flag & ST_RELATIME != 0)
}
