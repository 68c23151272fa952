//! CRIU, which writes processes to images and makes them again from there.
//!
//! It is asked over the socket of `criu swrk`, in its own protocol. What it is
//! asked for is put together by pure functions (`Dump`, `Restore`); the rest
//! is the conversation and what it needs of the file system.

mod client;
mod descriptors;
mod dump;
mod failure;
mod log;
mod messages;
mod mount_points;
mod restore;
mod settings;
mod step;
mod version;

pub(crate) use client::{Criu, Task};
pub(crate) use descriptors::{read as read_descriptors, write as write_descriptors};
pub use dump::PageServer;
pub(crate) use dump::{Dump, external_name, external_namespace};
pub(crate) use messages::{Features, InheritFd};
pub(crate) use mount_points::{Place, PlaceKind, isolate, make, masked_files, resolve_in};
pub(crate) use restore::{Restore, cgroup_roots, inherit};
pub use settings::{CgroupsMode, NetworkLock, Settings};
pub(crate) use settings::{Files, OUR_CONFIG, config_file};
pub(crate) use step::Step;
pub(crate) use version::Version;
