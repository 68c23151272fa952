//! Which devices a container may use.
//!
//! [`rules`] reads `linux.resources.devices`; [`files`] and [`program`] turn the
//! rules into what cgroup v1 and cgroup v2 enforce.

pub mod allow_list;
pub mod files;
pub mod program;
pub mod rules;

pub use rules::{Access, DeviceKind, DeviceRule};
