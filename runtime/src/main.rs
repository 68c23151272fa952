//! The program `lodge`: turns words into requests to the library, and answers
//! into output, log lines and an exit code.

#![cfg_attr(not(test), no_main)]

mod alloc;
mod args;
mod commands;
mod dispatch;
#[cfg(not(test))]
mod entry;
mod report;
mod session;
mod version;

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
    run(entry::words(count, first))
}

#[cfg(test)]
fn main() {
    run(std::env::args_os().collect())
}

#[expect(
    clippy::exit,
    reason = "it flushes stdout, which a return to the C library does not"
)]
fn run(words: Vec<OsString>) -> ! {
    // The process inside a container is this program too, under a name of its own;
    // it must not wait for anything below.
    if words.first().is_some_and(|name| name == "lodge-init") {
        libcontainer::process::init_stage_of(words.get(1).map(OsString::as_os_str));
    }
    libcontainer::process::secure_standard_streams();
    #[cfg(embedded_init)]
    libcontainer::process::use_init_image(include_bytes!(env!("LODGE_INIT_IMAGE")));
    report::hook_panics();
    let code = dispatch::run(words.into_iter());
    std::process::exit(code.into());
}
