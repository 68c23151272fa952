//! Scheduling, input/output priority, processor affinity, memory policy.

use super::Result;
use super::call::Call;

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
    Call::SchedSetattr(&attributes).make()?;
    Ok(())
}

/// ioprio_set(2) of the calling process.
pub(crate) fn set_io_priority(class: u32, level: u32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: u32 = 13;
    let value = class << CLASS_SHIFT | level;
    Call::IoprioSet(IOPRIO_WHO_PROCESS, 0, value).make()?;
    Ok(())
}

/// sched_setaffinity(2) of a process, 0 for the calling thread; one bit a
/// processor.
pub(crate) fn set_affinity(pid: libc::pid_t, mask: &[u64]) -> Result<()> {
    Call::SchedSetaffinity(pid, mask).make()?;
    Ok(())
}

/// On how many processors the calling thread may run, at least one.
pub(crate) fn processors() -> usize {
    let allowed = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0));
    allowed.map_or(1, |set| {
        (0..nix::sched::CpuSet::count())
            .filter(|&cpu| set.is_set(cpu) == Ok(true))
            .count()
            .max(1)
    })
}

/// set_mempolicy(2) of the calling thread; one bit a node.
pub(crate) fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<()> {
    Call::SetMempolicy(mode, nodes).make()?;
    Ok(())
}
