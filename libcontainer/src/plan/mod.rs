//! The one place that judges: spec, request and host come in, a plan in which
//! every question is answered comes out, or every finding against it.
//!
//! Nothing here changes the host; what the host is like was asked before, or is
//! asked by reading alone.

mod annotations;
mod build;
mod cgroup;
mod devices;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod golden_tests;
mod hooks;
mod mapped_mounts;
mod outside;
mod process;
mod rootfs;
mod seccomp;
mod sysctl;
mod types;

pub(crate) use annotations::PIDFD_RECEIVER;
pub use build::{Host, Input, build};
pub(crate) use outside::unlisted;
pub(crate) use process::{ProcessFacts, process};
pub use types::{
    CheckpointFacts, ContainerPlan, DeviceKind, DeviceNode, HookPlan, HookState, HooksPlan,
    InitPlan, IoPriority, MemoryPolicy, ProcessPlan, RlimitPlan, RootfsPlan, SchedulerPlan,
    StartGate, TenantFacts, TenantPlan, TerminalPlan, TimeOffset, UserPlan,
};
