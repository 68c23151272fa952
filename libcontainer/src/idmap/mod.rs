//! User and group id mappings of a user namespace.

mod plan;
mod write;

pub use plan::{IdMap, IdMaps, plan};
pub(crate) use write::write;
