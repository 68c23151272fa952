//! The operations on a container, one file each.

mod request;
mod stub;

pub use request::{
    CgroupManager, CreateRequest, ExecOverrides, ExecProcess, ExecRequest, Exit, Rootless, RunMode,
    StdioRequest,
};
pub use stub::{
    Listing, create, delete, exec, kill, list, pause, processes, resume, run, start, state,
};
