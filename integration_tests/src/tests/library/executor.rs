//! An executor in place of execve(2): the example's scripts of three words.

use std::fs;

use serde_json::json;

use super::example;
use crate::harness::{Answer, Case, Outcome, eventually, has, lacks, same};
use crate::tests::list;

list!("library":
    executor_runs_a_program,
    executor_program_is_confined,
    executor_program_of_a_user_keeps_the_ambient_set,
    executor_failure_is_the_starts,
    executor_failure_of_the_program,
    executor_of_a_created_container,
    executor_of_exec,
    executor_leaves_other_programs_alone,
);

/// The program of the container is this file.
pub(in crate::tests) fn program(case: &Case, text: &str) -> Outcome {
    fs::write(case.bundle.rootfs.join("main.words"), text)?;
    case.edit(|config| config["process"]["args"] = json!(["/main.words"]))
}

#[track_caller]
fn call(case: &Case, command: &str, rest: &[&str]) -> Outcome<Answer> {
    let state = case.state_root.to_string_lossy().into_owned();
    let line: Vec<&str> = [command, &state]
        .into_iter()
        .chain(rest.iter().copied())
        .collect();
    case.call_alone(&line).of(example("executor")?).answer()
}

#[track_caller]
pub(in crate::tests) fn run(case: &Case) -> Outcome<Answer> {
    call(case, "run", &[&case.bundle.dir.to_string_lossy(), &case.id])
}

fn executor_runs_a_program(case: &Case) -> Outcome {
    program(
        case,
        "say hello\nshow /proc/sys/kernel/hostname\nexit 7\nsay too late\n",
    )?;
    case.edit(|config| config["hostname"] = json!("inside"))?;
    let answer = run(case)?;
    same("exit code", answer.code, 7)?;
    same("output", answer.out().as_str(), "hello\ninside\n")
}

/// What an exec would have brought, and the filter.
fn executor_program_is_confined(case: &Case) -> Outcome {
    program(case, "show /proc/self/status\nshow /proc/self/mountinfo\n")?;
    case.edit(|config| {
        config["process"]["noNewPrivileges"] = json!(true);
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]
        });
    })?;
    let out = run(case)?.ok()?.out();
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "NSpid:\t1"] {
        has(&out, line)?;
    }
    lacks(&out, &case.state_root.to_string_lossy())
}

fn executor_program_of_a_user_keeps_the_ambient_set(case: &Case) -> Outcome {
    program(case, "show /proc/self/status\n")?;
    case.edit(|config| {
        config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        config["process"]["capabilities"] = json!({
            "bounding": ["CAP_KILL", "CAP_CHOWN"],
            "permitted": ["CAP_KILL", "CAP_CHOWN"],
            "effective": ["CAP_KILL", "CAP_CHOWN"],
            "inheritable": ["CAP_KILL"],
            "ambient": ["CAP_KILL"]
        });
    })?;
    let out = run(case)?.ok()?.out();
    for line in [
        "Uid:\t1000\t1000\t1000\t1000",
        "CapPrm:\t0000000000000020",
        "CapEff:\t0000000000000020",
    ] {
        has(&out, line)?;
    }
    Ok(())
}

fn executor_failure_is_the_starts(case: &Case) -> Outcome {
    for (text, reason) in [
        ("sing\n", "exec /main.words: no command: sing"),
        ("say x\nexit 300\n", "exec /main.words: no exit status: 300"),
    ] {
        program(case, text)?;
        let answer = run(case)?;
        same("exit code", answer.code, 1)?;
        has(&answer.err(), reason)?;
        same("output", answer.out().as_str(), "")?;
        case.nothing_left()?;
    }
    Ok(())
}

fn executor_failure_of_the_program(case: &Case) -> Outcome {
    program(case, "say first\nshow /none\n")?;
    let answer = run(case)?;
    same("exit code", answer.code, 1)?;
    same("output", answer.out().as_str(), "first\n")?;
    same(
        "errors",
        answer.err().as_str(),
        "/none: No such file or directory (os error 2)\n",
    )
}

/// The gate is the runtime's `start`, which knows nothing of the executor.
fn executor_of_a_created_container(case: &Case) -> Outcome {
    let create = || {
        call(
            case,
            "create",
            &[&case.bundle.dir.to_string_lossy(), &case.id],
        )
    };
    program(case, "say started\nexit 3\n")?;
    let answer = create()?.ok()?;
    case.status_is("created")?;
    same("output before the start", answer.out().as_str(), "")?;
    case.rt(&["start", &case.id])?.ok()?;
    eventually("output", || Ok(answer.out() == "started\n"))?;
    case.becomes("stopped")?;
    case.destroy()?;
    program(case, "sing\n")?;
    create()?.ok()?;
    let failed = case.rt(&["start", &case.id])?;
    same("exit code", failed.code, 1)?;
    has(&failed.err(), "exec /main.words: no command: sing")
}

fn executor_of_exec(case: &Case) -> Outcome {
    program(case, "say unused\n")?;
    case.run_asleep()?;
    let exec = |word: &str| call(case, "exec", &[&case.id, word]);
    fs::write(
        case.bundle.rootfs.join("other.words"),
        "say inside\nshow /proc/self/cgroup\nexit 9\n",
    )?;
    let answer = exec("/other.words")?;
    same("exit code", answer.code, 9)?;
    has(&answer.out(), "inside\n")?;
    has(&answer.out(), &case.tag)?;
    let failed = exec("/none.words")?;
    has(&failed.err(), "exec /none.words: No such file or directory")
}

fn executor_leaves_other_programs_alone(case: &Case) -> Outcome {
    case.bundle.script("echo shell; exit 4")?;
    let answer = run(case)?;
    same("exit code", answer.code, 4)?;
    same("output", answer.out().as_str(), "shell\n")
}
