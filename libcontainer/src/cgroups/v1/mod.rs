//! Limits as the files of cgroup v1.

pub(super) mod blkio;
pub(super) mod cpu;
pub(super) mod cpuset;
pub(super) mod memory;
pub(super) mod network;
