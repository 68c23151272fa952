//! Making the container's root the root.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, fchdir};

use super::prepare::unescape;
use crate::attach::{set_attributes_by, set_propagation};
use crate::error::StepError;
use crate::mounts::Propagation;
use crate::path::{RootFd, c_path};
use crate::plan::RootfsPlan;
use crate::sys::Errno;
use crate::sys::mount::{MountAttr, attr, mount};
use crate::sys::open::open;

/// Enters the root and leaves nothing of the host's mounts behind; then closes
/// it for writing and sets its propagation, as asked.
pub(crate) fn enter(plan: &RootfsPlan, root: &RootFd) -> Result<(), StepError> {
    let failed = |action, errno| StepError::new(action, plan.path.display().to_string(), errno);
    fchdir(root).map_err(|errno| failed("change to rootfs", errno))?;
    if plan.no_pivot {
        move_over(plan)?;
    } else {
        pivot(plan)?;
    }
    chdir("/").map_err(|errno| failed("change to the root of", errno))?;
    if let Some(asked) = plan.propagation {
        set_propagation(root.as_fd(), Some(c"/"), asked.flag, below(asked))
            .map_err(|errno| failed("set the propagation of", errno))?;
    }
    close(plan, root)
}

/// The same for a root that was bound in the host's mount namespace.
pub(crate) fn enter_on_host(plan: &RootfsPlan, root: &RootFd) -> Result<(), StepError> {
    let failed = |errno| StepError::new("change root to", plan.path.display().to_string(), errno);
    fchdir(root).map_err(failed)?;
    chroot(".").map_err(failed)?;
    chdir("/").map_err(failed)?;
    close(plan, root)
}

fn close(plan: &RootfsPlan, root: &RootFd) -> Result<(), StepError> {
    if plan.readonly {
        let read_only = MountAttr {
            set: attr::RDONLY,
            ..MountAttr::default()
        };
        // The container's procfs is the one that is there now, if any.
        set_attributes_by(root.as_fd(), c"/", &read_only).map_err(|errno| {
            StepError::new("make read-only", plan.path.display().to_string(), errno)
        })?;
    }
    Ok(())
}

/// Whether the mounts below get it too. All that were there before are slaves or
/// private already where that was asked for, and what a new one has is its own.
fn below(asked: Propagation) -> bool {
    let cut_off = [Ok(libc::MS_SLAVE), Ok(libc::MS_PRIVATE)];
    asked.recursive && !cut_off.contains(&libc::c_ulong::try_from(asked.flag))
}

/// pivot_root(2) with both arguments `.`: the old root lies over the new one
/// then, and is taken off.
fn pivot(plan: &RootfsPlan) -> Result<(), StepError> {
    let failed = |action, errno| StepError::new(action, plan.path.display().to_string(), errno);
    if plan.propagation.is_none() {
        // Cut off from the host's mounts from the beginning.
        nix::unistd::pivot_root(".", ".").map_err(|errno| failed("pivot to", errno))?;
        return take_off(plan);
    }
    let old = open(
        "/",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| failed("open the old root of", errno))?;
    nix::unistd::pivot_root(".", ".").map_err(|errno| failed("pivot to", errno))?;
    // Taking it off must not show on the host. By its descriptor: `.` alone is
    // the new root still, whose own mounts keep their propagation.
    fchdir(&old).map_err(|errno| failed("change to the old root of", errno))?;
    mount(None, c".", None, libc::MS_SLAVE | libc::MS_REC, None)
        .map_err(|errno| failed("cut off the old root of", errno))?;
    take_off(plan)
}

fn take_off(plan: &RootfsPlan) -> Result<(), StepError> {
    nix::mount::umount2(".", nix::mount::MntFlags::MNT_DETACH).map_err(|errno| {
        let object = plan.path.display().to_string();
        StepError::new("take off the old root of", object, errno)
    })
}

/// For roots that pivot_root(2) cannot leave (initramfs): the new root is moved
/// over the old. What lies below could be reached by unmounting it; the host's
/// procfs and sysfs are taken away first, so that no unmasked one is there.
fn move_over(plan: &RootfsPlan) -> Result<(), StepError> {
    let failed = |action, errno| StepError::new(action, plan.path.display().to_string(), errno);
    for point in outside_proc_and_sys(&plan.path)? {
        let target = c_path(&point).map_err(|errno| failed("leave", errno))?;
        let gone = nix::mount::umount2(target.as_c_str(), nix::mount::MntFlags::MNT_DETACH);
        match gone {
            Ok(()) => {}
            // Locked by a user namespace, or busy: covered instead.
            Err(Errno::EINVAL | Errno::EPERM) => {
                mount(Some(c"tmpfs"), &target, Some(c"tmpfs"), 0, None)
                    .map_err(|errno| failed("cover the host's procfs for", errno))?;
            }
            Err(errno) => return Err(failed("take off the host's procfs for", errno)),
        }
    }
    mount(Some(c"."), c"/", None, libc::MS_MOVE, None)
        .map_err(|errno| failed("move to /", errno))?;
    chroot(".").map_err(|errno| failed("change root to", errno))
}

/// The mount points of procfs and sysfs that are not in the container, the
/// innermost first.
fn outside_proc_and_sys(rootfs: &Path) -> Result<Vec<PathBuf>, StepError> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        StepError::new("read", "/proc/self/mountinfo", errno)
    })?;
    let mut points: Vec<PathBuf> = text
        .lines()
        .filter_map(|line| {
            let (mount, fs) = line.split_once(" - ")?;
            let fs_type = fs.split(' ').next()?;
            let point = unescape(mount.split(' ').nth(4)?);
            let outside = matches!(fs_type, "proc" | "sysfs") && !point.starts_with(rootfs);
            outside.then_some(point)
        })
        .collect();
    points.reverse();
    Ok(points)
}

/// Without a mount namespace of the container's own: a change of root alone.
pub(crate) fn chroot_into(rootfs: &Path) -> Result<(), StepError> {
    let failed = |errno| StepError::new("change root to", rootfs.display().to_string(), errno);
    chdir(rootfs).map_err(failed)?;
    chroot(".").map_err(failed)?;
    chdir("/").map_err(failed)
}
