//! Resolution one component at a time: for kernels without openat2(2), and for
//! making what is missing.
//!
//! Each component is opened without following it, from the descriptor of the one
//! before; a link's text is put in front of what is left. `..` goes back along
//! the descriptors that were passed, so that the kernel is never asked for a
//! parent and the root is never left.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};

use super::root::{DIRECTORY_MODE, Missing, components, is_directory};
use crate::sys::open::openat;
use crate::sys::{Errno, Result};

/// As many links as the kernel follows (path_resolution(7)).
const MAX_LINKS: u32 = 40;

const LOOK: OFlag = OFlag::O_PATH
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// What is at the path, opened with the flags given.
pub(super) fn open(root: BorrowedFd<'_>, path: &CStr, flags: libc::c_int) -> Result<OwnedFd> {
    let found = walk(root, path, None, MAX_LINKS)?;
    if flags & libc::O_PATH != 0 {
        return Ok(found);
    }
    reopen(found.as_fd(), flags)
}

/// What is at the path, made when it is missing.
pub(super) fn ensure(root: BorrowedFd<'_>, path: &CStr, missing: Missing) -> Result<OwnedFd> {
    walk(root, path, Some(missing), MAX_LINKS)
}

/// What is at the path; ELOOP at the first link.
pub(super) fn open_without_links(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    walk(root, path, None, 0)
}

/// Opens the file behind an `O_PATH` descriptor for use. By way of the magic
/// link of procfs: the only one there is.
fn reopen(found: BorrowedFd<'_>, flags: libc::c_int) -> Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let name = format!("/proc/self/fd/{}", found.as_raw_fd());
    let flags = OFlag::from_bits_truncate(flags) | OFlag::O_CLOEXEC;
    crate::sys::open::open(name.as_str(), flags, Mode::empty())
}

fn walk(
    root: BorrowedFd<'_>,
    path: &CStr,
    missing: Option<Missing>,
    max_links: u32,
) -> Result<OwnedFd> {
    let mut passed: Vec<OwnedFd> = Vec::new();
    let mut left: VecDeque<Vec<u8>> = components(path).map(<[u8]>::to_vec).collect();
    let mut links = 0;
    let must_be_directory = path.to_bytes().ends_with(b"/");
    while let Some(name) = left.pop_front() {
        let here = passed.last().map_or(root, AsFd::as_fd);
        if name == b".." {
            passed.pop();
            continue;
        }
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        let next = match openat(here, name.as_c_str(), LOOK, Mode::empty()) {
            Err(Errno::ENOENT) => {
                let Some(missing) = missing else {
                    return Err(Errno::ENOENT);
                };
                // The last component is what was asked for; those before it are
                // directories.
                let kind = if left.is_empty() {
                    missing
                } else {
                    Missing::Directory
                };
                make(here, &name, kind)?
            }
            opened => opened?,
        };
        let kind = SFlag::from_bits_truncate(fstat(next.as_fd())?.st_mode) & SFlag::S_IFMT;
        if kind == SFlag::S_IFLNK {
            links += 1;
            if links > max_links {
                return Err(Errno::ELOOP);
            }
            let text = readlinkat(next.as_fd(), c"")?.into_vec();
            if text.starts_with(b"/") {
                passed.clear();
            }
            let text = CString::new(text).map_err(|_| Errno::EINVAL)?;
            for part in components(&text).rev() {
                left.push_front(part.to_vec());
            }
            continue;
        }
        if kind != SFlag::S_IFDIR && !left.is_empty() {
            return Err(Errno::ENOTDIR);
        }
        passed.push(next);
    }
    let found = match passed.pop() {
        Some(found) => found,
        None => openat(root, c".", LOOK, Mode::empty())?,
    };
    if must_be_directory && !is_directory(found.as_fd())? {
        return Err(Errno::ENOTDIR);
    }
    Ok(found)
}

/// Makes one component and opens it. Another process may have made it, or
/// removed it again, in between: what is there then is taken, or is an error.
fn make(here: BorrowedFd<'_>, name: &CStr, missing: Missing) -> Result<OwnedFd> {
    match missing {
        Missing::Directory => match mkdirat(here, name, DIRECTORY_MODE) {
            Ok(()) | Err(Errno::EEXIST) => openat(here, name, LOOK, Mode::empty()),
            Err(errno) => Err(errno),
        },
        Missing::File => {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IROTH;
            match openat(here, name, flags, mode) {
                Ok(_) | Err(Errno::EEXIST) => openat(here, name, LOOK, Mode::empty()),
                Err(errno) => Err(errno),
            }
        }
    }
}
