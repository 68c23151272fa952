//! The ways to a container's process, and hosts that lack a system call on it.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Answer, Case, Outcome, eventually, holds, lacks, skip};

/// The commands that set a container up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `run`.
    Run,
    /// `create`, then `start`.
    Create,
}

/// Both.
pub(super) const WAYS: [Way; 2] = [Way::Run, Way::Create];

/// Sets the container up, lets its process end and deletes it. The answer is that
/// of the command that failed, else of the first one, which has the output.
pub(super) fn start(case: &Case, way: Way) -> Outcome<Answer> {
    let first = match way {
        Way::Run => "run",
        Way::Create => "create",
    };
    let answer = case.call(&[first, &case.id]).limit(20).answer()?;
    if way == Way::Run || answer.code != 0 {
        return Ok(answer);
    }
    let started = case.call(&["start", &case.id]).limit(20).answer()?;
    if started.code == 0 {
        case.becomes("stopped")?;
    }
    case.destroy()?;
    Ok(if started.code == 0 { answer } else { started })
}

/// It ran, or was refused in words: no signal, no panic, nothing that hangs.
#[track_caller]
pub(super) fn clean(context: &str, answer: &Answer) -> Outcome {
    let said = format!("{context}: exit {}: {}", answer.code, answer.err());
    holds(&said, answer.code < 2)?;
    holds(&said, answer.code == 0 || !answer.err().is_empty())?;
    lacks(&answer.err(), "panicked")
}

/// It was refused: whoever the runtime is, by its exit code and in words.
#[track_caller]
pub(super) fn refused(context: &str, answer: &Answer) -> Outcome {
    let said = format!("{context}: exit {}: {}", answer.code, answer.err());
    holds(
        &said,
        answer.code != 0 && answer.code < 128 + 9 || answer.code == 255,
    )?;
    holds(said, !answer.err().is_empty())
}

/// System calls that a kernel or a sandbox may lack, in groups; the first lacks
/// none.
pub(super) const LACKING: [&str; 6] = [
    "",
    "openat2",
    "fsopen",
    "open_tree",
    "mount_setattr",
    "openat2,fsopen,open_tree,move_mount,mount_setattr",
];

/// `run` where these calls are missing.
pub(super) fn run_without(case: &Case, calls: &str) -> Outcome<Answer> {
    let call = case.call(&["run", &case.id]).limit(30);
    if calls.is_empty() {
        return call.answer();
    }
    needs_strace()?;
    let script = format!(
        "exec strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:error=ENOSYS \"$@\""
    );
    call.under(&script).answer()
}

/// Ends the test as skipped where there is no strace(1).
pub(super) fn needs_strace() -> Outcome {
    if Path::new("/usr/bin/strace").exists() {
        return Ok(());
    }
    skip("strace is not installed, which takes calls away and tells them")
}

/// Whether the binary under test is ours: some tests look at more than the commands
/// that all runtimes share.
pub(super) fn is_lodge(case: &Case) -> Outcome<bool> {
    let version = case.rt(&["--version"])?.out();
    Ok(version.to_lowercase().contains("lodge"))
}

/// How often a race is tried: `LODGE_ATTACK_ROUNDS`, 100 where nothing is said.
pub(super) fn rounds() -> u32 {
    let asked = std::env::var("LODGE_ATTACK_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(100)
}

/// Takes the mounts at and below a place off the configuration.
pub(super) fn without_mounts(config: &mut Value, place: &str) {
    let below = format!("{}/", place.trim_end_matches('/'));
    if let Some(mounts) = config["mounts"].as_array_mut() {
        mounts.retain(|mount| {
            let destination = mount["destination"].as_str().unwrap_or_default();
            destination != place && !destination.starts_with(&below)
        });
    }
}

/// Waits until a file of a container's script is there.
pub(super) fn until_there(file: &Path) -> Outcome {
    eventually(&format!("{} is made", file.display()), || Ok(file.exists()))
}
