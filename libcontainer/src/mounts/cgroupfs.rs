//! The container's own view of the cgroup hierarchies.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::symlinkat;

use super::apply::{Context, Made, check_cover, error};
use super::bind::set_attributes;
use super::filesystem::{New, Refusal, make_directory};
use super::op::{CgroupMount, LegacyHierarchy, MountOp, Parameter};
use crate::error::StepError;
use crate::path::{Missing, c_path};
use crate::sys::Errno;
use crate::sys::mount::{MountAttr, attr, mount_setattr, move_mount, open_tree_clone};
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
    let made = match view {
        CgroupMount::Unified => new(op, c"cgroup2", &[]),
        CgroupMount::UnifiedBind { source } => {
            bound(source, op.attributes.set).map_err(|errno| error("mount", op, errno))
        }
        CgroupMount::Legacy { hierarchies, fresh } => {
            let root = legacy(op, target.as_fd(), hierarchies, *fresh)?;
            return Ok(Made { root, over });
        }
    }?;
    move_mount(made.as_fd(), target.as_fd()).map_err(|errno| error("mount", op, errno))?;
    Ok(Made { root: made, over })
}

fn new(
    op: &MountOp,
    fs_type: &std::ffi::CStr,
    parameters: &[Parameter],
) -> Result<OwnedFd, StepError> {
    let new = New {
        fs_type,
        source: c"cgroup",
        parameters,
        attributes: op.attributes.set,
    };
    new.detached().map_err(|refusal| match refusal {
        Refusal::NoApi => error("mount", op, Errno::ENOSYS),
        Refusal::Kernel(errno, said) => error("mount", op, errno).with_detail(said),
    })
}

fn bound(source: &Path, attributes: u64) -> Result<OwnedFd, Errno> {
    let tree = open_tree_clone(AT_FDCWD, &c_path(source)?, false)?;
    let attributes = MountAttr {
        set: attributes,
        ..MountAttr::default()
    };
    set_attributes(tree.as_fd(), &attributes)?;
    Ok(tree)
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
    let tmpfs = New {
        fs_type: c"tmpfs",
        source: c"cgroup",
        parameters: &[mode],
        attributes: op.attributes.set & !attr::RDONLY,
    };
    let top = tmpfs.detached().map_err(|refusal| match refusal {
        Refusal::NoApi => failed(Errno::ENOSYS),
        Refusal::Kernel(errno, said) => failed(errno).with_detail(said),
    })?;
    move_mount(top.as_fd(), target).map_err(failed)?;
    for hierarchy in hierarchies {
        make_directory(top.as_fd(), &hierarchy.name).map_err(failed)?;
        let made = match &hierarchy.options {
            Some(options) if fresh => {
                let parameters: Vec<Parameter> = options.split(',').map(parameter).collect();
                new(op, c"cgroup", &parameters)?
            }
            None if fresh => new(op, c"cgroup2", &[])?,
            _ => open_tree_clone(AT_FDCWD, &c_path(&hierarchy.source).map_err(failed)?, false)
                .map_err(|errno| {
                    failed(errno).with_detail(hierarchy.source.display().to_string())
                })?,
        };
        let place = openat(
            top.as_fd(),
            Path::new(&hierarchy.name),
            OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(failed)?;
        move_mount(made.as_fd(), place.as_fd()).map_err(failed)?;
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
        mount_setattr(top.as_fd(), true, &attributes).map_err(failed)?;
    }
    Ok(top)
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
