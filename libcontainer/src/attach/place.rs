//! A mount made by mount(2), and its root found again.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, readlink};
use nix::sys::stat::Mode;

use crate::path::RootFd;
use crate::sys::mount::mount;
use crate::sys::open::open;
use crate::sys::{Errno, Result};

/// The name of a descriptor for calls that take a path.
pub(crate) fn by_number(fd: BorrowedFd<'_>) -> CString {
    CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default()
}

/// Calls mount(2) with `target` and gives the root of the mount that it made.
///
/// mount(2) gives no descriptor, and a look from below `target` does not see what
/// covers it. So its path is walked again, without links. Others may have renamed
/// what is on the way: only a mount that was not there before is taken.
pub(super) fn in_place(
    target: BorrowedFd<'_>,
    source: &CStr,
    fs_type: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> Result<OwnedFd> {
    let before = mount_ids()?;
    let name = by_number(target);
    mount(Some(source), &name, fs_type, flags, data)?;
    let path = readlink(name.as_c_str())?;
    let top = open(
        "/",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let found = RootFd::new(top).resolve_without_links(Path::new(&path))?;
    if before.contains(&mount_id(found.as_fd())?) {
        return Err(Errno::ESTALE);
    }
    Ok(found)
}

/// The numbers of all mounts.
fn mount_ids() -> Result<Vec<u64>> {
    let text = mountinfo()?;
    let ids = text.lines().filter_map(|line| line.split(' ').next());
    ids.map(|id| id.parse().map_err(|_| Errno::EINVAL))
        .collect()
}

/// The list of our mounts (proc_pid_mountinfo(5)).
pub(crate) fn mountinfo() -> Result<String> {
    read("/proc/self/mountinfo")
}

/// The number of the mount that a descriptor is of, on any kernel: statx(2) knows
/// it since Linux 5.8 (proc_pid_fdinfo(5), Linux 3.15).
pub(crate) fn mount_id(fd: BorrowedFd<'_>) -> Result<u64> {
    let text = read(&format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
    let mut ids = text.lines().filter_map(|line| line.strip_prefix("mnt_id:"));
    let id = ids.next().and_then(|id| id.trim().parse().ok());
    id.ok_or(Errno::EINVAL)
}

fn read(path: &str) -> Result<String> {
    // A mount point may have a name in any bytes.
    let bytes = std::fs::read(path)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{mount_id, mount_ids};
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn a_descriptor_is_of_a_mount_on_the_list() {
        let ids = mount_ids().unwrap();
        let id = |path: &str| mount_id(File::open(path).unwrap().as_fd()).unwrap();
        assert!(ids.contains(&id("/proc/self")));
        assert!(ids.contains(&id("/")));
        assert_ne!(id("/proc/self"), id("/"));
    }
}
