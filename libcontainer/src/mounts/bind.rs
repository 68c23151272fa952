//! Binds: a detached copy of the source, given its attributes, then moved.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::fstat;
use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::apply::{Context, Made, Over, attached, by_number, check_cover, describe, error};
use super::filesystem::mount_flags;
use super::op::{Attributes, MountOp};
use crate::error::StepError;
use crate::path::{Missing, c_path, is_directory, is_directory_by};
use crate::sys::Errno;
use crate::sys::mount::{MountAttr, attr, mount, mount_setattr, move_mount, open_tree_clone};

/// What is cleared when a bind asks for any flag and does not name it.
const UNNAMED: u64 = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC | attr::NOSYMFOLLOW;

pub(super) fn apply(
    op: &MountOp,
    source: &Path,
    recursive: bool,
    context: &mut Context<'_>,
) -> Result<Made, StepError> {
    let path = c_path(source).map_err(|errno| error("mount", op, errno))?;
    let (tree, ours) = match open_tree_clone(AT_FDCWD, &path, recursive) {
        Ok(tree) => (tree, true),
        Err(Errno::ENOSYS) => return without_api(op, source, recursive, context),
        // Not reachable with the container's ids.
        Err(Errno::EACCES | Errno::EPERM | Errno::EINVAL) if context.user_namespace => {
            ((context.open_source)(source, recursive)?, false)
        }
        Err(errno) => return Err(error("mount", op, errno)),
    };
    let (target, over) = target(op, tree.as_fd(), context)?;
    let asked = wanted(op);
    if let Some(asked) = asked {
        // A copy from outside our mount namespace carries no locks: nothing is
        // cleared then that nobody asked for.
        let attributes = if ours { asked } else { named(op) };
        match set_attributes(tree.as_fd(), &attributes) {
            // Some of the flags are locked by the user namespace: those that
            // nobody asked to clear stay.
            Err(Errno::EPERM) => set_attributes(tree.as_fd(), &named(op)),
            done => done,
        }
        .map_err(|errno| error("mount", op, errno))?;
    }
    move_mount(tree.as_fd(), target.as_fd()).map_err(|errno| error("mount", op, errno))?;
    Ok(Made { root: tree, over })
}

/// The attributes of a bind for which flags were given: those named are set, all
/// others cleared.
fn wanted(op: &MountOp) -> Option<MountAttr> {
    (!op.attributes.is_empty()).then(|| {
        let named = named(op);
        MountAttr {
            clear: UNNAMED & !named.set | named.clear,
            ..named
        }
    })
}

/// Only what was named, and what no user namespace locks.
fn named(op: &MountOp) -> MountAttr {
    let Attributes { set, clear } = with_access_time(op.attributes);
    MountAttr {
        set,
        clear: clear | attr::NOSYMFOLLOW & !set,
        ..MountAttr::default()
    }
}

/// The access time settings are changed all together by one that is set, relatime
/// being the one where none is; to clear one alone changes nothing. So a remount
/// by mount(2) has it.
fn with_access_time(asked: Attributes) -> Attributes {
    let Attributes { set, clear } = asked;
    let any = set & attr::NODIRATIME != 0 || clear & attr::ATIME != 0;
    let all = attr::ATIME | attr::NODIRATIME & !set;
    Attributes {
        set,
        clear: if any {
            clear | all
        } else {
            clear & !(attr::ATIME | attr::NODIRATIME)
        },
    }
}

/// The file or directory to mount on, made to match the source when missing.
fn target(
    op: &MountOp,
    source: BorrowedFd<'_>,
    context: &Context<'_>,
) -> Result<(OwnedFd, Over), StepError> {
    let directory = is_directory(source).map_err(|errno| error("look at", op, errno))?;
    let missing = if directory {
        Missing::Directory
    } else {
        Missing::File
    };
    let target = context
        .root
        .ensure(&op.destination, missing)
        .map_err(|errno| error("make the mount point of", op, errno))?;
    // Looked at first: a bind that fails has a mount to throw away, which can
    // take the kernel a millisecond.
    let stat = fstat(&target).map_err(|errno| error("look at", op, errno))?;
    if directory != is_directory_by(&stat) {
        return Err(error("mount", op, Errno::ENOTDIR));
    }
    let over = check_cover(op, context.root, target.as_fd(), Some(&stat))?;
    Ok((target, over))
}

/// Sets attributes of one mount; without mount_setattr(2), Linux 5.12, by a
/// remount that keeps the flags that are not touched.
pub(super) fn set_attributes(
    mount_root: BorrowedFd<'_>,
    attributes: &MountAttr,
) -> Result<(), Errno> {
    match mount_setattr(mount_root, false, attributes) {
        Err(Errno::ENOSYS) => {
            let flags = present(mount_root)? & !attributes.clear | attributes.set;
            let flags = mount_flags(flags) | libc::MS_BIND | libc::MS_REMOUNT;
            mount(None, &by_number(mount_root), None, flags, None)
        }
        done => done,
    }
}

/// The attributes that a mount has.
fn present(mount_root: BorrowedFd<'_>) -> Result<u64, Errno> {
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
    } else {
        0
    };
    Ok(FLAGS
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .fold(time, |attributes, (_, attribute)| attributes | attribute))
}

/// The bind by mount(2), for kernels without open_tree(2).
fn without_api(
    op: &MountOp,
    source: &Path,
    recursive: bool,
    context: &Context<'_>,
) -> Result<Made, StepError> {
    use crate::sys::open::open;
    use nix::fcntl::OFlag;
    use nix::sys::stat::Mode;
    let from = open(source, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| error("mount", op, errno))?;
    let (target, over) = target(op, from.as_fd(), context)?;
    let flags = libc::MS_BIND | if recursive { libc::MS_REC } else { 0 };
    mount(
        Some(&by_number(from.as_fd())),
        &by_number(target.as_fd()),
        None,
        flags,
        None,
    )
    .map_err(|errno| error("mount", op, errno))?;
    let made = attached(op, context.root, over)?;
    if let Some(asked) = wanted(op) {
        match set_attributes(made.as_fd(), &asked) {
            Err(Errno::EPERM) => set_attributes(made.as_fd(), &named(op)),
            done => done,
        }
        .map_err(|errno| error("mount", op, errno))?;
    }
    Ok(Made { root: made, over })
}

/// The host's sysfs, read-only with all below it.
pub(super) fn host_sysfs(op: &MountOp, target: BorrowedFd<'_>) -> Result<OwnedFd, StepError> {
    let refused = |errno| {
        error("mount", op, errno).with_detail(format!("the host's in place of {}", describe(op)))
    };
    let tree = open_tree_clone(AT_FDCWD, c"/sys", true).map_err(refused)?;
    let attributes = MountAttr {
        set: attr::RDONLY | op.attributes.set,
        ..MountAttr::default()
    };
    set_attributes(tree.as_fd(), &attributes).map_err(refused)?;
    move_mount(tree.as_fd(), target).map_err(refused)?;
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::{Attributes, attr, with_access_time};

    #[test]
    fn access_times_change_together() {
        let (no, strict, no_dir) = (attr::NOATIME, attr::STRICTATIME, attr::NODIRATIME);
        for (set, clear, cleared) in [
            // Nothing, and clearing alone.
            (0, 0, 0),
            (0, no_dir, 0),
            (attr::RDONLY, attr::NODEV | no_dir, attr::NODEV),
            // noatime; strictatime; relatime.
            (no, attr::ATIME, attr::ATIME | no_dir),
            (strict, attr::ATIME, attr::ATIME | no_dir),
            (0, attr::ATIME, attr::ATIME | no_dir),
            // nodiratime, alone and with another.
            (no_dir, 0, attr::ATIME),
            (no_dir | strict, attr::ATIME, attr::ATIME),
        ] {
            let asked = Attributes { set, clear };
            let expected = Attributes {
                set,
                clear: cleared,
            };
            assert_eq!(with_access_time(asked), expected, "{asked:?}");
        }
    }
}
