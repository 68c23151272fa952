//! What can go wrong, as data.
//!
//! [`Error`] is the public edge; [`StepError`] is what a step of the execution
//! says, on either side of the process border; [`Finding`] is what planning
//! says of the input.

mod finding;
mod public;
mod step;

pub use finding::{Finding, Findings, Severity};
pub use public::{Error, ErrorKind};
pub use step::{StepError, reason};
