//! Processes and threads.

use serde::Serialize;

use super::skip;

/// `pids` of the statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pids {
    /// How many there are.
    #[serde(skip_serializing_if = "skip::zero")]
    pub current: u64,
    /// How many there may be; 0 is no limit.
    #[serde(skip_serializing_if = "skip::zero")]
    pub limit: u64,
}
