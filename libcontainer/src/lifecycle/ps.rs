//! The processes of a container.

use super::load::Loaded;
use crate::Result;
use crate::container::{StateRoot, Status};
use crate::error::{Error, ErrorKind};

/// The pids of a container's processes, in the caller's pid namespace.
///
/// # Errors
/// `NotFound`, or that the container has no cgroup to look them up in: none was
/// made, or somebody removed it while the container lives.
pub fn processes(root: &StateRoot, id: &str) -> Result<Vec<i32>> {
    let loaded = Loaded::find(root, id)?;
    let cgroup = loaded.cgroup()?;
    let found = cgroup.processes()?;
    if found.is_empty() && loaded.status != Status::Stopped && !cgroup.exists() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("cannot list the processes of container {id}: its cgroup is gone"),
        ));
    }
    Ok(found)
}
