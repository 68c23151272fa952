//! Running hooks: programs that are told of the container on their standard
//! input, and given a time.

mod output;
mod run;
mod state;

pub(crate) use output::Output;
pub(crate) use run::{Context, each, run_all};
pub(crate) use state::document;
