//! What a container used, as the kernel counts it: typed, and serialized to the
//! JSON that readers of `events` know (one file for each controller, those of
//! the two versions apart).
//!
//! A figure that the kernel does not keep is 0, as in that JSON. Times are in
//! nanoseconds and sizes in bytes unless a field says otherwise.

mod blkio;
mod cpu;
mod cpuset;
mod hugetlb;
mod memory;
mod numbers;
mod pids;
mod pressure;
mod read;
mod skip;
mod v1;
mod v2;

pub use blkio::{Blkio, BlkioEntry};
pub use cpu::{Cpu, CpuUsage, Throttling};
pub use cpuset::Cpuset;
pub use hugetlb::Hugetlb;
pub use memory::{Memory, MemoryEntry};
pub use pids::Pids;
pub use pressure::{Pressure, Stall};
pub use read::CgroupStats;
