//! The operations on a container, one file each.

mod caller_fds;
mod carry_out;
mod checkpoint;
mod create;
mod delete;
mod events;
mod exec;
mod fault;
mod foreground;
mod host;
mod images;
mod interfaces;
mod keeper;
mod kill;
mod limits;
mod list;
mod listener;
mod load;
mod milestones;
mod mount_sources;
mod net_devices;
mod pause;
mod pid_file;
mod pid_namespace;
mod ps;
mod readiness;
mod request;
mod restore;
mod set_up;
mod signal;
mod start;
mod stats;
mod streams;
mod supervise;
mod terminal;
mod undo;
mod update;

pub use checkpoint::checkpoint;
pub use create::{create, run};
pub use delete::delete;
pub use events::{Event, Watch, events};
pub use exec::exec;
pub use interfaces::NetworkInterface;
pub use kill::kill;
pub use list::{Listing, list, state};
pub use pause::{pause, resume};
pub use ps::processes;
pub use request::{
    CgroupManager, CheckpointRequest, CreateRequest, ExecOverrides, ExecProcess, ExecRequest, Exit,
    RestoreRequest, Rootless, RunMode, StdioRequest,
};
pub use restore::restore;
pub use set_up::plan;
pub use start::start;
pub use stats::{Stats, stats};
pub use update::{UpdateRequest, update};
