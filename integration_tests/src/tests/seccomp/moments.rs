//! When the filter is loaded, and on which processes.

use serde_json::json;

use super::{ENOSYS, GETPPID, but, program};
use crate::harness::{Case, Entry, Outcome, same};
use crate::tests::list;

list!["seccomp":
    with_and_without_no_new_privs,
    last_with_no_new_privs,
    newer_calls_refused,
    exec_has_the_filter_too,
    hook_has_the_filter_too,
];

fn with_and_without_no_new_privs(case: &Case) -> Outcome {
    // A call that no runtime makes between its last steps.
    const GETSID: u32 = 124;
    for set in [true, false] {
        case.edit(|c| {
            c["process"]["noNewPrivileges"] = json!(set);
            c["process"]["capabilities"] = json!({});
            c["linux"]["seccomp"] =
                but(&json!({"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}));
        })?;
        program(case, Entry::Native, GETSID, 0)?;
        case.run()?.ended(77)?;
    }
    Ok(())
}

/// What we need after a filter is in force must not be among the newer calls.
fn newer_calls_refused(case: &Case) -> Outcome {
    let names = [
        "close_range",
        "fsopen",
        "fsconfig",
        "fspick",
        "openat2",
        "open_tree",
        "move_mount",
        "mount_setattr",
    ];
    for no_new_privileges in [true, false] {
        let rule = json!({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS});
        case.edit(|c| {
            c["process"]["noNewPrivileges"] = json!(no_new_privileges);
            c["linux"]["seccomp"] = but(&rule);
        })?;
        same("output", case.run_script("echo ran")?, "ran")?;
        case.rt(&["create", &case.id])?.ok()?;
        case.rt(&["start", &case.id])?.ok()?;
        case.destroy()?;
    }
    Ok(())
}

/// With `no_new_privs` the filter comes after all that a profile may forbid.
fn last_with_no_new_privs(case: &Case) -> Outcome {
    let names = [
        "setuid",
        "setgid",
        "setgroups",
        "setresuid",
        "setresgid",
        "capset",
        "prctl",
        "umask",
        "chdir",
        "fchdir",
    ];
    case.edit(|c| {
        c["process"]["noNewPrivileges"] = json!(true);
        c["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [7]});
        c["linux"]["seccomp"] = but(&json!({"names": names, "action": "SCMP_ACT_KILL_PROCESS"}));
    })?;
    program(case, Entry::Native, GETPPID, 0)?;
    case.run()?.ended(0).map(drop)
}

fn exec_has_the_filter_too(case: &Case) -> Outcome {
    program(case, Entry::Native, GETPPID, 0)?;
    case.edit(|c| {
        c["linux"]["seccomp"] =
            but(&json!({"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}));
    })?;
    // The shell asks for its parent at its start and bears the refusal.
    case.edit(|c| c["process"]["args"] = json!(["/bin/sleep", "600"]))?;
    case.rt(&["run", "-d", &case.id])?.ok()?;
    case.rt(&["exec", &case.id, "/call"])?.ended(77)?;
    let out = case
        .rt(&["exec", &case.id, "grep", "^Seccomp:", "/proc/self/status"])?
        .ok()?
        .out();
    same("mode", out.as_str(), "Seccomp:\t2\n")
}

fn hook_has_the_filter_too(case: &Case) -> Outcome {
    case.edit(|c| {
        c["linux"]["seccomp"] =
            but(&json!({"names": ["getppid"], "action": "SCMP_ACT_KILL_PROCESS"}));
        c["hooks"]["startContainer"] = json!([{"path": "/call"}]);
    })?;
    program(case, Entry::Native, GETPPID, 0)?;
    case.edit(|c| c["process"]["args"] = json!(["/bin/busybox", "true"]))?;
    case.run()?.fails(
        1,
        &["error running startContainer hook #0:", "bad system call"],
    )
}
