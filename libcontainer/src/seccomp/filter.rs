//! The compiled filter, as it travels to the process that installs it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::sys::seccomp::Instruction;

/// The kernel's limit for a program (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// A filter, ready for seccomp(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The program.
    pub program: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_*`, with `NEW_LISTENER` where `listener` is some.
    pub flags: u32,
    /// Who gets the listener, when a rule notifies.
    pub listener: Option<Listener>,
}

/// The agent that answers notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `listenerPath`: the socket that gets the listener.
    pub path: PathBuf,
    /// `listenerMetadata`: goes along as it is.
    pub metadata: Option<String>,
}
