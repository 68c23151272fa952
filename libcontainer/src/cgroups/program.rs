//! The device program of a v2 cgroup.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::plan::DeviceProgram;
use super::record::RecordedHierarchy;
use crate::error::StepError;
use crate::sys::{Errno, bpf};

/// Loads the program and attaches it to the cgroup. On a cgroup that was there
/// before it takes the place of older ones, with no moment between.
pub(super) fn install(
    cgroup: BorrowedFd<'_>,
    device: &DeviceProgram,
    tree: &RecordedHierarchy,
    in_user_namespace: impl FnOnce() -> bool,
) -> Result<(), StepError> {
    let result = load(device).and_then(|program| {
        if tree.made {
            bpf::attach_device_program(cgroup, program.as_fd(), None)
        } else {
            replace(cgroup, &program)
        }
    });
    match result {
        Err(Errno::EPERM) if !device.required || in_user_namespace() => {
            log::debug!("device rules are left out: bpf(2) is not permitted");
            Ok(())
        }
        result => result
            .map_err(|errno| StepError::new("attach the device program to", tree.folder(), errno)),
    }
}

fn load(device: &DeviceProgram) -> Result<OwnedFd, Errno> {
    let instructions = device.program.raw();
    bpf::load_device_program(&instructions).or_else(|errno| match errno {
        Errno::EPERM | Errno::ENOMEM => {
            bpf::lift_memlock();
            bpf::load_device_program(&instructions)
        }
        errno => Err(errno),
    })
}

/// Every attached program has to allow an access, so with the new one beside
/// the old ones nothing is open that either refuses, and detaching the old ones
/// afterwards leaves no gap.
fn replace(cgroup: BorrowedFd<'_>, program: &OwnedFd) -> Result<(), Errno> {
    let old = bpf::device_programs(cgroup)?;
    if let [only] = old.as_slice() {
        // BPF_F_REPLACE is of kernel 5.6.
        match bpf::attach_device_program(cgroup, program.as_fd(), Some(only.as_fd())) {
            Err(Errno::EINVAL) => {}
            result => return result,
        }
    }
    bpf::attach_device_program(cgroup, program.as_fd(), None)?;
    for program in &old {
        bpf::detach_device_program(cgroup, program.as_fd())?;
    }
    Ok(())
}
