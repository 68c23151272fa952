//! Network devices of the host that become the container's (runtime-spec,
//! "Network Devices").
//!
//! A device goes with its global addresses that somebody gave it for good; its
//! routes and what it is a port of stay behind. When the container ends nothing
//! is moved back: with the last of its network namespace the kernel returns
//! physical devices to the first one, under the name that they have then, and
//! deletes virtual ones (network_namespaces(7)); in a namespace that was joined
//! they stay.

mod passage;
mod plan;

pub(crate) use passage::Passage;
pub use plan::{Facts, NetDevice, plan};
