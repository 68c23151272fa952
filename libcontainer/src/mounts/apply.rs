//! Making one mount of the plan.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sys::stat::FileStat;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use super::op::{IdMapping, MountKind, MountOp};
use super::plan::may_cover;
use super::{bind, cgroupfs, filesystem};
use crate::attach::{set_attributes, set_propagation};
use crate::error::StepError;
use crate::path::RootFd;
use crate::sys::Errno;
use crate::sys::mount::{MountAttr, attr, mount_setattr};

/// What the runtime does for a mount, since it has the host's rights.
pub(crate) trait Outside {
    /// Opens the source of a bind that the container's own ids cannot reach: a
    /// detached copy.
    fn open_source(&mut self, path: &Path, recursive: bool) -> Result<OwnedFd, StepError>;

    /// Maps the ids of a detached copy of `path`.
    fn map_ids(
        &mut self,
        tree: BorrowedFd<'_>,
        path: &Path,
        asked: IdMapping,
    ) -> Result<(), StepError>;
}

/// Where the mounts go.
pub(crate) struct Context<'a> {
    /// The container's root; after a mount over it, that mount's.
    pub(crate) root: &'a mut RootFd,
    /// Whether the container has a user namespace of its own.
    pub(crate) user_namespace: bool,
    /// Who does what we cannot.
    pub(crate) outside: &'a mut dyn Outside,
}

/// What came of a mount.
#[derive(Debug)]
pub(crate) enum Applied {
    /// It lies in the container's root; this is its own.
    Within(OwnedFd),
    /// It is the container's root now.
    Root,
}

/// Makes the mount.
pub(crate) fn apply(op: &MountOp, context: &mut Context<'_>) -> Result<Applied, StepError> {
    let made = match &op.kind {
        MountKind::Filesystem { .. } => filesystem::apply(op, context),
        MountKind::Bind {
            source,
            recursive,
            id_map,
        } => bind::apply(op, source, *recursive, *id_map, context),
        MountKind::Cgroup(view) => cgroupfs::apply(op, view, context),
        MountKind::Remount => remount(op, context.root).map(|root| Made {
            root,
            over: Over::Within,
        }),
    }?;
    finish(op, made.root.as_fd())?;
    if made.over == Over::Root {
        // What comes later would go below it, where nobody sees it.
        *context.root = RootFd::new(made.root);
        return Ok(Applied::Root);
    }
    Ok(Applied::Within(made.root))
}

/// A mount in its place.
pub(super) struct Made {
    /// Its root.
    pub(super) root: OwnedFd,
    pub(super) over: Over,
}

/// What a mount covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Something in the container's root.
    Within,
    /// The root itself.
    Root,
}

/// What comes after the mount is in its place: attributes of all below it, and
/// propagation, which a mount may take over from the place it is moved to.
fn finish(op: &MountOp, mount: BorrowedFd<'_>) -> Result<(), StepError> {
    if !op.recursive.is_empty() {
        let attributes = MountAttr {
            set: op.recursive.set,
            clear: op.recursive.clear,
            ..MountAttr::default()
        };
        mount_setattr(mount, true, &attributes).map_err(|errno| {
            let failed = error("set the recursive attributes of", op, errno);
            if errno == Errno::ENOSYS {
                // To do it mount by mount would miss what propagates meanwhile.
                failed.with_detail("mount_setattr(2) is missing: it needs Linux 5.12")
            } else {
                failed
            }
        })?;
    }
    propagate(op, mount)
}

/// Gives a mount the propagation that it was asked to have.
pub(crate) fn propagate(op: &MountOp, mount: BorrowedFd<'_>) -> Result<(), StepError> {
    for change in &op.propagation {
        set_propagation(mount, None, change.flag, change.recursive)
            .map_err(|errno| error("set the propagation of", op, errno))?;
    }
    Ok(())
}

/// Read-only at last: the mount that was made, by its own root. Its name may lead to
/// another by now.
pub(crate) fn close(op: &MountOp, mount: BorrowedFd<'_>) -> Result<(), StepError> {
    let attributes = MountAttr {
        set: attr::RDONLY,
        ..MountAttr::default()
    };
    set_attributes(mount, &attributes).map_err(|errno| error("make read-only", op, errno))
}

/// Changes the mount that is there already.
fn remount(op: &MountOp, root: &RootFd) -> Result<OwnedFd, StepError> {
    let mount = root
        .resolve(&op.destination)
        .map_err(|errno| error("find", op, errno))?;
    let attributes = MountAttr {
        set: op.attributes.set,
        clear: op.attributes.clear,
        ..MountAttr::default()
    };
    set_attributes(mount.as_fd(), &attributes).map_err(|errno| error("remount", op, errno))?;
    Ok(mount)
}

/// Refuses to cover what lies in a procfs, whatever way the destination led
/// there; says whether it led to the root itself. `was_there` is the status of
/// what was not made for the mount.
pub(super) fn check_cover(
    op: &MountOp,
    root: &RootFd,
    target: BorrowedFd<'_>,
    was_there: Option<&FileStat>,
) -> Result<Over, StepError> {
    let failed = |errno| error("look at", op, errno);
    let on_proc = fstatfs(target).map_err(failed)?.filesystem_type() == PROC_SUPER_MAGIC;
    if on_proc && op.destination != Path::new("/proc") && !may_cover(&op.destination) {
        return Err(StepError::refused(
            "mount",
            describe(op),
            "it leads into a procfs, which must not be covered",
        ));
    }
    match was_there {
        Some(stat) if root.is(target, stat).map_err(failed)? => Ok(Over::Root),
        _ => Ok(Over::Within),
    }
}

/// The failure of a mount.
pub(super) fn error(action: &'static str, op: &MountOp, errno: Errno) -> StepError {
    StepError::new(action, describe(op), errno)
}

/// How messages call a mount.
pub(super) fn describe(op: &MountOp) -> String {
    let destination = op.destination.display();
    match &op.kind {
        MountKind::Filesystem { fs_type, .. } => {
            format!("{fs_type} to rootfs at {destination} ({})", op.field)
        }
        MountKind::Bind { source, .. } => format!(
            "{} to rootfs at {destination} ({})",
            source.display(),
            op.field
        ),
        MountKind::Cgroup(_) => format!("cgroup to rootfs at {destination} ({})", op.field),
        MountKind::Remount => format!("{destination} ({})", op.field),
    }
}
