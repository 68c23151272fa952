//! What a failure leaves: a container that goes on, or none.

use std::fs;

use serde_json::json;

use super::{ASLEEP, checkpoint, images, needs_criu, restore, run_quietly};
use crate::harness::{Case, Outcome, has, holds, same};
use crate::tests::list;

list!["checkpoint":
    only_what_runs,
    parent_paths_are_judged,
    without_criu,
    a_failed_dump_leaves_it_running,
    a_failed_restore_leaves_nothing,
    a_failed_hook_ends_a_restore,
    bad_arguments,
];

fn only_what_runs(case: &Case) -> Outcome {
    case.rt(&["checkpoint", "nosuch"])?
        .fails(1, &["container does not exist: nosuch"])?;
    case.rt(&["create", &case.id])?.ok()?;
    checkpoint(case, &[])?.fails(1, &["cannot be checkpointed in created state"])?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    checkpoint(case, &[])?.fails(1, &["cannot be checkpointed in stopped state"])
}

fn parent_paths_are_judged(case: &Case) -> Outcome {
    run_quietly(case, ASLEEP)?;
    for parent in ["/tmp", "./none"] {
        checkpoint(case, &["--parent-path", parent])?.fails(1, &["--parent-path"])?;
    }
    case.status_is("running")
}

fn without_criu(case: &Case) -> Outcome {
    run_quietly(case, ASLEEP)?;
    let dir = images(case).to_string_lossy().into_owned();
    case.call(&["checkpoint", "--image-path", &dir, &case.id])
        .env("PATH", "/nonexistent")
        .answer()?
        .fails(1, &["cannot run criu: no such file or directory"])?;
    case.status_is("running")?;
    case.destroy()?;
    fs::write(images(case).join("descriptors.json"), "[]")?;
    case.call(&["restore", "--detach", "--image-path", &dir, &case.id])
        .env("PATH", "/nonexistent")
        .answer()?
        .fails(1, &["cannot run criu: no such file or directory"])?;
    case.nothing_left()
}

fn a_failed_dump_leaves_it_running(case: &Case) -> Outcome {
    needs_criu()?;
    // A file of the host's that is no part of the container's mounts.
    let file = case.bundle.dir.join("outside");
    fs::write(&file, "")?;
    case.bundle.script(ASLEEP)?;
    let script = format!("exec \"$@\" <{} >/dev/null 2>&1", file.display());
    case.call(&["run", "--detach", &case.id])
        .under(&script)
        .answer()?
        .ok()?;
    let pid = case.pid()?;
    let answer = checkpoint(case, &[])?;
    answer.fails(1, &["criu failed: type DUMP errno "])?;
    has(&answer.err(), "level=warning")?;
    has(&answer.err(), "dump.log")?;
    case.status_is("running")?;
    same("pid", case.pid()?, pid)?;
    same("exec", case.exec_script(&[], "echo ok")?.as_str(), "ok")
}

fn a_failed_restore_leaves_nothing(case: &Case) -> Outcome {
    needs_criu()?;
    run_quietly(case, ASLEEP)?;
    checkpoint(case, &[])?.ok()?;
    fs::remove_file(images(case).join("core-1.img"))?;
    let answer = restore(case, &["--detach"])?;
    answer.fails(1, &["criu failed: type RESTORE errno "])?;
    has(&answer.err(), "restore.log")?;
    case.nothing_left()?;
    fs::remove_file(images(case).join("descriptors.json"))?;
    restore(case, &["--detach"])?.fails(1, &["descriptors.json"])?;
    case.nothing_left()
}

fn a_failed_hook_ends_a_restore(case: &Case) -> Outcome {
    needs_criu()?;
    run_quietly(case, ASLEEP)?;
    checkpoint(case, &[])?.ok()?;
    case.edit(|c| {
        c["hooks"] = json!({"createRuntime": [{"path": "/bin/false"}]});
    })?;
    restore(case, &["--detach"])?.fails(1, &["createRuntime hook #0"])?;
    case.nothing_left()?;
    case.edit(|c| c["hooks"] = json!({}))?;
    restore(case, &["--detach"])?.ok()?;
    case.status_is("running")
}

fn bad_arguments(case: &Case) -> Outcome {
    run_quietly(case, ASLEEP)?;
    for (option, value, words) in [
        ("--manage-cgroups-mode", "some", "manage-cgroups-mode"),
        ("--page-server", "here", "ADDRESS:PORT"),
        ("--empty-ns", "ipc", "is not supported"),
    ] {
        case.rt(&["checkpoint", option, value, &case.id])?
            .fails(1, &[words])?;
    }
    holds("no images", !case.bundle.dir.join("checkpoint").exists())?;
    case.status_is("running")
}
