//! A directory taken as the root of every path resolved through it.

use std::cell::OnceCell;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};

use super::walk;
use crate::sys::mount::mount_id;
use crate::sys::open::openat;
use crate::sys::openat2::{Resolve, openat2};
use crate::sys::{Errno, Result};

/// The root of a container's files, as a descriptor.
///
/// Absolute paths, absolute links and `..` are taken relative to it and never
/// leave it; links of procfs that jump elsewhere are refused. What is found is
/// given as an `O_PATH` descriptor, and the caller goes on with that descriptor
/// alone: a second look at the name could find something else.
#[derive(Debug)]
pub(crate) struct RootFd {
    fd: OwnedFd,
    /// Its device and inode, once they were asked for.
    identity: OnceCell<(libc::dev_t, libc::ino_t)>,
}

/// What [`RootFd::ensure`] makes where nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Directory,
    /// A regular file, in directories that are made too.
    File,
}

impl RootFd {
    /// Takes an open directory as the root.
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            identity: OnceCell::new(),
        }
    }

    /// Whether a descriptor with this status is the root itself, whatever path
    /// led to it: the same directory of the same mount.
    pub(crate) fn is(&self, fd: BorrowedFd<'_>, stat: &FileStat) -> Result<bool> {
        let identity = if let Some(identity) = self.identity.get() {
            *identity
        } else {
            let own = fstat(&self.fd)?;
            *self.identity.get_or_init(|| (own.st_dev, own.st_ino))
        };
        if identity != (stat.st_dev, stat.st_ino) {
            return Ok(false);
        }
        Ok(mount_id(self.fd.as_fd())? == mount_id(fd)?)
    }

    /// What is at the path, following links within the root.
    pub(crate) fn resolve(&self, path: &Path) -> Result<OwnedFd> {
        self.open(path, libc::O_PATH)
    }

    /// The same with the open flags given.
    ///
    /// A FIFO or a device would block or act on being opened: callers that read
    /// pass `O_NONBLOCK` and check what they got.
    pub(crate) fn open(&self, path: &Path, flags: libc::c_int) -> Result<OwnedFd> {
        let path = relative(path)?;
        match openat2(self.fd.as_fd(), &path, flags, 0, Resolve::IN_ROOT) {
            // A kernel before 5.6, or a sandbox that does not know the call.
            Err(Errno::ENOSYS | Errno::EPERM) => walk::open(self.fd.as_fd(), &path, flags),
            opened => opened,
        }
    }

    /// What is at the path when no component of it is a link; ELOOP otherwise.
    pub(crate) fn resolve_without_links(&self, path: &Path) -> Result<OwnedFd> {
        let path = relative(path)?;
        match openat2(
            self.fd.as_fd(),
            &path,
            libc::O_PATH,
            0,
            Resolve::BENEATH_NO_LINKS,
        ) {
            Err(Errno::ENOSYS | Errno::EPERM) => walk::open_without_links(self.fd.as_fd(), &path),
            opened => opened,
        }
    }

    /// What is at the path, made with its missing parents when nothing is:
    /// directories 0755, files 0644. A link to nothing is followed, and what it
    /// names is made.
    pub(crate) fn ensure(&self, path: &Path, missing: Missing) -> Result<OwnedFd> {
        match self.resolve(path) {
            Err(Errno::ENOENT) => self.make(path, missing),
            found => found,
        }
    }

    /// The same for a path that was just found to be missing.
    pub(crate) fn make(&self, path: &Path, missing: Missing) -> Result<OwnedFd> {
        // Most often only the last component is, in a file system that we made.
        if missing == Missing::Directory
            && let (Some(parent), Some(name)) = (path.parent(), path.file_name())
        {
            let name = CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?;
            let made = if parent == Path::new("/") {
                make_in(self.fd.as_fd(), &name)
            } else {
                self.resolve(parent)
                    .and_then(|parent| make_in(parent.as_fd(), &name))
            };
            if made.is_ok() {
                return made;
            }
        }
        walk::ensure(self.fd.as_fd(), &relative(path)?, missing)
    }

    /// The directory that holds the last component, made when missing, and that
    /// component's name; for what is made by name (nodes, links). The name is
    /// never a link that is followed.
    pub(crate) fn parent(&self, path: &Path) -> Result<(OwnedFd, CString)> {
        let name = path.file_name().ok_or(Errno::EINVAL)?;
        let name = CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?;
        let parent = path.parent().unwrap_or_else(|| Path::new("/"));
        Ok((self.ensure(parent, Missing::Directory)?, name))
    }
}

impl AsFd for RootFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes a directory that is not there yet, and opens it.
fn make_in(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    mkdirat(parent, name, DIRECTORY_MODE)?;
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Whether a descriptor is a directory.
pub(crate) fn is_directory(fd: BorrowedFd<'_>) -> Result<bool> {
    Ok(is_directory_by(&fstat(fd)?))
}

/// The same by a status that is known.
pub(crate) fn is_directory_by(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

/// A path as the kernel takes it; EINVAL when it holds a NUL.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// The path without its leading slashes, `.` when nothing is left: openat2 with
/// RESOLVE_IN_ROOT would take both, the walk wants one form.
fn relative(path: &Path) -> Result<CString> {
    let bytes = path.as_os_str().as_bytes();
    let start = bytes.iter().position(|&byte| byte != b'/');
    match start.and_then(|start| bytes.get(start..)) {
        None => Ok(c".".to_owned()),
        Some(rest) => CString::new(rest).map_err(|_| Errno::EINVAL),
    }
}

/// The mode bits with which missing directories are made.
pub(super) const DIRECTORY_MODE: Mode = Mode::S_IRWXU
    .union(Mode::S_IRGRP)
    .union(Mode::S_IXGRP)
    .union(Mode::S_IROTH)
    .union(Mode::S_IXOTH);

/// The components of a path, without empty ones and `.`.
pub(super) fn components(path: &CStr) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.to_bytes()
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Missing, RootFd, walk};
    use crate::sys::Errno;
    use std::ffi::CString;
    use std::fs;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::Path;

    /// A root directory beside which lies what must not be reached.
    fn tree() -> (tempfile::TempDir, RootFd) {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "in").unwrap();
        fs::write(top.path().join("outside"), "out").unwrap();
        symlink("/a/file", root.join("absolute")).unwrap();
        symlink("../../../../a/file", root.join("upward")).unwrap();
        symlink("../outside", root.join("escape")).unwrap();
        symlink("loop2", root.join("loop1")).unwrap();
        symlink("loop1", root.join("loop2")).unwrap();
        symlink("/made/late", root.join("dangling")).unwrap();
        symlink("/a", root.join("dir")).unwrap();
        let fd = OwnedFd::from(fs::File::open(&root).unwrap());
        (top, RootFd::new(fd))
    }

    fn inode(fd: &OwnedFd) -> u64 {
        nix::sys::stat::fstat(fd.as_fd()).unwrap().st_ino
    }

    /// Each case through openat2 and through the walk: they must agree.
    fn both(root: &RootFd, path: &str) -> Result<u64, Errno> {
        let fast = root.resolve(Path::new(path)).map(|fd| inode(&fd));
        let text = CString::new(path.trim_start_matches('/')).unwrap();
        let slow = walk::open(root.as_fd(), &text, libc::O_PATH).map(|fd| inode(&fd));
        assert_eq!(fast, slow, "{path}");
        fast
    }

    #[test]
    fn the_root_is_known_by_any_path() {
        let (_top, root) = tree();
        let is = |path: &str| {
            let found = root.resolve(Path::new(path)).unwrap();
            let stat = nix::sys::stat::fstat(&found).unwrap();
            root.is(found.as_fd(), &stat).unwrap()
        };
        for path in ["/", "/a/..", "..", "dir/../../."] {
            assert!(is(path), "{path}");
        }
        assert!(!is("/a"));
        assert!(!is("/dir"));
    }

    #[test]
    fn links_stay_inside() {
        let (top, root) = tree();
        let inside = fs::metadata(top.path().join("root/a/file")).unwrap().ino();
        for path in [
            "a/file",
            "/a/file",
            "absolute",
            "upward",
            "dir/file",
            "a/b/../file",
            "../../a/file",
        ] {
            assert_eq!(both(&root, path), Ok(inside), "{path}");
        }
    }

    #[test]
    fn nothing_outside_is_found() {
        let (_top, root) = tree();
        assert_eq!(both(&root, "escape"), Err(Errno::ENOENT));
        assert_eq!(both(&root, "../outside"), Err(Errno::ENOENT));
        assert_eq!(both(&root, "loop1"), Err(Errno::ELOOP));
        assert_eq!(both(&root, "a/file/x"), Err(Errno::ENOTDIR));
        assert_eq!(both(&root, "missing"), Err(Errno::ENOENT));
    }

    #[test]
    fn what_is_missing_is_made_inside() {
        let (top, root) = tree();
        root.ensure(Path::new("/new/deep/dir"), Missing::Directory)
            .unwrap();
        assert!(top.path().join("root/new/deep/dir").is_dir());
        root.ensure(Path::new("/dangling"), Missing::File).unwrap();
        assert!(top.path().join("root/made/late").is_file());
        root.ensure(Path::new("/escape/x"), Missing::Directory)
            .unwrap();
        assert!(top.path().join("root/outside/x").is_dir());
        assert_eq!(
            fs::read_to_string(top.path().join("outside")).unwrap(),
            "out"
        );
    }

    #[test]
    fn a_loop_ends() {
        let (_top, root) = tree();
        let made = root.ensure(Path::new("/loop1/x"), Missing::Directory);
        assert_eq!(made.unwrap_err(), Errno::ELOOP);
    }

    #[test]
    fn the_parent_is_made_and_the_name_left_alone() {
        let (top, root) = tree();
        let (_dir, name) = root.parent(Path::new("/dev/sub/node")).unwrap();
        assert_eq!(name.to_bytes(), b"node");
        assert!(top.path().join("root/dev/sub").is_dir());
        assert!(root.parent(Path::new("/")).is_err());
    }
}
