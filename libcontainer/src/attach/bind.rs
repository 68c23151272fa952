//! Binds: a detached copy of the source, given its attributes, then moved.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};

use super::attributes::{remount, set_allowed};
use super::is_missing;
use super::place::{by_number, in_place};
use crate::sys::mount::{MountAttr, mount_setattr, move_mount, open_tree_clone};
use crate::sys::open::openat;
use crate::sys::{Errno, Result};

/// What is to be bound.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// A detached copy of it; without open_tree(2), the file itself.
    fd: OwnedFd,
    detached: bool,
    recursive: bool,
    /// Where it is found; nowhere for a copy made in another mount namespace.
    place: Option<(BorrowedFd<'a>, CString)>,
}

impl<'a> Source<'a> {
    /// Opens the file at `path` (with an empty path: `dir` itself).
    pub(crate) fn open(dir: BorrowedFd<'a>, path: &CStr, recursive: bool) -> Result<Self> {
        let (fd, detached) = match open_tree_clone(dir, path, recursive) {
            Ok(tree) => (tree, true),
            Err(errno) if is_missing(errno) => (file(dir, path)?, false),
            Err(errno) => return Err(errno),
        };
        Ok(Self {
            fd,
            detached,
            recursive,
            place: Some((dir, path.to_owned())),
        })
    }

    /// A detached copy that came from another mount namespace.
    pub(crate) fn foreign(tree: OwnedFd) -> Self {
        Self {
            fd: tree,
            detached: true,
            recursive: true,
            place: None,
        }
    }

    /// The detached copy by itself: what is changed in it would be lost on a bind
    /// by mount(2).
    pub(crate) fn into_tree(self) -> Result<OwnedFd> {
        if self.detached {
            Ok(self.fd)
        } else {
            Err(Errno::ENOSYS)
        }
    }

    /// Binds it onto `target`, with the first of the attributes that no user
    /// namespace refuses, and gives the root of the mount.
    pub(crate) fn attach(
        self,
        target: BorrowedFd<'_>,
        attributes: &[MountAttr],
    ) -> Result<OwnedFd> {
        if !self.detached {
            return self.by_mount(target, attributes);
        }
        let tree = self.fd.as_fd();
        // A remount takes a mount in its place.
        let late = match set_allowed(attributes, |it| mount_setattr(tree, false, it)) {
            Err(Errno::ENOSYS) => true,
            done => {
                done?;
                false
            }
        };
        match move_mount(tree, target) {
            Err(errno) if is_missing(errno) && self.place.is_some() => {
                return self.by_mount(target, attributes);
            }
            done => done?,
        }
        if late {
            let name = by_number(tree);
            set_allowed(attributes, |it| remount(tree, &name, it))?;
        }
        Ok(self.fd)
    }

    fn by_mount(self, target: BorrowedFd<'_>, attributes: &[MountAttr]) -> Result<OwnedFd> {
        // mount(2) binds nothing detached: the file is looked up once more, and
        // must be the same.
        let source = match &self.place {
            Some((dir, path)) if self.detached => file(*dir, path)?,
            _ => self.fd.try_clone().map_err(|_| Errno::EMFILE)?,
        };
        same(source.as_fd(), self.fd.as_fd())?;
        let recursive = if self.recursive { libc::MS_REC } else { 0 };
        let name = by_number(source.as_fd());
        let made = in_place(target, &name, None, libc::MS_BIND | recursive, None)?;
        same(source.as_fd(), made.as_fd())?;
        let name = by_number(made.as_fd());
        set_allowed(attributes, |it| {
            super::attributes::set_attributes_by(made.as_fd(), &name, it)
        })?;
        Ok(made)
    }
}

impl AsFd for Source<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn file(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    if path.is_empty() {
        return dir.try_clone_to_owned().map_err(|_| Errno::EMFILE);
    }
    openat(dir, path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

fn same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<()> {
    let (one, other) = (fstat(one)?, fstat(other)?);
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino) {
        Ok(())
    } else {
        Err(Errno::ESTALE)
    }
}
