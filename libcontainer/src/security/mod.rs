//! What limits a process beyond its namespaces.

pub mod capabilities;
pub(crate) mod jail;
pub(crate) mod keyring;
pub(crate) mod lsm;
