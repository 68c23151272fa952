//! Paths below a directory that hostile processes may change meanwhile.

mod root;
mod strict;
mod walk;

pub(crate) use root::{Missing, RootFd, c_path, is_directory, is_directory_by};
pub(crate) use strict::open_strict;
