//! Intel Resource Director Technology: a share of cache and memory bandwidth for
//! a container, through the kernel's resctrl file system (runtime-spec,
//! "IntelRdt"; the kernel's filesystems/resctrl).
//!
//! [`Resctrl`] is what this host has, [`plan`](plan()) turns it and
//! `linux.intelRdt` into a [`ResctrlPlan`], which makes the group of a container.
//! What later commands need of it stands in a [`ResctrlRecord`]: `exec` joins the
//! group, `delete` removes what was made, [`update`] changes its shares, and
//! [`stats`] reads what it used.
//!
//! All groups lie directly below the mount point, so that a path is the mount
//! point and one checked name.

mod fs;
mod group;
mod mount;
mod plan;
mod record;
mod schema;
#[cfg(any(test, debug_assertions))]
mod stand_in;
mod stats;
#[cfg(test)]
mod tests;
mod update;

pub use mount::Resctrl;
pub use plan::{ResctrlPlan, plan};
pub use record::ResctrlRecord;
pub use stats::{Bandwidth, BandwidthUse, Cache, CacheUse, Stats, stats};
pub use update::update;
