//! The program against readers that share no code with the compiler.
//! The interpreter and the naive reader serve the fuzzer too, which has no use for
//! the rest.
#![cfg_attr(fuzzing, allow(dead_code, unused_imports, clippy::allow_attributes))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on has failed"
)]

#[cfg(test)]
mod actions;
#[cfg(test)]
mod faults;
mod interpreter;
#[cfg(test)]
mod kernel;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod multiplexers;
pub(super) mod naive;
#[cfg(test)]
mod names;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod precedence;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod programs;

use super::{Arch, Filter, compile};
use crate::spec::oci::LinuxSeccomp;
pub(super) use interpreter::{Data, check, run};

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_THREAD;

const fn errno(value: u32) -> u32 {
    libc::SECCOMP_RET_ERRNO | value
}

const EPERM: u32 = errno(1);
const ENOSYS: u32 = errno(38);

const DOCKER: &str = include_str!("profiles/docker.json");

fn spec(json: &str) -> LinuxSeccomp {
    serde_json::from_str(json).unwrap()
}

/// The filter for x86-64.
fn filter(json: &str) -> Filter {
    compile(&spec(json), Arch::X86_64).unwrap().unwrap()
}

/// A call as it comes from x86-64.
fn call(number: u32, args: &[u64]) -> Data {
    data(Arch::X86_64, number, args)
}

fn data(arch: Arch, number: u32, args: &[u64]) -> Data {
    let mut data = Data {
        number,
        arch: arch.audit(),
        args: [0; 6],
    };
    data.args[..args.len()].copy_from_slice(args);
    data
}

impl Filter {
    fn answer(&self, data: &Data) -> u32 {
        run(&self.program, data)
    }
}
