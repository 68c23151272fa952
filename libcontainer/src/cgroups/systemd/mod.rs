//! The cgroup as a transient unit that systemd makes (systemd.scope(5),
//! systemd.resource-control(5), org.freedesktop.systemd1(5)).
//!
//! What the unit is and which properties it has belongs to the plan; here it is
//! also started, changed and stopped. systemd cannot express every limit, so all
//! are written to the cgroup's files as well, the same values.

mod annotations;
mod cpuset;
mod holder;
mod manager;
mod name;
mod plan;
mod properties;
mod unified;
mod unit;

pub use manager::{Manager, Systemd, owner_of_session, probe};
pub use plan::{UnitDevices, UnitPlan, UnitRequest};
pub use properties::Property;

pub(super) use holder::{Holder, is_anothers};
pub(super) use name::{UnitName, is_slice};
pub(super) use plan::unit;
pub(super) use properties::{resources, rounded};
pub(super) use unit::{attach, changes, set_properties, start, stop};
