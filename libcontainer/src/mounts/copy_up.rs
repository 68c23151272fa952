//! `tmpcopyup`: what a directory holds, copied into the tmpfs that covers it.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat, mknodat};
use nix::unistd::{fchownat, symlinkat};

use crate::error::StepError;
use crate::sys::Errno;
use crate::sys::open::openat;

/// Copies the content of `from` into `to`, with modes and owners.
pub(super) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), StepError> {
    let listing = openat(
        from,
        c".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| failed(c".", errno))?;
    let mut directory = Dir::from_fd(listing).map_err(|errno| failed(c".", errno))?;
    for entry in directory.iter() {
        let entry = entry.map_err(|errno| failed(c".", errno))?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            copy_entry(from, to, name)?;
        }
    }
    Ok(())
}

fn copy_entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<(), StepError> {
    let here = |errno| failed(name, errno);
    let stat = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(here)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    let mode = Mode::from_bits_truncate(stat.st_mode);
    match kind {
        SFlag::S_IFDIR => {
            mkdirat(to, name, Mode::S_IRWXU).map_err(here)?;
            let below = open(to, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(here)?;
            let source = open(from, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(here)?;
            copy(source.as_fd(), below.as_fd())?;
            own(to, name, &stat).map_err(here)?;
            fchmod(below, mode).map_err(here)
        }
        SFlag::S_IFREG => {
            let source = open(from, name, OFlag::O_RDONLY | OFlag::O_NONBLOCK).map_err(here)?;
            let target = openat(
                to,
                name,
                OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC,
                Mode::S_IRUSR | Mode::S_IWUSR,
            )
            .map_err(here)?;
            let mut target = File::from(target);
            io::copy(&mut File::from(source), &mut target)
                .map_err(|error| here(Errno::from_raw(error.raw_os_error().unwrap_or_default())))?;
            own(to, name, &stat).map_err(here)?;
            fchmod(target, mode).map_err(here)
        }
        SFlag::S_IFLNK => {
            let text = readlinkat(from, name).map_err(here)?;
            symlinkat(text.as_os_str(), to, name).map_err(here)?;
            own(to, name, &stat).map_err(here)
        }
        _ => {
            // Devices, FIFOs and sockets by their numbers.
            mknodat(to, name, kind, mode, stat.st_rdev).map_err(here)?;
            own(to, name, &stat).map_err(here)
        }
    }
}

fn open(from: BorrowedFd<'_>, name: &CStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    openat(
        from,
        name,
        flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

fn own(to: BorrowedFd<'_>, name: &CStr, stat: &FileStat) -> Result<(), Errno> {
    fchownat(
        to,
        name,
        Some(stat.st_uid.into()),
        Some(stat.st_gid.into()),
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )
}

fn failed(name: &CStr, errno: Errno) -> StepError {
    StepError::new("copy up", name.to_string_lossy(), errno)
}
