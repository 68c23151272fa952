//! Scheduling, input/output priority, processor affinity, memory policy.

use super::{Result, check};

/// `struct sched_attr` of sched_setattr(2), its first version.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SchedAttr {
    pub(crate) size: u32,
    pub(crate) policy: u32,
    pub(crate) flags: u64,
    pub(crate) nice: i32,
    pub(crate) priority: u32,
    pub(crate) runtime: u64,
    pub(crate) deadline: u64,
    pub(crate) period: u64,
}

/// sched_setattr(2) of the calling thread.
pub(crate) fn set_scheduler(attributes: &SchedAttr) -> Result<()> {
    let mut attributes = *attributes;
    attributes.size = size_of::<SchedAttr>() as u32;
    // SAFETY: the structure says its own size.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) })?;
    Ok(())
}

/// ioprio_set(2) of the calling process.
pub(crate) fn set_io_priority(class: u32, level: u32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: u32 = 13;
    let value = class << CLASS_SHIFT | level;
    // SAFETY: numbers only.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) })?;
    Ok(())
}

/// sched_setaffinity(2) of a process, 0 for the calling thread; one bit a
/// processor.
pub(crate) fn set_affinity(pid: libc::pid_t, mask: &[u64]) -> Result<()> {
    // SAFETY: the length is the slice's, in bytes.
    check(unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            pid,
            size_of_val(mask),
            mask.as_ptr(),
        )
    })?;
    Ok(())
}

/// set_mempolicy(2) of the calling thread; one bit a node.
pub(crate) fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<()> {
    let bits = nodes.len() * 64;
    let pointer = if nodes.is_empty() {
        std::ptr::null()
    } else {
        nodes.as_ptr()
    };
    // The kernel looks at one bit less than it is told.
    let bits = if nodes.is_empty() { 0 } else { bits + 1 };
    // SAFETY: the kernel reads at most that many bits.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) })?;
    Ok(())
}
