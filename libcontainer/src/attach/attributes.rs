//! Attributes and propagation of a mount that is in its place.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::place::by_number;
use crate::sys::mount::{MountAttr, attr, is_relatime, mount, mount_setattr};
use crate::sys::{Errno, Result};

/// Sets attributes of one mount; without mount_setattr(2), Linux 5.12, by a
/// remount that keeps the flags that are not touched.
pub(crate) fn set_attributes(mount_root: BorrowedFd<'_>, attributes: &MountAttr) -> Result<()> {
    match mount_setattr(mount_root, false, attributes) {
        Err(Errno::ENOSYS) => remount(mount_root, &by_number(mount_root), attributes),
        done => done,
    }
}

/// The same where the host's procfs is gone, of a mount known by name too.
pub(crate) fn set_attributes_by(
    mount_root: BorrowedFd<'_>,
    name: &CStr,
    attributes: &MountAttr,
) -> Result<()> {
    match mount_setattr(mount_root, false, attributes) {
        Err(Errno::ENOSYS) => remount(mount_root, name, attributes),
        done => done,
    }
}

/// Sets the first of these that no user namespace refuses; nothing when there are
/// none.
pub(super) fn set_allowed(
    choices: &[MountAttr],
    set: impl Fn(&MountAttr) -> Result<()>,
) -> Result<()> {
    let mut done = Ok(());
    for attributes in choices {
        done = set(attributes);
        if done != Err(Errno::EPERM) {
            break;
        }
    }
    done
}

/// A remount, of which the mount must be in its place.
pub(super) fn remount(
    mount_root: BorrowedFd<'_>,
    name: &CStr,
    attributes: &MountAttr,
) -> Result<()> {
    let wanted = present(mount_root)? & !attributes.clear | attributes.set;
    let mut flags = mount_flags(wanted) | libc::MS_BIND | libc::MS_REMOUNT;
    if wanted & attr::ATIME == 0 {
        // Without a word for it a remount keeps the access time that it finds.
        flags |= libc::MS_RELATIME;
    }
    mount(None, name, None, flags, None)
}

/// The attributes that a mount has.
fn present(mount_root: BorrowedFd<'_>) -> Result<u64> {
    const FLAGS: [(FsFlags, u64); 5] = [
        (FsFlags::ST_RDONLY, attr::RDONLY),
        (FsFlags::ST_NOSUID, attr::NOSUID),
        (FsFlags::ST_NODEV, attr::NODEV),
        (FsFlags::ST_NOEXEC, attr::NOEXEC),
        (FsFlags::ST_NODIRATIME, attr::NODIRATIME),
    ];
    let flags = fstatvfs(mount_root)?.flags();
    let time = if flags.contains(FsFlags::ST_NOATIME) {
        attr::NOATIME
    } else if is_relatime(mount_root)? {
        0
    } else {
        attr::STRICTATIME
    };
    Ok(FLAGS
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .fold(time, |attributes, (_, attribute)| attributes | attribute))
}

/// The flags of mount(2) that stand for attributes.
pub(super) fn mount_flags(attributes: u64) -> libc::c_ulong {
    const FLAGS: [(u64, libc::c_ulong); 6] = [
        (attr::RDONLY, libc::MS_RDONLY),
        (attr::NOSUID, libc::MS_NOSUID),
        (attr::NODEV, libc::MS_NODEV),
        (attr::NOEXEC, libc::MS_NOEXEC),
        (attr::NODIRATIME, libc::MS_NODIRATIME),
        // MS_NOSYMFOLLOW, Linux 5.10; libc has no name for it everywhere.
        (attr::NOSYMFOLLOW, 0x100),
    ];
    let time = match attributes & attr::ATIME {
        attr::NOATIME => libc::MS_NOATIME,
        attr::STRICTATIME => libc::MS_STRICTATIME,
        _ => 0,
    };
    FLAGS
        .iter()
        .filter(|(attribute, _)| attributes & attribute != 0)
        .fold(time, |flags, (_, flag)| flags | flag)
}

/// Changes the propagation of a mount, which `name` gives for mount(2) where
/// mount_setattr(2) is missing; without one, its number in procfs.
pub(crate) fn set_propagation(
    mount_root: BorrowedFd<'_>,
    name: Option<&CStr>,
    flag: u64,
    recursive: bool,
) -> Result<()> {
    let attributes = MountAttr {
        propagation: flag,
        ..MountAttr::default()
    };
    match mount_setattr(mount_root, recursive, &attributes) {
        Err(Errno::ENOSYS) => {
            let recursive = if recursive { libc::MS_REC } else { 0 };
            let flag = libc::c_ulong::try_from(flag).map_err(|_| Errno::EINVAL)?;
            let number;
            let name = if let Some(name) = name {
                name
            } else {
                number = by_number(mount_root);
                &number
            };
            mount(None, name, None, flag | recursive, None)
        }
        done => done,
    }
}

/// Maps the ids of a detached tree, or of its first mount, by the maps of a user
/// namespace (mount_setattr(2), Linux 5.12).
pub(crate) fn map_ids(
    tree: BorrowedFd<'_>,
    recursive: bool,
    user_namespace: BorrowedFd<'_>,
) -> Result<()> {
    let number = u64::try_from(user_namespace.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    let attributes = MountAttr {
        set: attr::IDMAP,
        userns_fd: number,
        ..MountAttr::default()
    };
    mount_setattr(tree, recursive, &attributes)
}

#[cfg(test)]
mod tests {
    use super::{mount_flags, set_allowed};
    use crate::sys::Errno;
    use crate::sys::mount::{MountAttr, attr};

    #[test]
    fn attributes_have_flags() {
        let asked = attr::RDONLY | attr::NOEXEC | attr::NOATIME;
        let flags = libc::MS_RDONLY | libc::MS_NOEXEC | libc::MS_NOATIME;
        assert_eq!(mount_flags(asked), flags);
        assert_eq!(mount_flags(attr::STRICTATIME), libc::MS_STRICTATIME);
        assert_eq!(mount_flags(0), 0);
    }

    #[test]
    fn the_next_choice_is_for_what_is_locked_alone() {
        let choice = |set| MountAttr {
            set,
            ..MountAttr::default()
        };
        let choices = [choice(1), choice(2)];
        let refusing = |errno| move |it: &MountAttr| if it.set == 1 { Err(errno) } else { Ok(()) };
        assert_eq!(set_allowed(&choices, refusing(Errno::EPERM)), Ok(()));
        assert_eq!(
            set_allowed(&choices, refusing(Errno::EINVAL)),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            set_allowed(&choices, |_| Err(Errno::EPERM)),
            Err(Errno::EPERM)
        );
        assert_eq!(set_allowed(&[], |_| Err(Errno::EPERM)), Ok(()));
    }
}
