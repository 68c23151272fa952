//! The container's cgroup, made and ruled through the cgroup file systems, or by
//! systemd and through them.
//!
//! [`Layout`] holds what this host has, [`plan`](plan()) turns it and
//! `linux.resources` into a [`CgroupPlan`] in which every path and every write
//! is settled, and [`Cgroup`] carries that out. What has to be found again later
//! (freeze, kill, list, remove) stands in a [`CgroupRecord`].
//!
//! All paths below a mount point are free of `..` and are opened without
//! following links. A cgroup file system has no links of its own, so that a
//! path and a descriptor lead to the same place, and a path costs fewer calls.

mod below;
mod common;
mod create;
mod delegate;
mod freezer;
mod fs;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod join;
mod kill;
mod layout;
mod limits;
mod oom;
mod parse;
mod path;
mod plan;
mod program;
mod record;
mod remove;
mod restore;
pub mod stats;
mod sub;
mod systemd;
mod update;
mod v1;
mod v2;
mod write;

pub(crate) use freezer::is_frozen;
pub use layout::{DeviceEnforcement, Hierarchy, Layout};
pub use oom::OomWatch;
pub use plan::{
    CgroupPlan, CgroupRequest, DelegatedPlan, DeviceControl, DeviceProgram, Enable, HierarchyPlan,
    plan,
};
pub use record::{Cgroup, CgroupRecord, ControllerMount, RecordedHierarchy, RecordedUnit};
pub use stats::CgroupStats;
pub use systemd::{
    Manager, Property, Systemd, UnitDevices, UnitPlan, UnitRequest, owner_of_session, probe,
};
pub use update::Before;
pub use write::{IfMissing, Write};
