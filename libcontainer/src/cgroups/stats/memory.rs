//! Memory and swap.

use std::collections::BTreeMap;

use serde::Serialize;

use super::pressure::Pressure;
use super::skip;

/// `memory` of the statistics.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Memory {
    /// The page cache, in bytes.
    #[serde(skip_serializing_if = "skip::zero")]
    pub cache: u64,
    /// Memory.
    #[serde(skip_serializing_if = "skip::default")]
    pub usage: MemoryEntry,
    /// Memory and swap together.
    #[serde(skip_serializing_if = "skip::default")]
    pub swap: MemoryEntry,
    /// The kernel's own memory; cgroup v1 only.
    #[serde(skip_serializing_if = "skip::default")]
    pub kernel: MemoryEntry,
    /// The kernel's buffers of TCP; cgroup v1 only.
    #[serde(rename = "kernelTCP", skip_serializing_if = "skip::default")]
    pub kernel_tcp: MemoryEntry,
    /// `memory.stat`, name by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    /// Waiting for memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One sort of memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MemoryEntry {
    /// The limit; 2^64 - 1, and near 2^63 on cgroup v1, is none.
    pub limit: u64,
    /// In use.
    #[serde(skip_serializing_if = "skip::zero")]
    pub usage: u64,
    /// The most that was in use.
    #[serde(skip_serializing_if = "skip::zero")]
    pub max: u64,
    /// How often the limit was met; cgroup v1 only.
    pub failcnt: u64,
}
