//! `pause` and `resume`.

use std::time::{Duration, Instant};

use super::load::Loaded;
use crate::Result;
use crate::container::{StateRoot, Status};
use crate::error::{Error, ErrorKind};

/// As long as the kernel has to freeze a container.
const PATIENCE: Duration = Duration::from_secs(10);

/// Freezes a container that is running or created.
///
/// # Errors
/// `NotFound`, `WrongStatus`, or what kept the cgroup from freezing.
pub fn pause(root: &StateRoot, id: &str) -> Result<()> {
    let loaded = Loaded::find_to_change(root, id)?;
    match loaded.status {
        Status::Running | Status::Created => {
            Ok(loaded.cgroup()?.freeze(Instant::now() + PATIENCE)?)
        }
        Status::Paused => refuse("cannot pause a paused container"),
        Status::Stopped => refuse("cannot pause a stopped container"),
        Status::Creating => refuse("cannot pause a container that is being created"),
    }
}

/// Thaws a paused container.
///
/// # Errors
/// `NotFound`, `WrongStatus`, or what kept the cgroup from thawing.
pub fn resume(root: &StateRoot, id: &str) -> Result<()> {
    let loaded = Loaded::find_to_change(root, id)?;
    match loaded.status {
        Status::Paused => Ok(loaded.cgroup()?.thaw()?),
        Status::Running | Status::Created | Status::Creating => {
            refuse("cannot resume a container that is not paused: container not paused")
        }
        Status::Stopped => refuse("cannot resume a stopped container"),
    }
}

fn refuse(text: &str) -> Result<()> {
    Err(Error::new(ErrorKind::WrongStatus, text))
}
