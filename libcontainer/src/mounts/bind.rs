//! Binds of what the host has.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::fstat;

use super::apply::{Context, Made, Over, check_cover, describe, error};
use super::op::{Attributes, IdMapping, MountOp};
use crate::attach::Source;
use crate::error::StepError;
use crate::path::{Missing, c_path, is_directory, is_directory_by};
use crate::sys::Errno;
use crate::sys::fd::leave_to_sweep;
use crate::sys::mount::{MountAttr, attr, mount_setattr};

/// What is cleared when a bind asks for any flag and does not name it.
const UNNAMED: u64 = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC | attr::NOSYMFOLLOW;

/// Why ids are not mapped where mount(2) is all there is.
const NEEDS_TREE: &str = "open_tree(2) is missing: it needs Linux 5.2";

pub(super) fn apply(
    op: &MountOp,
    source: &Path,
    recursive: bool,
    id_map: Option<IdMapping>,
    context: &mut Context<'_>,
) -> Result<Made, StepError> {
    let path = c_path(source).map_err(|errno| error("mount", op, errno))?;
    let (mut opened, ours) = open_source(op, source, &path, recursive, context)?;
    if let Some(asked) = id_map {
        let tree = opened
            .into_tree()
            .map_err(|errno| error("map the ids of", op, errno).with_detail(NEEDS_TREE))?;
        context.outside.map_ids(tree.as_fd(), source, asked)?;
        opened = Source::foreign(tree);
    }
    let source = opened;
    let (target, over) = target(op, source.as_fd(), context)?;
    // A copy from outside our mount namespace carries no locks: nothing is
    // cleared then that nobody asked for. Of ours, some flags may be locked by the
    // user namespace: those that nobody asked to clear stay.
    let attributes: &[MountAttr] = match wanted(op) {
        None => &[],
        Some(asked) if ours => &[asked, named(op)],
        Some(_) => &[named(op)],
    };
    let root = source
        .attach(target.as_fd(), attributes)
        .map_err(|errno| error("mount", op, errno))?;
    leave_to_sweep(target);
    Ok(Made { root, over })
}

/// The source, by our own means or the runtime's; and whether by ours.
fn open_source<'a>(
    op: &MountOp,
    source: &Path,
    path: &CStr,
    recursive: bool,
    context: &mut Context<'_>,
) -> Result<(Source<'a>, bool), StepError> {
    match Source::open(AT_FDCWD, path, recursive) {
        Ok(source) => Ok((source, true)),
        // Not reachable with the container's ids.
        Err(Errno::EACCES | Errno::EPERM | Errno::EINVAL) if context.user_namespace => {
            let tree = context.outside.open_source(source, recursive)?;
            Ok((Source::foreign(tree), false))
        }
        Err(errno) => Err(error("mount", op, errno)),
    }
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

/// The host's sysfs, read-only with all below it: where ids are mapped to themselves
/// the host's cgroups and its other file systems there would be writable.
pub(super) fn host_sysfs(op: &MountOp, target: BorrowedFd<'_>) -> Result<OwnedFd, StepError> {
    let refused = |errno| {
        error("mount", op, errno).with_detail(format!("the host's in place of {}", describe(op)))
    };
    let top = MountAttr {
        set: attr::RDONLY | op.attributes.set,
        ..MountAttr::default()
    };
    let below = MountAttr {
        set: attr::RDONLY | op.attributes.set & (attr::NOSUID | attr::NODEV | attr::NOEXEC),
        ..MountAttr::default()
    };
    let root = Source::open(AT_FDCWD, c"/sys", true)
        .and_then(|sys| sys.attach(target, &[top]))
        .map_err(refused)?;
    mount_setattr(root.as_fd(), true, &below).map_err(|errno| {
        let failed = refused(errno);
        if errno == Errno::ENOSYS {
            failed.with_detail("to close the host's takes mount_setattr(2): it needs Linux 5.12")
        } else {
            failed
        }
    })?;
    Ok(root)
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
