//! Seccomp filters, by programs that make one call and exit with its error.

mod annotated;
mod listener;
mod moments;
mod refusals;
mod verdicts;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Case, Entry, Fault, Outcome, one_call};

pub(super) fn tests() -> Vec<super::Test> {
    [
        verdicts::tests(),
        moments::tests(),
        listener::tests(),
        refusals::tests(),
        annotated::tests(),
    ]
    .concat()
}

/// getppid(2) changes nothing and never fails by itself.
const GETPPID: u32 = 110;
const EPERM: i32 = 1;
const EACCES: i32 = 13;
const ENOSYS: i32 = 38;
const SIGSYS: i32 = 31;

/// Puts a program that makes this call at `/call`.
fn program(case: &Case, entry: Entry, number: u32, first: u64) -> Outcome {
    let path = case.bundle.rootfs.join("call");
    let _ = fs::remove_file(&path);
    fs::write(&path, one_call(entry, number, first, 0))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    case.edit(|c| c["process"]["args"] = json!(["/call"]))
}

/// What getppid(2) gives under this profile.
#[track_caller]
fn getppid_under(case: &Case, profile: Value) -> Outcome<i32> {
    program(case, Entry::Native, GETPPID, 0)?;
    case.edit(|c| c["linux"]["seccomp"] = profile)?;
    let answer = case.run()?;
    if answer.err().contains("level=error") {
        return Err(Fault::failed(answer.err()));
    }
    Ok(answer.code)
}

/// All is allowed but what this rule says.
fn but(rule: &Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [rule]})
}

/// The profile of the engine's fixture, which denies by default and knows no getppid.
fn engines_profile() -> Outcome<Value> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/docker.json");
    let config: Value = serde_json::from_slice(&fs::read(file)?)?;
    let mut profile = config["linux"]["seccomp"].clone();
    for rule in profile["syscalls"].as_array_mut().into_iter().flatten() {
        if let Some(names) = rule["names"].as_array_mut() {
            names.retain(|name| name != "getppid");
        }
    }
    Ok(profile)
}
