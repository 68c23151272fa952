//! Placeholders until the operations stand.

use crate::Result;
use crate::container::{StateDocument, StateRoot};
use crate::error::{Error, ErrorKind};
use crate::lifecycle::{CreateRequest, ExecRequest, Exit, RunMode};

fn soon<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "not yet"))
}

/// What `list` found: documents sorted by id, and a fault for each record that
/// could not be read.
#[derive(Debug, Default)]
pub struct Listing {
    /// The containers.
    pub containers: Vec<StateDocument>,
    /// What could not be read.
    pub broken: Vec<Error>,
}

/// Makes a container and leaves its init waiting for [`start`].
pub fn create(_root: &StateRoot, _request: &CreateRequest) -> Result<()> {
    soon()
}
/// Makes a container and runs its process.
pub fn run(_root: &StateRoot, _request: &CreateRequest, _mode: RunMode) -> Result<Exit> {
    soon()
}
/// Lets the init of a created container execute the user's program.
pub fn start(_root: &StateRoot, _id: &str) -> Result<()> {
    soon()
}
/// Runs one more process in a container. `config` is the path of a
/// configuration for the defaults.
pub fn exec(_root: &StateRoot, _id: &str, _request: &ExecRequest) -> Result<Exit> {
    soon()
}
/// Sends a signal (a name in any case with or without `SIG`, or a number); with
/// `all`, a container that does not run is no error.
pub fn kill(_root: &StateRoot, _id: &str, _signal: &str, _all: bool) -> Result<()> {
    soon()
}
/// Removes a stopped or created container; with `force` any, and an unknown id
/// is no error.
pub fn delete(_root: &StateRoot, _id: &str, _force: bool) -> Result<()> {
    soon()
}
/// Freezes it.
pub fn pause(_root: &StateRoot, _id: &str) -> Result<()> {
    soon()
}
/// Thaws it.
pub fn resume(_root: &StateRoot, _id: &str) -> Result<()> {
    soon()
}
/// Its state document; the owner stays empty.
pub fn state(_root: &StateRoot, _id: &str) -> Result<StateDocument> {
    soon()
}
/// All containers.
pub fn list(_root: &StateRoot) -> Result<Listing> {
    soon()
}
/// The pids of its processes, in the caller's pid namespace.
pub fn processes(_root: &StateRoot, _id: &str) -> Result<Vec<i32>> {
    soon()
}
