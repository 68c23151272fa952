//! What the program says: log lines, errors and output.

mod cut;
mod daemon;
mod json;
mod logger;
mod os;
mod output;
mod settings;
mod text;

pub(crate) use logger::{failure, hook_panics, open};
pub(crate) use os::cannot;
pub(crate) use output::{stderr_line, stdout, write_stdout};
pub(crate) use settings::{Format, LogSettings};
