//! The program `lodge-init`: the process inside a container, and nothing else.
//!
//! It is the image that `lodge` seals for each container, when the build put it
//! there (`hack/build-static` does): a small one is copied, started and kept at
//! a fraction of the cost of the whole program. Without it `lodge` seals itself.

#![cfg_attr(not(test), no_main)]

mod alloc;
#[cfg(not(test))]
mod entry;

use std::ffi::OsString;

/// The C entry point; see [`entry`].
#[cfg(not(test))]
#[expect(unsafe_code, reason = "the name that the C library calls")]
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
extern "C" fn main(
    count: std::ffi::c_int,
    first: *const *const std::ffi::c_char,
) -> std::ffi::c_int {
    run(&entry::words(count, first))
}

#[cfg(test)]
fn main() {
    run(&std::env::args_os().collect::<Vec<_>>())
}

fn run(words: &[OsString]) -> ! {
    libcontainer::process::init_stage_of(words.get(1).map(OsString::as_os_str))
}
