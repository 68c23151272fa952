//! The root file system as CRIU wants it: a mount point of its own, and in it a
//! mount point for each mount of the images.
//!
//! All of this is done in a mount namespace of a thread of ours, which CRIU is
//! started in: the host sees none of it, and nothing is left whatever happens.

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, OFlag, readlink};
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::mkdir;

use crate::attach::Source;
use crate::error::StepError;
use crate::path::{Missing, RootFd, c_path, is_directory};
use crate::sys::mount::mount;
use crate::sys::open::open;
use crate::sys::{Errno, Result as Done};

/// A mount of the container, as far as its mount point goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) destination: PathBuf,
    pub(crate) kind: PlaceKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlaceKind {
    /// Something of the host.
    Bind {
        source: PathBuf,
        /// With the mounts below it.
        recursive: bool,
    },
    /// A file system whose files are there once it is mounted: they come from the
    /// images or from the kernel.
    Filled,
    /// Another file system.
    Other,
}

/// Moves this thread to a mount namespace of its own, where it may mount what it
/// likes, and makes `rootfs` a mount point there, whose path is given. It lies in a
/// file system over `directory`, which nobody needs meanwhile: nothing may cover
/// the mount that holds CRIU's root.
pub(crate) fn isolate(rootfs: &Path, directory: &Path) -> Result<PathBuf, StepError> {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)
        .map_err(|errno| StepError::new("make", "a mount namespace for criu", errno))?;
    mount(None, c"/", None, libc::MS_SLAVE | libc::MS_REC, None)
        .map_err(|errno| StepError::new("set the propagation of", "/", errno))?;
    let failed = |errno| StepError::new("mount rootfs", rootfs.display().to_string(), errno);
    let source = c_path(rootfs).map_err(failed)?;
    let cover = c_path(directory).map_err(failed)?;
    mount(Some(c"criu"), &cover, Some(c"tmpfs"), 0, Some(c"mode=711")).map_err(failed)?;
    let point = directory.join("criu-root");
    let target = c_path(&point).map_err(failed)?;
    mkdir(&point, Mode::S_IRWXU).map_err(failed)?;
    let flags = libc::MS_BIND | libc::MS_REC;
    mount(Some(&source), &target, None, flags, None).map_err(failed)?;
    Ok(point)
}

/// Makes the mount points that are missing, and gives for each bind its mount
/// point as the images name it, links resolved, and its source.
pub(crate) fn make(point: &Path, places: &[Place]) -> Result<Vec<(String, String)>, StepError> {
    let failed = |errno| StepError::new("open rootfs", point.display().to_string(), errno);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = RootFd::new(open(point, flags, Mode::empty()).map_err(failed)?);
    let mut made = Made {
        root,
        point,
        filled: Vec::new(),
        binds: Vec::new(),
        mounted: Vec::new(),
    };
    for place in places {
        made.add(place).map_err(|errno| {
            let object = place.destination.display().to_string();
            StepError::new("make the mount point", object, errno)
        })?;
    }
    Ok(std::mem::take(&mut made.binds))
}

struct Made<'a> {
    root: RootFd,
    point: &'a Path,
    /// File systems that bring their files: as asked for, and resolved.
    filled: Vec<(PathBuf, PathBuf)>,
    binds: Vec<(String, String)>,
    /// Binds that stand until all mount points are made: one may lie in another.
    mounted: Vec<std::os::fd::OwnedFd>,
}

impl Made<'_> {
    fn add(&mut self, place: &Place) -> Done<()> {
        if let Some(path) = self.within_filled(&place.destination) {
            return self.record(place, path);
        }
        match &place.kind {
            PlaceKind::Bind { source, recursive } => {
                let tree = Source::open(AT_FDCWD, &c_path(source)?, *recursive)?;
                let missing = if is_directory(tree.as_fd())? {
                    Missing::Directory
                } else {
                    Missing::File
                };
                let target = self.root.ensure(&place.destination, missing)?;
                let path = self.path_of(target.as_fd())?;
                self.mounted.push(tree.attach(target.as_fd(), &[])?);
                self.record(place, path)
            }
            PlaceKind::Filled | PlaceKind::Other => {
                let target = self.root.ensure(&place.destination, Missing::Directory)?;
                let path = self.path_of(target.as_fd())?;
                self.record(place, path)
            }
        }
    }

    /// The path in the container of what lies in a file system that is not there
    /// yet.
    fn within_filled(&self, destination: &Path) -> Option<PathBuf> {
        self.filled.iter().rev().find_map(|(asked, resolved)| {
            let rest = destination.strip_prefix(asked).ok()?;
            (!rest.as_os_str().is_empty()).then(|| resolved.join(rest))
        })
    }

    fn record(&mut self, place: &Place, path: PathBuf) -> Done<()> {
        match &place.kind {
            PlaceKind::Bind { source, .. } => {
                // CRIU compares it with the host's mounts.
                let source = source.canonicalize().map_err(|_| Errno::ENOENT)?;
                self.binds.push((text(&path)?, text(&source)?));
            }
            PlaceKind::Filled => self.filled.push((place.destination.clone(), path)),
            PlaceKind::Other => {}
        }
        Ok(())
    }

    fn path_of(&self, fd: std::os::fd::BorrowedFd<'_>) -> Done<PathBuf> {
        path_below(fd, self.point)
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        while let Some(mount) = self.mounted.pop() {
            let name = format!("/proc/self/fd/{}", mount.as_raw_fd());
            if let Err(errno) = umount2(name.as_str(), MntFlags::MNT_DETACH) {
                log::debug!("{}", StepError::new("unmount", name, errno));
            }
        }
    }
}

/// Where a descriptor lies, from a directory.
fn path_below(fd: std::os::fd::BorrowedFd<'_>, top: &Path) -> Done<PathBuf> {
    let link = readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()).as_str())?;
    let path = PathBuf::from(link);
    let inside = path.strip_prefix(top).map_err(|_| Errno::ESTALE)?;
    Ok(Path::new("/").join(inside))
}

/// A path as a message holds it.
fn text(path: &Path) -> Done<String> {
    path.to_str().map(str::to_owned).ok_or(Errno::EILSEQ)
}

/// Mount points as a running container has them, links resolved: the names that
/// the images will have. One that is not found is taken as it was asked for.
pub(crate) fn resolve_in(pid: i32, destinations: &[PathBuf]) -> Result<Vec<String>, StepError> {
    let top = format!("/proc/{pid}/root");
    let failed = |errno| StepError::new("look into", top.clone(), errno);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = RootFd::new(open(top.as_str(), flags, Mode::empty()).map_err(failed)?);
    let found = destinations.iter().map(|destination| {
        let resolved = root.resolve(destination).and_then(|fd| {
            // Its mount namespace has no other root than the container's.
            path_below(fd.as_fd(), Path::new("/"))
        });
        text(resolved.as_deref().unwrap_or(destination)).map_err(failed)
    });
    found.collect()
}

/// Those of the paths that are there and no directories, which are masked by a
/// mount of their own.
pub(crate) fn masked_files(pid: i32, masked: &[PathBuf]) -> Result<Vec<String>, StepError> {
    let top = format!("/proc/{pid}/root");
    let failed = |errno| StepError::new("look into", top.clone(), errno);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = RootFd::new(open(top.as_str(), flags, Mode::empty()).map_err(failed)?);
    let mut files = Vec::new();
    for path in masked {
        let fd = match root.resolve(path) {
            Ok(fd) => fd,
            Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
            Err(errno) => return Err(failed(errno)),
        };
        if !is_directory(fd.as_fd()).map_err(failed)? {
            let path = path_below(fd.as_fd(), Path::new("/")).map_err(failed)?;
            files.push(text(&path).map_err(failed)?);
        }
    }
    Ok(files)
}
