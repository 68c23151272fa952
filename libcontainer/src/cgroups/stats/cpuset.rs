//! CPUs and memory nodes that may be used.

use serde::Serialize;

/// `cpuset` of the statistics: the files of cgroup v1 of these names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cpuset {
    /// The CPUs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    /// 1: no sibling may use them.
    pub cpu_exclusive: u64,
    /// The memory nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    /// 1: the kernel's own memory comes from these nodes too.
    pub mem_hardwall: u64,
    /// 1: no sibling may use the nodes.
    pub mem_exclusive: u64,
    /// 1: memory follows when the nodes change.
    pub memory_migrate: u64,
    /// 1: the page cache is spread over the nodes.
    pub memory_spread_page: u64,
    /// 1: slabs are spread over the nodes.
    pub memory_spread_slab: u64,
    /// How often memory was reclaimed at once, per second and a thousand.
    pub memory_pressure: u64,
    /// 1: the scheduler balances over these CPUs.
    pub sched_load_balance: u64,
    /// How far it looks for an idle one; -1 is the system's way.
    pub sched_relax_domain_level: i64,
}
