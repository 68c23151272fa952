//! What a process of exec has of its document, of the container, and not of the
//! caller.

use std::fs;

use serde_json::{Value, json};

use crate::harness::config::{with_namespace, with_user};
use crate::harness::{Case, Outcome, eventually, has, holds, same};
use crate::tests::list;

list!["exec":
    groups_of_the_containers_process,
    document_without_an_environment,
    limits_are_not_the_callers,
    scheduling_of_the_document,
    time_namespace,
    environment_given_twice,
    directory_that_only_one_may_enter,
    at_once_after_start,
    huge_error_that_nobody_reads,
    null_groups_and_umask_of_the_document,
];

fn document(case: &Case, process: &Value) -> Outcome<String> {
    let file = case.bundle.dir.join("process.json");
    fs::write(&file, process.to_string())?;
    Ok(file.to_string_lossy().into_owned())
}

/// Those of the process as it is configured, or as its own document says; none of
/// the caller's.
fn groups_of_the_containers_process(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["user"] = json!({"uid": 0, "gid": 0, "additionalGids": [5, 7]}))?;
    case.run_asleep()?;
    let line = ["grep", "^Groups", "/proc/self/status"];
    let process =
        json!({"user": {"uid": 1000, "gid": 1000}, "args": line, "env": ["PATH=/bin"], "cwd": "/"});
    let file = document(case, &process)?;
    let call = case.call(&["exec", "-p", &file, &case.id]);
    let call = call.under("exec setpriv --groups 8,9 -- \"$@\"");
    same(
        "of a document",
        call.answer()?.ok()?.out().trim(),
        "Groups:",
    )
}

fn document_without_an_environment(case: &Case) -> Outcome {
    case.run_asleep()?;
    for env in [json!(null), json!([]), json!(["HOME="])] {
        let process = json!({"user": {"uid": 1000, "gid": 1000}, "args": ["/bin/env"], "env": env, "cwd": "/"});
        let file = document(case, &process)?;
        let out = case.rt(&["exec", "-p", &file, &case.id])?.ok()?.out();
        same("environment", out.as_str(), "HOME=/home/bob\n")?;
    }
    Ok(())
}

fn limits_are_not_the_callers(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]);
    })?;
    case.run_asleep()?;
    for limit in ["20", "60", "500"] {
        let line = [
            "exec",
            case.id.as_str(),
            "sh",
            "-c",
            "ulimit -Sn; ulimit -Hn",
        ];
        let call = case
            .call(&line)
            .under(&format!("ulimit -Sn {limit}; exec \"$@\""));
        same(limit, call.answer()?.ok()?.out().as_str(), "77\n88\n")?;
    }
    Ok(())
}

fn scheduling_of_the_document(case: &Case) -> Outcome {
    case.run_asleep()?;
    let process = json!({
        "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"], "cwd": "/",
        "args": ["/bin/sh", "-c", "ionice -p $$; cut -d' ' -f19,41 /proc/$$/stat"],
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6},
        "scheduler": {"policy": "SCHED_BATCH", "nice": 5},
    });
    let file = document(case, &process)?;
    let out = case.rt(&["exec", "-p", &file, &case.id])?.ok()?.out();
    has(&out, "best-effort: prio 6")?;
    has(&out, "\n5 3")
}

fn time_namespace(case: &Case) -> Outcome {
    case.edit(|c| {
        with_namespace(c, "time", None);
        c["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1_000_000}});
    })?;
    case.run_asleep()?;
    for _ in 0..2 {
        let out = case.exec_script(&[], "cut -d. -f1 /proc/uptime")?;
        holds(format!("uptime {out}"), out.parse::<u64>()? > 1_000_000)?;
    }
    same(
        "namespace",
        case.exec_script(&[], "readlink /proc/self/ns/time; readlink /proc/1/ns/time")?
            .lines()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        1,
    )
}

fn environment_given_twice(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["env"] = json!(["PATH=/bin", "A=1", "A=2", "HOME=/"]))?;
    case.run_asleep()?;
    let line = ["exec", "--env", "A=3", "--env", "A=4", &case.id, "env"];
    let out = case.rt(&line)?.ok()?.out();
    let all: Vec<&str> = out.lines().filter(|line| line.starts_with("A=")).collect();
    same("A", all, vec!["A=4"])
}

fn directory_that_only_one_may_enter(case: &Case) -> Outcome {
    let of_user = case.bundle.rootfs.join("home/bob");
    std::os::unix::fs::chown(&of_user, Some(1000), Some(1000))?;
    for dir in [&of_user, &case.bundle.rootfs.join("root")] {
        fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    }
    // Root of the container has no right that goes over the modes.
    case.edit(|c| c["process"]["capabilities"] = json!({}))?;
    case.run_asleep()?;
    for dir in ["/home/bob", "/root"] {
        let line = [
            "exec",
            "--cwd",
            dir,
            "-u",
            "1000:1000",
            &case.id,
            "readlink",
            "/proc/self/cwd",
        ];
        same("cwd", case.rt(&line)?.ok()?.out().trim(), dir)?;
    }
    Ok(())
}

/// The program may not run yet when start has returned.
fn at_once_after_start(case: &Case) -> Outcome {
    for _ in 0..20 {
        case.bundle.script("exec sleep 600")?;
        case.rt(&["create", &case.id])?.ok()?;
        case.rt(&["start", &case.id])?.ok()?;
        same("output", case.exec_script(&[], "echo in")?.as_str(), "in")?;
        case.destroy()?;
    }
    // One that ends at once is stopped, or still there.
    case.bundle.script("true")?;
    for _ in 0..20 {
        case.rt(&["create", &case.id])?.ok()?;
        case.rt(&["start", &case.id])?.ok()?;
        let answer = case.exec(&[], "echo in")?;
        if answer.code != 0 {
            // Killed with its namespace, or refused.
            holds(
                format!("exit {}: {}", answer.code, answer.err()),
                answer.code == 137 || answer.code == 255,
            )?;
        }
        case.destroy()?;
    }
    case.nothing_left()
}

/// More than a pipe holds.
fn huge_error_that_nobody_reads(case: &Case) -> Outcome {
    let name = "x".repeat(100_000);
    case.run_asleep()?;
    let unread = "mkfifo err; exec 9<>err; exec \"$@\" 2>err";
    let line = ["exec", case.id.as_str(), &name];
    case.call(&line)
        .under(unread)
        .limit(10)
        .answer()?
        .ended(255)?;
    let other = case.another()?;
    other.edit(|c| c["process"]["args"] = json!([format!("/{name}")]))?;
    for verb in ["create", "run"] {
        let call = other.call(&[verb, &other.id]).under(unread).limit(10);
        call.answer()?.ended(1)?;
        fs::remove_file(other.bundle.dir.join("err"))?;
    }
    eventually("the other left nothing", || {
        Ok(!fs::exists(other.state_root.join(&other.id))?)
    })
}

fn null_groups_and_umask_of_the_document(case: &Case) -> Outcome {
    case.edit(|c| with_user(c, 0, 0))?;
    case.run_asleep()?;
    let process = json!({
        "user": {"uid": 1000, "gid": 1001, "additionalGids": null, "umask": 0o77},
        "args": ["/bin/sh", "-c", "umask; id -G"], "env": ["PATH=/bin"], "cwd": "/",
    });
    let file = document(case, &process)?;
    let out = case.rt(&["exec", "-p", &file, &case.id])?.ok()?.out();
    same("umask and groups", out.as_str(), "0077\n1001\n")
}
