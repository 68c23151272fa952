//! File systems of the kernel, made for the container.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, fstat};

use super::apply::{Context, Made, check_cover, describe, error};
use super::op::{MountKind, MountOp, Parameter, TmpfsMode};
use super::{bind, copy_up};
use crate::attach::{FileSystem, Refused};
use crate::error::StepError;
use crate::path::{Missing, RootFd, is_directory_by};
use crate::sys::Errno;
use crate::sys::fd::leave_to_sweep;
use crate::sys::open::openat;
use crate::sys::xattr::set_attribute;

pub(super) fn apply(op: &MountOp, context: &Context<'_>) -> Result<Made, StepError> {
    let MountKind::Filesystem {
        fs_type,
        source,
        parameters,
        root_label,
        mode,
        copy_up,
        plain_directory,
    } = &op.kind
    else {
        return Err(error("mount", op, Errno::EINVAL));
    };
    let target = target(op, context.root, *plain_directory)?;
    let over = check_cover(
        op,
        context.root,
        target.fd.as_fd(),
        target.was_there.as_ref(),
    )?;
    let mut parameters = parameters.clone();
    if let (TmpfsMode::OfDirectory, Some(stat)) = (mode, &target.was_there) {
        let mode = stat.st_mode & 0o7777;
        parameters.push(Parameter {
            key: "mode".to_owned(),
            value: Some(format!("{mode:o}")),
        });
    }
    let text = |text: &str| CString::new(text).map_err(|_| error("mount", op, Errno::EINVAL));
    let new = FileSystem {
        fs_type: &text(fs_type)?,
        source: &text(source)?,
        parameters: &parameters,
        attributes: op.attributes.set,
    };
    // The network namespace of a sysfs must belong to our user namespace; where it
    // does not, the host's is shown read-only.
    let foreign_sysfs = fs_type == "sysfs" && context.user_namespace;
    let host_sysfs = || {
        let root = bind::host_sysfs(op, target.fd.as_fd())?;
        Ok(Made { root, over })
    };
    match new.attach(target.fd.as_fd()) {
        Ok(root) => {
            if *copy_up {
                // The directory is open still, below what covers it now.
                copy_up::copy(target.fd.as_fd(), root.as_fd())
                    .map_err(|failed| failed.with_detail(describe(op)))?;
            }
            if let Some(label) = root_label {
                set_label(root.as_fd(), label)
                    .map_err(|errno| error("label", op, errno).with_detail(label.clone()))?;
            }
            leave_to_sweep(target.fd);
            Ok(Made { root, over })
        }
        Err(refused) if refused.errno == Errno::EPERM && foreign_sysfs => host_sysfs(),
        Err(refused) => Err(refusal(op, refused)),
    }
}

/// The failure of a file system, in its own words where it has any.
pub(super) fn refusal(op: &MountOp, refused: Refused) -> StepError {
    let failed = error("mount", op, refused.errno);
    if refused.said.is_empty() {
        failed
    } else {
        failed.with_detail(refused.said)
    }
}

/// Labels a directory for `SELinux`, which takes a descriptor that can read it.
fn set_label(root: BorrowedFd<'_>, label: &str) -> Result<(), Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = openat(root, c".", flags, Mode::empty())?;
    set_attribute(root.as_fd(), c"security.selinux", label.as_bytes())
}

struct Target {
    fd: OwnedFd,
    /// Its status; none when it was made.
    was_there: Option<FileStat>,
}

/// The directory to mount on, made when missing.
fn target(op: &MountOp, root: &RootFd, plain: bool) -> Result<Target, StepError> {
    let ordinary = || {
        StepError::refused(
            "mount",
            describe(op),
            format!(
                "filesystem {:?} must be mounted on ordinary directory",
                op.destination.to_string_lossy()
            ),
        )
    };
    let found = if plain {
        root.resolve_without_links(&op.destination)
    } else {
        root.resolve(&op.destination)
    };
    let (fd, was_there) = match found {
        Ok(fd) => (fd, true),
        Err(Errno::ENOENT) => {
            let made = root.make(&op.destination, Missing::Directory);
            let fd = made.map_err(|errno| error("make the mount point of", op, errno))?;
            (fd, false)
        }
        Err(Errno::ELOOP | Errno::ENOTDIR) if plain => return Err(ordinary()),
        Err(errno) => return Err(error("find the mount point of", op, errno)),
    };
    let was_there = if was_there {
        Some(fstat(&fd).map_err(|errno| error("look at", op, errno))?)
    } else {
        None
    };
    if plain
        && was_there
            .as_ref()
            .is_some_and(|stat| !is_directory_by(stat))
    {
        return Err(ordinary());
    }
    Ok(Target { fd, was_there })
}

/// A directory made in a file system of ours, by its name there.
pub(super) fn make_directory(parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    use nix::sys::stat::{Mode, mkdirat};
    let mode = Mode::from_bits_truncate(0o755);
    mkdirat(parent, Path::new(name), mode)
}
