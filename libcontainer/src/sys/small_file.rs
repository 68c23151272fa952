//! Small files and folders of kernel file systems: read whole, written in one
//! call, made and removed by name.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::NixPath;
use nix::dir::{Dir, Type};
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::sys::statfs::{FsType, statfs};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, mkdir, unlinkat};

use super::Errno;
use super::openat2::{Resolve, openat2};
use crate::sys::open::{open, openat};

/// Calls again after a signal.
fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Opens an absolute path none of whose components may be a link.
///
/// Without openat2(2) (a filter of an outer container may hide it) only the
/// last component is held to that.
pub(crate) fn open_no_links(path: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
    let opened = path
        .with_nix_path(|path| openat2(AT_FDCWD, path, flags.bits(), 0, Resolve::NO_LINKS))
        .flatten();
    match opened {
        // EPERM: a sandbox that does not know the call; a refusal of the file
        // itself comes again.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            open(path, flags, Mode::empty())
        }
        opened => opened,
    }
}

/// Reads on; 0 is the end.
pub(crate) fn read_some(file: impl AsFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    again(|| nix::unistd::read(file.as_fd(), buffer))
}

/// Reads on to the end.
pub(crate) fn read_rest(file: impl AsFd) -> Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = read_some(&file, &mut buffer)?;
        all.extend_from_slice(buffer.get(..count).unwrap_or_default());
        // A seq_file hands out whole records up to a page, so a page that is not
        // half full was the last one: one call less for every small file.
        if count < buffer.len() / 2 {
            return Ok(all);
        }
    }
}

/// Reads a file of any kind, a pipe too, to its end; EFBIG when there are more bytes
/// than these.
pub(crate) fn read_at_most(file: impl AsFd, most: usize) -> Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match read_some(&file, &mut buffer)? {
            0 => return Ok(all),
            count => all.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
        if all.len() > most {
            return Err(Errno::EFBIG);
        }
    }
}

/// Reads a file on a disk to its end, at most so many bytes, in place of what `all`
/// held: a read that is short found the end there, which spares asking once more.
pub(crate) fn read_stored(file: impl AsFd, most: usize, all: &mut Vec<u8>) -> Result<(), Errno> {
    all.clear();
    let mut buffer = [0; 4096];
    while all.len() < most {
        let count = read_some(&file, &mut buffer)?;
        all.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if count < buffer.len() {
            break;
        }
    }
    Ok(())
}

/// Reads a file that the kernel makes in one piece.
pub(crate) fn read(path: &str) -> Result<Vec<u8>, Errno> {
    read_rest(open_to_read(path)?)
}

/// Opens a file to read.
pub(crate) fn open_to_read(path: &str) -> Result<OwnedFd, Errno> {
    open_no_links(path, OFlag::O_RDONLY)
}

/// Opens a file of the procfs that we were started with, whose `self` is a link.
pub(crate) fn open_proc(path: &str) -> Result<OwnedFd, Errno> {
    open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Reads a file of the procfs that we were started with.
pub(crate) fn read_proc(path: &str) -> Result<Vec<u8>, Errno> {
    read_rest(open_proc(path)?)
}

/// Opens a file to write to.
pub(crate) fn open_to_write(path: &str) -> Result<OwnedFd, Errno> {
    open_no_links(path, OFlag::O_WRONLY)
}

/// Opens a folder, as clone3(2) and bpf(2) want a cgroup.
pub(crate) fn open_folder(path: &str) -> Result<OwnedFd, Errno> {
    open_no_links(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
}

/// Writes a value in one call: the kernel's files take a value a call.
pub(crate) fn write_value(file: impl AsFd, value: &str) -> Result<(), Errno> {
    again(|| nix::unistd::write(file.as_fd(), value.as_bytes())).map(|_| ())
}

/// Opens a file and writes one value.
pub(crate) fn write(path: &str, value: &str) -> Result<(), Errno> {
    write_value(open_to_write(path)?, value)
}

/// Makes a folder, mode 0755 less the umask.
pub(crate) fn make_folder(path: &str) -> Result<(), Errno> {
    mkdir(path, Mode::from_bits_truncate(0o755))
}

/// Removes an empty folder by its path, without following its last component.
pub(crate) fn remove_folder(path: &str) -> Result<(), Errno> {
    unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir)
}

/// Removes an empty folder of `folder`.
pub(crate) fn remove_folder_at(folder: impl AsFd, name: &OsString) -> Result<(), Errno> {
    unlinkat(folder, name.as_os_str(), UnlinkatFlags::RemoveDir)
}

/// Opens a folder of `folder` unless it is a link.
pub(crate) fn open_folder_at(folder: impl AsFd, name: &OsString) -> Result<OwnedFd, Errno> {
    openat(
        folder,
        name.as_os_str(),
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

/// Opens a file of `folder` to read, unless it is a link.
pub(crate) fn open_file_at(folder: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    openat(
        folder,
        name,
        OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

/// Opens a file of `folder` and writes one value, unless it is a link.
pub(crate) fn write_at(folder: impl AsFd, name: &str, value: &str) -> Result<(), Errno> {
    let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    write_value(openat(folder, name, flags, Mode::empty())?, value)
}

/// The names of the folders in `folder`.
pub(crate) fn folders(folder: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(folder.try_clone().map_err(|_| Errno::last())?)?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if entry.file_type() == Some(Type::Directory) && name != b"." && name != b".." {
            names.push(std::ffi::OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Gives a file or folder to a user, without following a link.
pub(crate) fn give_to(path: &str, uid: u32, gid: Option<u32>) -> Result<(), Errno> {
    fchownat(
        AT_FDCWD,
        path,
        Some(Uid::from_raw(uid)),
        gid.map(Gid::from_raw),
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )
}

/// The type of the file system at a path.
pub(crate) fn file_system(path: &str) -> Result<FsType, Errno> {
    Ok(statfs(path)?.filesystem_type())
}

/// Waits until the kernel says that the file's content changed, at most so many
/// milliseconds.
pub(crate) fn wait_for_change(file: impl AsFd, milliseconds: u16) -> Result<(), Errno> {
    let mut polled = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
    match poll(&mut polled, PollTimeout::from(milliseconds)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

    use super::read as read_file;
    use super::*;

    #[test]
    fn a_link_anywhere_on_the_path_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/file"), "x").unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        let read = |path: &str| read_file(root.join(path).to_str().unwrap());
        assert_eq!(read("real/file").unwrap(), b"x");
        assert_eq!(read("link/file"), Err(Errno::ELOOP));
    }
}
