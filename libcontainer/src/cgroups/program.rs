//! The device program of a v2 cgroup.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::plan::DeviceProgram;
use crate::sys::{Errno, bpf};

/// Loads the program and attaches it to the cgroup. Unless nobody else has
/// touched the cgroup, it takes the place of older programs, with no moment
/// between.
pub(super) fn install(
    cgroup: BorrowedFd<'_>,
    device: &DeviceProgram,
    untouched: bool,
) -> Result<(), Errno> {
    let program = load(device)?;
    if untouched {
        bpf::attach_device_program(cgroup, program.as_fd(), None)
    } else {
        replace(cgroup, &program)
    }
}

fn load(device: &DeviceProgram) -> Result<OwnedFd, Errno> {
    let instructions = device.program.raw();
    let loaded = bpf::load_device_program(&instructions);
    if !matches!(loaded, Err(Errno::EPERM | Errno::ENOMEM)) {
        return loaded;
    }
    bpf::lift_memlock();
    bpf::load_device_program(&instructions)
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
