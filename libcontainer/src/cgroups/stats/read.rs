//! The figures of all controllers, each from the hierarchy that has it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::record::{Cgroup, RecordedHierarchy};
use super::{Blkio, Cpu, Cpuset, Hugetlb, Memory, Pids, pressure, v1, v2};
use crate::error::StepError;

/// The statistics of a container's cgroup.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CgroupStats {
    /// Time on the CPUs.
    pub cpu: Cpu,
    /// CPUs and memory nodes; cgroup v1 only.
    pub cpuset: Cpuset,
    /// Memory and swap.
    pub memory: Memory,
    /// Processes and threads.
    pub pids: Pids,
    /// Block devices.
    pub blkio: Blkio,
    /// Huge pages, by their size.
    pub hugetlb: BTreeMap<String, Hugetlb>,
}

impl Cgroup {
    /// Reads the statistics. All is zero where the container has no cgroup.
    pub fn stats(&self) -> Result<CgroupStats, StepError> {
        let v2 = self.v2().map(RecordedHierarchy::folder);
        let v1 = |controller: &str| self.v1(controller).map(RecordedHierarchy::folder);
        let mut stats = CgroupStats::default();
        // v1 where the controller is there, else v2, which has the rest.
        macro_rules! read {
            ($field:ident, $v1:ident of $controller:literal, $v2:ident) => {
                if let Some(folder) = v1($controller) {
                    stats.$field = v1::$v1::read(&folder)?;
                } else if let Some(folder) = &v2 {
                    stats.$field = v2::$v2::read(folder)?;
                }
            };
        }
        read!(memory, memory of "memory", memory);
        read!(pids, pids of "pids", pids);
        read!(blkio, blkio of "blkio", io);
        read!(hugetlb, hugetlb of "hugetlb", hugetlb);
        if let Some(folder) = v1("cpuset") {
            stats.cpuset = v1::cpuset::read(&folder)?;
        }
        match (v1("cpuacct"), v1("cpu"), &v2) {
            (None, None, Some(folder)) => stats.cpu = v2::cpu::read(folder)?,
            (usage, quota, _) => {
                if let Some(folder) = usage {
                    stats.cpu.usage = v1::cpu::usage(&folder)?;
                }
                if let Some(folder) = quota {
                    stats.cpu.throttling = v1::cpu::throttling(&folder)?;
                }
            }
        }
        if let Some(folder) = &v2 {
            stats.cpu.psi = pressure::read(folder, "cpu.pressure")?;
            stats.memory.psi = pressure::read(folder, "memory.pressure")?;
            stats.blkio.psi = pressure::read(folder, "io.pressure")?;
        }
        Ok(stats)
    }
}
