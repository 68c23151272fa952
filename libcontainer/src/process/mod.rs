//! The processes inside a container, and how they are made.
//!
//! `spawn` clones and executes a sealed image of ourselves; `stage` is what
//! that image does first; `init` and `tenant` carry out their plans, the init by
//! `ask` what it cannot do itself; `user_process` is the end of both: the user's
//! program, or what an `executor` makes of it. Both sides speak `protocol` over a `link`.

mod ask;
mod executor;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod init;
mod link;
mod lookup;
mod passwd;
mod protocol;
mod sealed_self;
mod spawn;
mod stage;
mod streams;
mod tenant;
mod user_process;

pub use executor::{Executor, Gate, Program};
pub(crate) use link::is_lost;
pub(crate) use protocol::{Order, Report};
pub(crate) use sealed_self::sealed_self;
pub use sealed_self::use_init_image;
pub(crate) use spawn::{Child, Request, spawn};
pub use stage::{init_stage, init_stage_of, init_stage_with};
pub use streams::secure_standard_streams;
pub(crate) use tenant::own_proc;
pub(crate) use user_process::{START, read_failure};
