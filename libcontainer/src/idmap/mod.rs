//! User and group id mappings of a user namespace.

mod plan;
mod read;
mod write;

pub use plan::{IdMap, IdMaps, plan};
pub(crate) use read::read_users;
pub(crate) use write::write;
