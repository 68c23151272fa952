//! The container's own view of the cgroup hierarchies.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::symlinkat;

use super::apply::{Context, Made, check_cover, error};
use super::filesystem::{make_directory, refusal};
use super::op::{CgroupMount, LegacyHierarchy, MountOp, Parameter};
use crate::attach::{FileSystem, Source, set_attributes};
use crate::error::StepError;
use crate::path::{Missing, c_path};
use crate::sys::Errno;
use crate::sys::fd::leave_to_sweep;
use crate::sys::mount::{MountAttr, attr, mount_setattr, move_mount_at};
use crate::sys::open::openat;

pub(super) fn apply(
    op: &MountOp,
    view: &CgroupMount,
    context: &Context<'_>,
) -> Result<Made, StepError> {
    let target = context
        .root
        .ensure(&op.destination, Missing::Directory)
        .map_err(|errno| error("make the mount point of", op, errno))?;
    let stat = fstat(&target).map_err(|errno| error("look at", op, errno))?;
    let over = check_cover(op, context.root, target.as_fd(), Some(&stat))?;
    let root = match view {
        CgroupMount::Unified { parameters } => new(op, c"cgroup2", parameters, target.as_fd()),
        CgroupMount::UnifiedBind { source } => {
            let attributes = MountAttr {
                set: op.attributes.set,
                ..MountAttr::default()
            };
            bound(source, target.as_fd(), &[attributes]).map_err(|errno| error("mount", op, errno))
        }
        CgroupMount::Legacy { hierarchies, fresh } => {
            legacy(op, target.as_fd(), hierarchies, *fresh)
        }
    }?;
    leave_to_sweep(target);
    Ok(Made { root, over })
}

fn new(
    op: &MountOp,
    fs_type: &CStr,
    parameters: &[Parameter],
    target: BorrowedFd<'_>,
) -> Result<OwnedFd, StepError> {
    let new = FileSystem {
        fs_type,
        source: c"cgroup",
        parameters,
        attributes: op.attributes.set,
    };
    new.attach(target).map_err(|refused| refusal(op, refused))
}

fn bound(
    source: &Path,
    target: BorrowedFd<'_>,
    attributes: &[MountAttr],
) -> Result<OwnedFd, Errno> {
    Source::open(AT_FDCWD, &c_path(source)?, false)?.attach(target, attributes)
}

/// A tmpfs that is ours alone until the container runs, hence names in it are
/// safe to use.
fn legacy(
    op: &MountOp,
    target: BorrowedFd<'_>,
    hierarchies: &[LegacyHierarchy],
    fresh: bool,
) -> Result<OwnedFd, StepError> {
    let failed = |errno| error("mount", op, errno);
    let mode = Parameter {
        key: "mode".to_owned(),
        value: Some("755".to_owned()),
    };
    let tmpfs = FileSystem {
        fs_type: c"tmpfs",
        source: c"cgroup",
        parameters: &[mode],
        attributes: op.attributes.set & !attr::RDONLY,
    };
    let top = tmpfs
        .attach(target)
        .map_err(|refused| refusal(op, refused))?;
    let mut below = Vec::with_capacity(hierarchies.len());
    for hierarchy in hierarchies {
        make_directory(top.as_fd(), &hierarchy.name).map_err(failed)?;
        below.push(match &hierarchy.options {
            Some(options) if fresh => {
                let place = place(top.as_fd(), &hierarchy.name).map_err(failed)?;
                let parameters: Vec<Parameter> = options.split(',').map(parameter).collect();
                new(op, c"cgroup", &parameters, place.as_fd())?
            }
            None if fresh => {
                let place = place(top.as_fd(), &hierarchy.name).map_err(failed)?;
                new(op, c"cgroup2", &[], place.as_fd())?
            }
            _ => bound_below(top.as_fd(), hierarchy).map_err(|errno| {
                failed(errno).with_detail(hierarchy.source.display().to_string())
            })?,
        });
        for link in &hierarchy.links {
            let name = CString::new(link.as_str()).map_err(|_| failed(Errno::EINVAL))?;
            symlinkat(Path::new(&hierarchy.name), top.as_fd(), name.as_c_str()).map_err(failed)?;
        }
    }
    // One call for the tmpfs and all hierarchies on it.
    let attributes = MountAttr {
        set: op.attributes.set,
        ..MountAttr::default()
    };
    if attributes.set != 0 {
        match mount_setattr(top.as_fd(), true, &attributes) {
            // Nothing lies there but what was just made.
            Err(Errno::ENOSYS) => below
                .iter()
                .chain([&top])
                .try_for_each(|mount| set_attributes(mount.as_fd(), &attributes)),
            done => done,
        }
        .map_err(failed)?;
    }
    below.into_iter().for_each(leave_to_sweep);
    Ok(top)
}

/// The container's cgroup in one hierarchy, bound where the tmpfs has its name; the
/// one of its creator where it has none.
fn bound_below(top: BorrowedFd<'_>, hierarchy: &LegacyHierarchy) -> Result<OwnedFd, Errno> {
    let bind = |source: &Path| {
        let name = c_path(Path::new(&hierarchy.name))?;
        let tree = Source::open(AT_FDCWD, &c_path(source)?, false)?.into_tree();
        let moved = tree.and_then(|tree| move_mount_at(tree.as_fd(), top, &name).map(|()| tree));
        match moved {
            Err(Errno::ENOSYS | Errno::EPERM) => {
                bound(source, place(top, &hierarchy.name)?.as_fd(), &[])
            }
            moved => moved,
        }
    };
    match (bind(&hierarchy.source), &hierarchy.otherwise) {
        (Err(Errno::ENOENT), Some(otherwise)) => bind(otherwise),
        (bound, _) => bound,
    }
}

/// A directory of the tmpfs.
fn place(top: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(top, Path::new(name), flags, Mode::empty())
}

fn parameter(text: &str) -> Parameter {
    match text.split_once('=') {
        Some((key, value)) => Parameter {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        },
        None => Parameter {
            key: text.to_owned(),
            value: None,
        },
    }
}
