//! eBPF programs: instructions, and an emitter for the few that we need.

mod insn;

#[cfg(test)]
pub(crate) mod interpreter;

pub use insn::{Insn, Program};
pub(crate) use insn::{Register, Test};
