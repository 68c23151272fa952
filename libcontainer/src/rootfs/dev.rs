//! Device nodes and the usual links of `/dev`.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, makedev, mknodat};
use nix::unistd::{UnlinkatFlags, fchownat, symlinkat, unlinkat};

use crate::attach::{Source, by_number};
use crate::error::StepError;
use crate::path::{Missing, RootFd, c_path, is_directory};
use crate::plan::{DeviceKind, DeviceNode};
use crate::sys::Errno;
use crate::sys::mount::{MountAttr, attr};
use crate::sys::open::openat;

/// Links that programs expect (config-linux.md, "Default Devices" and the
/// runtime.md of the Linux runtime).
const LINKS: [(&CStr, &str); 4] = [
    (c"fd", "/proc/self/fd"),
    (c"stdin", "/proc/self/fd/0"),
    (c"stdout", "/proc/self/fd/1"),
    (c"stderr", "/proc/self/fd/2"),
];

/// How often a node is made where another process takes its name.
const TRIES: u32 = 128;

/// Makes the nodes and links. In a user namespace nodes cannot be made: the
/// host's are bound.
pub(crate) fn make_devices(
    root: &RootFd,
    nodes: &[DeviceNode],
    user_namespace: bool,
) -> Result<(), StepError> {
    let dev = root
        .ensure(Path::new("/dev"), Missing::Directory)
        .map_err(|errno| StepError::new("open", "/dev of the container", errno))?;
    for node in nodes {
        // Most lie in /dev itself, which is open already.
        let parent;
        let (here, name) = if node.path.parent() == Some(Path::new("/dev")) {
            let name = node.path.file_name().map_or(Path::new(""), Path::new);
            (
                dev.as_fd(),
                c_path(name).map_err(|errno| failed(node, errno))?,
            )
        } else {
            let (fd, name) = root
                .parent(&node.path)
                .map_err(|errno| failed(node, errno))?;
            parent = fd;
            (parent.as_fd(), name)
        };
        make(here, &name, node, user_namespace)?;
    }
    links(dev.as_fd())
}

fn failed(node: &DeviceNode, errno: Errno) -> StepError {
    StepError::new("make device", node.path.display().to_string(), errno)
}

fn make(
    parent: BorrowedFd<'_>,
    name: &CStr,
    node: &DeviceNode,
    user_namespace: bool,
) -> Result<(), StepError> {
    let here = |errno| failed(node, errno);
    if user_namespace {
        return bind(parent, name, node);
    }
    let (kind, number) = kernel_form(node.kind);
    let mode = Mode::from_bits_truncate(node.mode);
    // Others may write to the directory: what they put there meanwhile is looked at
    // anew, and whoever goes on with it ends this with an error.
    for _ in 0..TRIES {
        match mknodat(parent, name, kind, mode, number) {
            // Root's, with its mode exact, since no mask is in force.
            Ok(()) if (node.uid, node.gid) == (0, 0) => return Ok(()),
            Ok(()) | Err(Errno::EEXIST) => {}
            // Not ours to make here (a container within a container).
            Err(Errno::EPERM) => return bind(parent, name, node),
            Err(errno) => return Err(here(errno)),
        }
        let look = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let found = match openat(parent, name, look, Mode::empty()) {
            Err(Errno::ENOENT) => continue,
            found => found.map_err(here)?,
        };
        if verify(found.as_fd(), kind, number).is_ok() {
            return own(found.as_fd(), node);
        }
        // What poses as the device is put away; a directory is somebody's data.
        if is_directory(found.as_fd()).map_err(here)? {
            return Err(StepError::refused(
                "make device",
                node.path.display().to_string(),
                "there is a directory",
            ));
        }
        match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(here(errno)),
        }
    }
    Err(here(Errno::EBUSY))
}

fn kernel_form(kind: DeviceKind) -> (SFlag, libc::dev_t) {
    match kind {
        DeviceKind::Char { major, minor } => (SFlag::S_IFCHR, makedev(major.into(), minor.into())),
        DeviceKind::Block { major, minor } => (SFlag::S_IFBLK, makedev(major.into(), minor.into())),
        DeviceKind::Fifo => (SFlag::S_IFIFO, 0),
    }
}

/// Owner and mode, exact: the node may have been there, and a change of owner
/// takes set-id bits away. By a descriptor of what is the device: in a directory that
/// others write to, its name may be a link by now.
fn own(file: BorrowedFd<'_>, node: &DeviceNode) -> Result<(), StepError> {
    let here = |errno| failed(node, errno);
    let found = fstat(file).map_err(here)?;
    if (found.st_uid, found.st_gid) != (node.uid, node.gid) {
        fchownat(
            file,
            c"",
            Some(node.uid.into()),
            Some(node.gid.into()),
            AtFlags::AT_EMPTY_PATH,
        )
        .map_err(here)?;
    }
    if found.st_mode & 0o7777 != node.mode {
        // fchmod(2) takes no such descriptor; its number in procfs is it.
        let mode = Mode::from_bits_truncate(node.mode);
        let itself = by_number(file);
        fchmodat(
            AT_FDCWD,
            itself.as_c_str(),
            mode,
            FchmodatFlags::FollowSymlink,
        )
        .map_err(here)?;
    }
    Ok(())
}

/// Binds the host's node onto a file of that name.
fn bind(parent: BorrowedFd<'_>, name: &CStr, node: &DeviceNode) -> Result<(), StepError> {
    let here = |errno| failed(node, errno);
    let (kind, number) = kernel_form(node.kind);
    if kind == SFlag::S_IFIFO {
        let mode = Mode::from_bits_truncate(node.mode);
        return match mknodat(parent, name, kind, mode, 0) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(here(errno)),
        };
    }
    let path = c_path(&node.path).map_err(here)?;
    let source = Source::open(AT_FDCWD, &path, false).map_err(here)?;
    verify(source.as_fd(), kind, number)
        .map_err(|errno| here(errno).with_detail("the host has another file of that name"))?;
    let attributes = MountAttr {
        set: attr::NOSUID | attr::NOEXEC,
        ..MountAttr::default()
    };
    let target = place(parent, name).map_err(here)?;
    let bound = source.attach(target.as_fd(), &[attributes]);
    bound.map(drop).map_err(here)
}

/// A file to bind onto: the one that is there, or a new one. A link is neither.
pub(super) fn place(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let look = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let make = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    match openat(parent, name, make, Mode::from_bits_truncate(0o644)) {
        Ok(_) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    let found = openat(parent, name, look, Mode::empty())?;
    let kind = SFlag::from_bits_truncate(fstat(&found)?.st_mode) & SFlag::S_IFMT;
    match kind {
        SFlag::S_IFLNK => {
            unlinkat(parent, name, UnlinkatFlags::NoRemoveDir)?;
            openat(parent, name, make, Mode::from_bits_truncate(0o644))?;
            openat(parent, name, look, Mode::empty())
        }
        SFlag::S_IFDIR => Err(Errno::EISDIR),
        _ => Ok(found),
    }
}

/// A device is what its type and its number say together: the number alone is 0
/// for a plain file and a pipe alike.
pub(super) fn verify(fd: BorrowedFd<'_>, kind: SFlag, number: libc::dev_t) -> Result<(), Errno> {
    let stat = fstat(fd)?;
    let found = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if found == kind && (stat.st_rdev == number || kind == SFlag::S_IFIFO) {
        Ok(())
    } else {
        Err(Errno::ENXIO)
    }
}

fn links(dev: BorrowedFd<'_>) -> Result<(), StepError> {
    for (name, target) in LINKS {
        link(dev, name, target)?;
    }
    if Path::new("/proc/kcore").exists() {
        link(dev, c"core", "/proc/kcore")?;
    }
    // The container's own terminals, whatever the image has there.
    let failed = |errno| StepError::new("link", "/dev/ptmx", errno);
    match symlinkat("pts/ptmx", dev, c"ptmx") {
        Err(Errno::EEXIST) => {
            if readlinkat(dev, c"ptmx").is_ok_and(|text| text == "pts/ptmx") {
                return Ok(());
            }
            unlinkat(dev, c"ptmx", UnlinkatFlags::NoRemoveDir).map_err(failed)?;
            symlinkat("pts/ptmx", dev, c"ptmx").map_err(failed)
        }
        done => done.map_err(failed),
    }
}

/// A link that the image already has is left as it is.
fn link(dev: BorrowedFd<'_>, name: &CStr, target: &str) -> Result<(), StepError> {
    match symlinkat(target, dev, name) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(StepError::new(
            "link",
            format!("/dev/{}", name.to_string_lossy()),
            errno,
        )),
    }
}
