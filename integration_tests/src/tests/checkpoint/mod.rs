//! `checkpoint` and `restore`, where this host has a CRIU that works.

mod failures;
mod goes_on;
mod world;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::harness::{Answer, Case, Outcome, skip};

pub(super) fn tests() -> Vec<super::Test> {
    let mut all = goes_on::tests();
    all.extend(world::tests());
    all.extend(failures::tests());
    all
}

/// Ends the test as skipped where CRIU has a reason not to work here.
fn needs_criu() -> Outcome {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    match REASON.get_or_init(reason) {
        None => Ok(()),
        Some(reason) => skip(reason),
    }
}

fn reason() -> Option<String> {
    let mut criu = Command::new("criu");
    match criu.arg("check").output() {
        Err(error) => Some(format!("criu cannot be run: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let error = text.lines().find(|line| line.contains("Error"));
            Some(format!("criu does not work: {}", error.unwrap_or(&text)))
        }
    }
}

/// A script that goes on for good. One sleep will not do: CRIU ends the system call
/// that it finds a process in.
const ASLEEP: &str = "while :; do sleep 1; done";

/// `run --detach` of this script with nothing of the test's own open, which would
/// have no place in the images.
fn run_quietly(case: &Case, script: &str) -> Outcome {
    case.bundle.script(script)?;
    case.call(&["run", "--detach", &case.id])
        .under("exec \"$@\" </dev/null >/dev/null 2>&1")
        .answer()?
        .ok()
        .map(drop)
}

/// The images of a test.
fn images(case: &Case) -> PathBuf {
    case.bundle.dir.join("images")
}

/// `checkpoint` with the images beside the bundle, cgroups left alone.
fn checkpoint(case: &Case, options: &[&str]) -> Outcome<Answer> {
    let images = images(case).to_string_lossy().into_owned();
    let mut line = vec!["checkpoint", "--image-path", &images];
    line.extend(["--manage-cgroups-mode", "ignore"]);
    line.extend(options);
    line.push(&case.id);
    case.call(&line).limit(60).answer()
}

/// `restore` from there.
fn restore(case: &Case, options: &[&str]) -> Outcome<Answer> {
    let images = images(case).to_string_lossy().into_owned();
    let mut line = vec!["restore", "--image-path", &images];
    line.extend(["--manage-cgroups-mode", "ignore"]);
    line.extend(options);
    line.push(&case.id);
    case.call(&line).limit(60).answer()
}
