//! The program `lodge`: turns words into requests to the library, and answers
//! into output, log lines and an exit code.

mod alloc;
mod args;
mod commands;
mod dispatch;
mod report;
mod session;
mod version;

use std::ffi::OsStr;

fn main() {
    // The process inside a container is this program too, under a name of its own;
    // it must not wait for anything below.
    if std::env::args_os().next().as_deref() == Some(OsStr::new("lodge-init")) {
        libcontainer::process::init_stage();
    }
    #[cfg(embedded_init)]
    libcontainer::process::use_init_image(include_bytes!(env!("LODGE_INIT_IMAGE")));
    report::hook_panics();
    let code = dispatch::run(std::env::args_os());
    std::process::exit(code.into());
}
