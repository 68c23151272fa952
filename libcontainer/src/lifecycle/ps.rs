//! The processes of a container.

use super::load::Loaded;
use crate::Result;
use crate::container::StateRoot;

/// The pids of a container's processes, in the caller's pid namespace.
///
/// # Errors
/// `NotFound`, or that the container has no cgroup to look them up in.
pub fn processes(root: &StateRoot, id: &str) -> Result<Vec<i32>> {
    let loaded = Loaded::find(root, id)?;
    Ok(loaded.cgroup()?.processes()?)
}
