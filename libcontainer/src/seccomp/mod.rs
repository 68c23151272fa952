//! `linux.seccomp` of the spec, compiled to a classic BPF program.
//!
//! [`compile()`] is pure: the same profile gives the same program, on every host.
//! [`Filter::install`] is one system call of the process that becomes the
//! container's.
//!
//! # The shape of the program
//!
//! The kernel runs a new filter once for every system call number, on paper, to
//! learn which calls it always allows; those never run the filter again
//! (`seccomp_cache_prepare`, Linux 5.11). It follows loads of the number and the
//! architecture, comparisons with constants, AND and RET, and gives up at a load
//! of an argument. So the program dispatches on the architecture, then searches
//! a balanced tree over *ranges* of numbers with equal verdict, and looks at
//! arguments in the leaves alone. A range costs one comparison, a call none.
//!
//! # What a profile means where it says two things
//!
//! Profiles are written for libseccomp, which sorts rules, so neither "first
//! match" nor "last match" in the order of the list is right. For one call:
//!
//! | rules | verdict |
//! |---|---|
//! | a rule equal to the default action | is dropped first |
//! | rules without conditions | the first in the list, and no rule with conditions counts |
//! | rules with conditions | the first whose conditions all hold, in the order below |
//! | none holds | the default action |
//! | the same conditions, another action | refused; on 32-bit ABIs the first in the list |
//!
//! Order of rules with conditions, compared word by word: condition by condition
//! in the order of their argument, of each the upper 32 bits before the lower.
//!
//! 1. the higher argument first;
//! 2. `EQ`, `NE` and `MASKED_EQ`, then `LT` and `LE`, then `GT` and `GE`;
//! 3. `LT` and `LE`: the smaller word first; all others: the larger first;
//! 4. equal words that are asked in different ways (`EQ` and `MASKED_EQ`, or other
//!    masks): the one that comes first in the list, and all that begin like it;
//! 5. when all of a rule's words are equal to the beginning of another's, the
//!    shorter first: what it says is more general, and covers the other.
//!
//! Where libseccomp's program contradicts every reading of the profile (two
//! conditions for 64 bits that overlap in the upper half: it leaves the call to
//! the default action although a rule holds) this order decides alone.
//!
//! Conditions of one rule are joined by AND. When two of them name the same
//! argument, each becomes a rule of its own (OR), as runc does.
//!
//! # Calls without a rule
//!
//! - Numbers above the newest one that the profile names get `ENOSYS`, unless
//!   the default action lets calls through (ALLOW, LOG, TRACE): the profile's
//!   author did not know them, and libc falls back on `ENOSYS` alone.
//! - Architectures that the profile does not name, and x32's numbers where it
//!   does not name x32, kill the thread, as libseccomp does.
//! - Values are compared in 64 bits, on 32-bit ABIs in their low 32, as
//!   libseccomp does: there `-1` as a 64-bit value is meant to match `-1`.

mod arch;
mod assembler;
mod compile;
mod decision;
mod emit;
mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod known;
mod multiplex;
mod names;
mod precedence;
mod profile;
mod ranges;
mod raw;
mod table;
#[cfg(any(test, fuzzing))]
mod tests;

pub use arch::Arch;
pub use compile::compile;
pub use filter::{Filter, Instruction, Listener, MAX_INSTRUCTIONS};
pub use known::{
    known_actions, known_archs, known_flags, known_operators, supported_actions, supported_flags,
};
pub(crate) use profile::is_known;
pub(crate) use raw::raw;
