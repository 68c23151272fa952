//! A container as the commands find it: its record, its init, its status.

use std::os::fd::OwnedFd;

use crate::cgroups::{self, Cgroup};
use crate::container::{StateDocument, StateRoot, Status};
use crate::error::{Error, StepError};
use crate::state::{Gate, Record, StateDir};
use crate::sys::Errno;

/// A container that was found.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) dir: StateDir,
    pub(super) record: Record,
    /// The init, while it lives.
    pub(super) init: Option<OwnedFd>,
    pub(super) status: Status,
}

impl Loaded {
    /// Finds a container by its id.
    pub(super) fn find(root: &StateRoot, id: &str) -> Result<Self, Error> {
        Self::read(StateDir::open(root, id)?)
    }

    /// The same, and keeps other commands from changing it.
    pub(super) fn find_to_change(root: &StateRoot, id: &str) -> Result<Self, Error> {
        let mut dir = StateDir::open(root, id)?;
        dir.lock()?;
        Self::read(dir)
    }

    /// Reads the record of an open directory.
    pub(super) fn read(dir: StateDir) -> Result<Self, Error> {
        let record = dir.read_record()?;
        Self::of(dir, record)
    }

    /// Looks after the container of a record.
    pub(super) fn of(dir: StateDir, record: Record) -> Result<Self, Error> {
        let init = match record.identity() {
            Some(identity) => identity.open().map_err(|errno| not_found(&dir, errno))?,
            None => None,
        };
        let status = match init {
            None => Status::Stopped,
            Some(_) => alive(&dir, || record.cgroup.open()?.is_frozen())?,
        };
        Ok(Self {
            dir,
            record,
            init,
            status,
        })
    }

    /// Its cgroup.
    pub(super) fn cgroup(&self) -> Result<Cgroup, Error> {
        Ok(self.record.cgroup.open()?)
    }
}

/// What `state` and `list` print of a container; nothing is kept open for it. The
/// buffer is for its record, and may be the next one's.
pub(super) fn document(dir: &StateDir, buffer: &mut Vec<u8>) -> Result<StateDocument, Error> {
    let record = dir.glance(buffer)?;
    let lives = match record.identity() {
        Some(identity) => identity.lives().map_err(|errno| not_found(dir, errno))?,
        None => false,
    };
    let status = if lives {
        let (v1, v2) = record.freezers();
        alive(dir, || cgroups::is_frozen(v1, v2))?
    } else {
        Status::Stopped
    };
    Ok(StateDocument {
        oci_version: record.oci_version,
        id: record.id,
        pid: if lives { record.pid } else { 0 },
        status,
        bundle: record.bundle,
        rootfs: record.rootfs,
        created: record.created,
        annotations: record.annotations,
        owner: String::new(),
    })
}

fn not_found(dir: &StateDir, errno: Errno) -> Error {
    StepError::new(
        "find the process of",
        format!("container {}", dir.id()),
        errno,
    )
    .into()
}

/// The status of a container whose init lives.
fn alive(
    dir: &StateDir,
    is_frozen: impl FnOnce() -> Result<bool, StepError>,
) -> Result<Status, Error> {
    let gate = dir.gate().map_err(|errno| {
        Error::from(StepError::new(
            "look at",
            format!("the state of container {}", dir.id()),
            errno,
        ))
    })?;
    if gate == Gate::InTheMaking {
        return Ok(Status::Creating);
    }
    // A cgroup that is gone, or a host without a freezer, pauses nothing.
    let paused = is_frozen().unwrap_or_default();
    Ok(match gate {
        _ if paused => Status::Paused,
        Gate::Waiting => Status::Created,
        Gate::InTheMaking | Gate::Open => Status::Running,
    })
}
