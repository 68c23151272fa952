//! Which call gets which answer.

use serde_json::{Value, json};

use super::{EACCES, ENOSYS, EPERM, GETPPID, SIGSYS, but, engines_profile, getppid_under, program};
use crate::harness::{Case, Entry, Outcome, has, same, skip};
use crate::tests::list;

list!["seccomp":
    errno_of_a_rule,
    default_errno,
    newer_than_the_profile,
    killing_actions,
    log_lets_pass,
    trace_without_a_tracer,
    operators,
    all_64_bits_are_compared,
    conditions_on_two_arguments,
    conditions_on_one_argument,
    rule_like_the_default,
    unknown_names_are_skipped,
    architectures_left_out,
    calls_of_i386,
    calls_of_x32,
    flags,
    flags_reach_the_kernel,
    refusal_that_threads_bear,
];

fn errno_of_a_rule(case: &Case) -> Outcome {
    let rule = |errno: Value| {
        but(&json!({"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno}))
    };
    same("default", getppid_under(case, rule(json!(null)))?, EPERM)?;
    same("asked", getppid_under(case, rule(json!(77)))?, 77)?;
    same(
        "zero lets it look like success",
        getppid_under(case, rule(json!(0)))?,
        0,
    )
}

fn default_errno(case: &Case) -> Outcome {
    let mut profile = engines_profile()?;
    same("default", getppid_under(case, profile.clone())?, EPERM)?;
    profile["defaultErrnoRet"] = json!(6);
    same("asked", getppid_under(case, profile)?, 6)
}

fn newer_than_the_profile(case: &Case) -> Outcome {
    let profile = engines_profile()?;
    case.edit(|c| c["linux"]["seccomp"] = profile)?;
    for number in [471, 1000] {
        program(case, Entry::Native, number, 0)?;
        case.run()?.ended(ENOSYS)?;
    }
    Ok(())
}

fn killing_actions(case: &Case) -> Outcome {
    for action in [
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_TRAP",
    ] {
        let profile = but(&json!({"names": ["getppid"], "action": action}));
        same(action, getppid_under(case, profile)?, 128 + SIGSYS)?;
    }
    Ok(())
}

fn log_lets_pass(case: &Case) -> Outcome {
    let profile = but(&json!({"names": ["getppid"], "action": "SCMP_ACT_LOG"}));
    same("log", getppid_under(case, profile)?, 0)
}

fn trace_without_a_tracer(case: &Case) -> Outcome {
    let profile = but(&json!({"names": ["getppid"], "action": "SCMP_ACT_TRACE", "errnoRet": 7}));
    same("no such call", getppid_under(case, profile)?, ENOSYS)
}

/// Whether getppid with this first argument meets this condition.
fn meets(case: &Case, conditions: &Value, argument: u64) -> Outcome<bool> {
    let rule = json!({"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": EACCES, "args": conditions});
    case.edit(|c| c["linux"]["seccomp"] = but(&rule))?;
    program(case, Entry::Native, GETPPID, argument)?;
    let code = case.run()?.code;
    same("one of the two", [0, EACCES].contains(&code), true)?;
    Ok(code == EACCES)
}

fn operators(case: &Case) -> Outcome {
    for (op, met) in [
        ("SCMP_CMP_EQ", [false, true, false]),
        ("SCMP_CMP_NE", [true, false, true]),
        ("SCMP_CMP_LT", [true, false, false]),
        ("SCMP_CMP_LE", [true, true, false]),
        ("SCMP_CMP_GT", [false, false, true]),
        ("SCMP_CMP_GE", [false, true, true]),
    ] {
        for (argument, wanted) in [4, 5, 6].into_iter().zip(met) {
            let condition = json!([{"index": 0, "value": 5, "op": op}]);
            same(
                &format!("{argument} {op} 5"),
                meets(case, &condition, argument)?,
                wanted,
            )?;
        }
    }
    let condition =
        json!([{"index": 0, "value": 0xf0, "valueTwo": 0x50, "op": "SCMP_CMP_MASKED_EQ"}]);
    for (argument, wanted) in [(0x5f, true), (0x4f, false), (0x150, true)] {
        same(
            &format!("{argument:#x} masked"),
            meets(case, &condition, argument)?,
            wanted,
        )?;
    }
    Ok(())
}

fn all_64_bits_are_compared(case: &Case) -> Outcome {
    let big = 0x1_0000_0005_u64;
    let equal = json!([{"index": 0, "value": 5, "op": "SCMP_CMP_EQ"}]);
    same("high bits count", meets(case, &equal, big)?, false)?;
    let equal = json!([{"index": 0, "value": big, "op": "SCMP_CMP_EQ"}]);
    same("equal", meets(case, &equal, big)?, true)?;
    same("low bits alone", meets(case, &equal, 5)?, false)?;
    let greater = json!([{"index": 0, "value": 9, "op": "SCMP_CMP_GT"}]);
    same(
        "greater by the high bits",
        meets(case, &greater, big)?,
        true,
    )
}

fn conditions_on_two_arguments(case: &Case) -> Outcome {
    // All must be met; the second argument is always 0.
    let both = json!([
        {"index": 0, "value": 5, "op": "SCMP_CMP_EQ"},
        {"index": 1, "value": 0, "op": "SCMP_CMP_EQ"},
    ]);
    same("both", meets(case, &both, 5)?, true)?;
    let one = json!([
        {"index": 0, "value": 5, "op": "SCMP_CMP_EQ"},
        {"index": 1, "value": 7, "op": "SCMP_CMP_EQ"},
    ]);
    same("one", meets(case, &one, 5)?, false)
}

fn conditions_on_one_argument(case: &Case) -> Outcome {
    // Two on the same argument are two rules.
    let either = json!([
        {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
        {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"},
    ]);
    for (argument, wanted) in [(1, true), (2, true), (3, false)] {
        same(
            &argument.to_string(),
            meets(case, &either, argument)?,
            wanted,
        )?;
    }
    Ok(())
}

fn rule_like_the_default(case: &Case) -> Outcome {
    let profile = but(&json!({"names": ["getppid", "bdflush"], "action": "SCMP_ACT_ALLOW"}));
    same("allowed", getppid_under(case, profile)?, 0)
}

fn unknown_names_are_skipped(case: &Case) -> Outcome {
    let profile = but(&json!({"names": ["no_such_call", "getppid"], "action": "SCMP_ACT_ERRNO"}));
    same("the known one", getppid_under(case, profile)?, EPERM)?;
    let answer = case.rt(&["--debug", "run", &case.id])?;
    has(
        &answer.err(),
        "unknown system call \\\"no_such_call\\\" is ignored",
    )?;
    same(
        "for debugging alone",
        answer.err().contains("level=warning"),
        false,
    )
}

fn architectures_left_out(case: &Case) -> Outcome {
    for architectures in [json!(null), json!([])] {
        let mut profile = but(&json!({"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}));
        profile["architectures"] = architectures;
        same("native", getppid_under(case, profile.clone())?, EPERM)?;
        if let Some(profile) = profile.as_object_mut() {
            profile.remove("architectures");
        }
        same("native", getppid_under(case, profile)?, EPERM)?;
    }
    Ok(())
}

fn calls_of_i386(case: &Case) -> Outcome {
    const GETPPID_I386: u32 = 64;
    case.edit(|c| c["linux"]["seccomp"] = json!(null))?;
    program(case, Entry::I386, GETPPID_I386, 0)?;
    if case.run()?.code != 0 {
        return skip("needs a kernel that takes i386 calls");
    }
    let mut profile =
        but(&json!({"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}));
    profile["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
    case.edit(|c| c["linux"]["seccomp"] = profile.clone())?;
    case.run()?.ended(77)?;
    // An architecture that is not on the list is killed.
    profile["architectures"] = json!(["SCMP_ARCH_X86_64"]);
    case.edit(|c| c["linux"]["seccomp"] = profile)?;
    case.run()?.ended(128 + SIGSYS).map(drop)
}

fn calls_of_x32(case: &Case) -> Outcome {
    // The kernel may not have them, but the filter comes first.
    const X32: u32 = 0x4000_0000;
    program(case, Entry::Native, X32 | GETPPID, 0)?;
    let mut profile =
        but(&json!({"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}));
    profile["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"]);
    case.edit(|c| c["linux"]["seccomp"] = profile)?;
    case.run()?.ended(77).map(drop)
}

fn flags(case: &Case) -> Outcome {
    for flags in [
        json!([]),
        json!(["SECCOMP_FILTER_FLAG_LOG"]),
        json!(["SECCOMP_FILTER_FLAG_TSYNC"]),
        json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]),
    ] {
        let mut profile =
            but(&json!({"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}));
        profile["flags"] = flags;
        same("errno", getppid_under(case, profile)?, 77)?;
    }
    Ok(())
}

fn flags_reach_the_kernel(case: &Case) -> Outcome {
    for (flag, seen) in [
        ("SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_LOG"),
        (
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        ),
    ] {
        let mut profile = but(&json!({"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}));
        profile["flags"] = json!([flag]);
        program(case, Entry::Native, GETPPID, 0)?;
        case.edit(|c| c["linux"]["seccomp"] = profile)?;
        let (_, lines) = case.traced(&["run", &case.id], &["trace=seccomp"])?;
        let filter = lines
            .iter()
            .find(|line| line.contains("SECCOMP_SET_MODE_FILTER"));
        let filter = filter.map(String::as_str).unwrap_or_default();
        has(filter, seen)?;
    }
    // It belongs to a listener, and is 32.
    let mut profile = but(&json!({"names": ["getppid"], "action": "SCMP_ACT_NOTIFY"}));
    profile["flags"] = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
    let path = case.bundle.dir.join("agent");
    let _listener = std::os::unix::net::UnixListener::bind(&path)?;
    profile["listenerPath"] = json!(path);
    // Another call than the one that would wait for the agent.
    program(case, Entry::Native, 124, 0)?;
    case.edit(|c| c["linux"]["seccomp"] = profile)?;
    let (_, lines) = case.traced(&["run", &case.id], &["trace=seccomp"])?;
    let text = lines.join("\n");
    has(&text, "NEW_LISTENER")?;
    crate::harness::holds(
        &text,
        text.contains("0x20") || text.contains("WAIT_KILLABLE_RECV"),
    )
}

/// The C library takes ENOSYS for a sign to use clone(2), any other error for the
/// end (moby's profile has had either).
fn refusal_that_threads_bear(case: &Case) -> Outcome {
    const CLONE3: u32 = 435;
    let mut profile = engines_profile()?;
    for rule in profile["syscalls"].as_array_mut().into_iter().flatten() {
        if let Some(names) = rule["names"].as_array_mut() {
            names.retain(|name| name != "clone3");
        }
    }
    if let Some(rules) = profile["syscalls"].as_array_mut() {
        rules.push(json!({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS}));
    }
    program(case, Entry::Native, CLONE3, 0)?;
    case.edit(|c| c["linux"]["seccomp"] = profile)?;
    case.run()?.ended(ENOSYS).map(drop)
}
