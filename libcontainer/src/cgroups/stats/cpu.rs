//! Time on the CPUs.

use serde::Serialize;

use super::pressure::Pressure;
use super::skip;

/// `cpu` of the statistics.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// Time that was used.
    #[serde(skip_serializing_if = "skip::default")]
    pub usage: CpuUsage,
    /// What the quota held up.
    #[serde(skip_serializing_if = "skip::default")]
    pub throttling: Throttling,
    /// Waiting for a CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// Time on the CPUs, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CpuUsage {
    /// All of it.
    #[serde(skip_serializing_if = "skip::zero")]
    pub total: u64,
    /// On each CPU; cgroup v1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    /// In the kernel, on each CPU; cgroup v1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    /// Outside of the kernel, on each CPU; cgroup v1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// Outside of the kernel.
    pub user: u64,
}

/// What the quota held up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// Periods that went by.
    #[serde(skip_serializing_if = "skip::zero")]
    pub periods: u64,
    /// Periods in which the quota was used up.
    #[serde(skip_serializing_if = "skip::zero")]
    pub throttled_periods: u64,
    /// How long processes were held up, in nanoseconds.
    #[serde(skip_serializing_if = "skip::zero")]
    pub throttled_time: u64,
}
