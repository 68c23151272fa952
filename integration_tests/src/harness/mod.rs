//! What the tests stand on.

mod bundle;
mod call;
mod case;
mod cgroup;
pub(crate) mod clean;
pub(crate) mod config;
mod docker;
mod elf;
mod fault;
mod host;
mod island;
mod podman;
mod probe;
mod strace;
mod terminal;

pub(crate) use bundle::Bundle;
pub(crate) use call::{Answer, Call, Running};
pub(crate) use case::Case;
pub(crate) use cgroup::Hierarchies;
pub(crate) use docker::Docker;
pub(crate) use elf::{Entry, one_call};
pub(crate) use fault::{Fault, Outcome, eventually, has, holds, lacks, same, skip};
pub(crate) use host::{Host, in_mounts_of_ones_own};
pub(crate) use island::{Island, needs, said};
pub(crate) use podman::Podman;
pub(crate) use probe::{MountLine, Seen, no_signals};
pub(crate) use strace::needs_strace;
pub(crate) use terminal::{ConsoleSocket, Pty, read_until, type_line};
