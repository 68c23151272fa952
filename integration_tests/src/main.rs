//! Drives the real binary as root and checks what a process inside sees.
//!
//! `LODGE` names the binary; without it the workspace's release build is taken,
//! else its debug build. `integration_tests --list` names the tests, a word
//! filters them, `--test-threads N` bounds how many run at once.
//!
//! Every test gets a bundle, a state root, an id and a cgroup of its own
//! ([`harness::Case`]), and after every test the harness looks for what it left
//! behind ([`harness::clean`]).
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the report of the run goes to the terminal"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "a JSON document answers a missing field with null"
)]

mod harness;
mod tests;

use std::process::ExitCode;

use harness::Host;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(tests::WATCHER) {
        return match tests::watch() {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => {
                eprintln!("the watcher: {fault}");
                ExitCode::FAILURE
            }
        };
    }
    let args = libtest_mimic::Arguments::from_args();
    if args.list {
        let _ = libtest_mimic::run(&args, tests::trials());
        return ExitCode::SUCCESS;
    }
    if let Err(fault) = Host::prepare() {
        eprintln!("integration_tests: {fault}");
        return ExitCode::FAILURE;
    }
    println!("testing {}", Host::get().binary.display());
    let conclusion = libtest_mimic::run(&args, tests::trials());
    let left = Host::get().finish();
    for line in &left {
        println!("left on the host: {line}");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        conclusion.num_passed, conclusion.num_failed, conclusion.num_ignored
    );
    if conclusion.has_failed() || !left.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
