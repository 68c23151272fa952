//! Paths that nobody inside may see, and paths that nobody inside may change.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, makedev};

use super::dev::verify;
use super::made::MadeMounts;
use crate::attach::{FileSystem, Parameter, Source};
use crate::error::StepError;
use crate::path::{RootFd, is_directory};
use crate::sys::Errno;
use crate::sys::fd::leave_to_sweep;
use crate::sys::mount::{MountAttr, attr};
use crate::sys::open::open;

/// Covers files with the host's `/dev/null`, never with the image's, and
/// directories with one read-only empty tmpfs that all of them share: hundreds
/// of superblocks are slow to make and to unmake. The label is that of the tmpfs,
/// for `SELinux`.
pub(crate) fn mask(
    root: &RootFd,
    made: &mut MadeMounts<'_>,
    paths: &[PathBuf],
    label: Option<&str>,
) -> Result<(), StepError> {
    let mut covers = Covers {
        label,
        null: None,
        empty: None,
    };
    for path in paths {
        let failed = |errno| failed("mask", path, errno);
        for target in made.find(root, path).map_err(failed)? {
            covers.put_on(&target, path)?;
            leave_to_sweep(target);
        }
    }
    Ok(())
}

/// What lies over masked paths, made when it is first needed.
struct Covers<'a> {
    label: Option<&'a str>,
    null: Option<OwnedFd>,
    empty: Option<OwnedFd>,
}

impl Covers<'_> {
    fn put_on(&mut self, target: &OwnedFd, path: &Path) -> Result<(), StepError> {
        let failed = |errno| failed("mask", path, errno);
        let source = if !is_directory(target.as_fd()).map_err(failed)? {
            match &self.null {
                Some(null) => null,
                None => self.null.insert(host_null()?),
            }
        } else if let Some(first) = &self.empty {
            first
        } else {
            self.empty = Some(empty_directory(target.as_fd(), self.label).map_err(failed)?);
            return Ok(());
        };
        bind(source.as_fd(), target, false, &[]).map_err(failed)
    }
}

/// Makes each path a mount of its own and closes it for writing; the flags it
/// has from the mount around it stay.
pub(crate) fn protect(
    root: &RootFd,
    made: &mut MadeMounts<'_>,
    paths: &[PathBuf],
) -> Result<(), StepError> {
    let read_only = MountAttr {
        set: attr::RDONLY,
        ..MountAttr::default()
    };
    for path in paths {
        let failed = |errno| failed("make read-only", path, errno);
        for target in made.find(root, path).map_err(failed)? {
            bind(target.as_fd(), &target, true, &[read_only]).map_err(failed)?;
            leave_to_sweep(target);
        }
    }
    Ok(())
}

fn bind(
    source: BorrowedFd<'_>,
    target: &OwnedFd,
    recursive: bool,
    attributes: &[MountAttr],
) -> Result<(), Errno> {
    let mount = Source::open(source, c"", recursive)?.attach(target.as_fd(), attributes)?;
    leave_to_sweep(mount);
    Ok(())
}

fn host_null() -> Result<OwnedFd, StepError> {
    let failed = |errno| StepError::new("open", "/dev/null of the host", errno);
    let null = open(
        "/dev/null",
        OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed)?;
    verify(null.as_fd(), SFlag::S_IFCHR, makedev(1, 3)).map_err(failed)?;
    Ok(null)
}

/// A read-only tmpfs that holds nothing. One block and one inode are all it may
/// ever take; kernels that refuse so little get none of these limits.
fn empty_directory(target: BorrowedFd<'_>, label: Option<&str>) -> Result<OwnedFd, Errno> {
    let parameter = |key: &str, value: &str| Parameter {
        key: key.to_owned(),
        value: Some(value.to_owned()),
    };
    let label: Vec<_> = label
        .map(|it| parameter("context", it))
        .into_iter()
        .collect();
    let mut limited = label.clone();
    limited.extend(["nr_blocks", "nr_inodes"].map(|key| parameter(key, "1")));
    match tmpfs(target, &limited) {
        Err(Errno::EINVAL | Errno::ENOSPC) => tmpfs(target, &label),
        made => made,
    }
}

fn tmpfs(target: BorrowedFd<'_>, parameters: &[Parameter]) -> Result<OwnedFd, Errno> {
    let tmpfs = FileSystem {
        fs_type: c"tmpfs",
        source: c"tmpfs",
        parameters,
        attributes: attr::RDONLY,
    };
    tmpfs.attach(target).map_err(|refused| refused.errno)
}

fn failed(action: &'static str, path: &Path, errno: Errno) -> StepError {
    StepError::new(action, path.display().to_string(), errno)
}
