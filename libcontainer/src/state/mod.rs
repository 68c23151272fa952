//! What is kept of a container on disk: one directory each.

mod dir;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod glance;
mod identity;
mod record;

pub(crate) use dir::{Gate, NOTIFY, StateDir, ids, open_root};
pub(crate) use glance::Glance;
pub(crate) use identity::{Identity, start_time};
pub(crate) use record::{Record, Remains};
