//! The files of cgroup v1 (the kernel's admin-guide/cgroup-v1).

pub(super) mod blkio;
pub(super) mod cpu;
pub(super) mod cpuset;
pub(super) mod hugetlb;
pub(super) mod memory;
pub(super) mod pids;
