//! Limits as the files of cgroup v2.

pub(super) mod cpu;
pub(super) mod enable;
pub(super) mod io;
pub(super) mod memory;
pub(super) mod unified;
