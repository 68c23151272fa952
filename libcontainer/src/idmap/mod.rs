//! User and group id mappings of a user namespace.

mod namespace;
mod option;
mod plan;
mod read;
mod write;

pub(crate) use namespace::user_namespace;
pub use option::{of_fields, of_option};
pub use plan::{IdMap, IdMaps, plan};
pub(crate) use read::read_users;
pub(crate) use write::write;
