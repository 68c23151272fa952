//! The files of cgroup v2 (the kernel's admin-guide/cgroup-v2).

pub(super) mod cpu;
pub(super) mod hugetlb;
pub(super) mod io;
pub(super) mod memory;
pub(super) mod pids;
