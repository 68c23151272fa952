//! The compiled filter, as it travels to the process that installs it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::sys;
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

impl Filter {
    /// Puts the filter on the calling thread, for good; answers with the
    /// listener where [`Filter::listener`] is some.
    ///
    /// Allocates nothing unless it fails. Leaves `no_new_privs` to the caller:
    /// without it the kernel wants `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// What seccomp(2) says; `EINVAL` also where the kernel lacks a flag.
    pub fn install(&self) -> Result<Option<OwnedFd>, StepError> {
        sys::seccomp::install(&self.program, self.flags)
            .map_err(|errno| StepError::new("install", "the seccomp filter", errno))
    }
}

/// The agent that answers notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `listenerPath`: the socket that gets the listener.
    pub path: PathBuf,
    /// `listenerMetadata`: goes along as it is.
    pub metadata: Option<String>,
}
