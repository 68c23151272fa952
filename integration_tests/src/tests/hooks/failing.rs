//! Hooks that fail, hang, or are not there.

use std::fs;

use serde_json::json;

use super::{add, place, script};
use crate::harness::{Case, Outcome, has, holds, same};
use crate::tests::list;

list!["hooks":
    failing_before_the_process,
    failing_start_leaves_a_stopped_container,
    failure_stops_the_rest,
    failing_poststart_stops_the_container,
    failing_poststop_does_not_keep_it,
    timeout_ends_the_whole_group,
    killed_hook_is_a_failure,
    missing_hook,
    relative_path_is_refused,
    output_of_a_failing_hook_is_told,
];

fn failing_before_the_process(case: &Case) -> Outcome {
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
    ] {
        case.edit(|c| c["hooks"] = json!({}))?;
        add(case, kind, script("true"))?;
        add(case, kind, script("exit 3"))?;
        case.bundle.script("echo ran > /ran")?;
        let words = format!("error running {kind} hook #1:");
        let answer = case.run()?;
        answer.fails(1, &[&words])?;
        holds(
            format!("no process after {kind}"),
            !case.bundle.rootfs.join("ran").exists(),
        )?;
        case.nothing_left()?;
    }
    Ok(())
}

fn failing_start_leaves_a_stopped_container(case: &Case) -> Outcome {
    add(case, "startContainer", script("exit 3"))?;
    // At once: callers go on to delete. Often, for it would be a race.
    for _ in 0..10 {
        case.rt(&["create", &case.id])?.ok()?;
        case.rt(&["start", &case.id])?
            .fails(1, &["error running startContainer hook #0:"])?;
        case.status_is("stopped")?;
        case.rt(&["delete", &case.id])?.ok()?;
    }
    case.nothing_left()
}

fn failure_stops_the_rest(case: &Case) -> Outcome {
    let order = place(case, "prestart", "order");
    add(case, "prestart", script(&format!("echo 0 >> {order}")))?;
    add(case, "prestart", script("exit 1"))?;
    add(case, "prestart", script(&format!("echo 2 >> {order}")))?;
    add(
        case,
        "createRuntime",
        script(&format!("echo next >> {order}")),
    )?;
    case.rt(&["create", &case.id])?
        .fails(1, &["error running prestart hook #1:"])?;
    same(
        "order",
        fs::read_to_string(case.bundle.rootfs.join("order"))?,
        "0\n",
    )?;
    case.nothing_left()
}

fn failing_poststart_stops_the_container(case: &Case) -> Outcome {
    let mark = place(case, "poststop", "stopped");
    add(case, "poststart", json!({"path": "/bin/false"}))?;
    add(case, "poststop", script(&format!("echo x > {mark}")))?;
    case.bundle.script("exec sleep 600")?;
    case.run()?
        .fails(1, &["error running poststart hook #0:"])?;
    holds(
        "poststop has run",
        case.bundle.rootfs.join("stopped").exists(),
    )?;
    case.nothing_left()
}

fn failing_poststop_does_not_keep_it(case: &Case) -> Outcome {
    let order = place(case, "poststop", "order");
    add(case, "poststop", script("exit 3"))?;
    add(case, "poststop", script(&format!("echo 1 >> {order}")))?;
    case.run_asleep()?;
    let answer = case.rt(&["delete", "--force", &case.id])?;
    has(&answer.err(), "error running poststop hook #0:")?;
    case.nothing_left()
}

fn timeout_ends_the_whole_group(case: &Case) -> Outcome {
    let text = format!("sleep 60 & sleep 60; : {}", case.tag);
    add(
        case,
        "prestart",
        json!({"path": "/bin/sh", "args": ["sh", "-c", text], "timeout": 1}),
    )?;
    let call = case.call(&["run", &case.id]).limit(20);
    call.answer()?
        .fails(1, &["error running prestart hook #0:"])?;
    case.nothing_left()
}

fn killed_hook_is_a_failure(case: &Case) -> Outcome {
    add(case, "createRuntime", script("kill -KILL $$"))?;
    case.run()?
        .fails(1, &["error running createRuntime hook #0:", "killed"])?;
    case.nothing_left()
}

fn missing_hook(case: &Case) -> Outcome {
    add(case, "createRuntime", json!({"path": "/nosuch/hook"}))?;
    case.run()?.fails(
        1,
        &[
            "error running createRuntime hook #0:",
            "/nosuch/hook",
            "no such file or directory",
        ],
    )?;
    case.nothing_left()
}

fn relative_path_is_refused(case: &Case) -> Outcome {
    add(case, "createRuntime", json!({"path": "hook"}))?;
    case.run()?.fails(1, &["hook"])?;
    case.nothing_left()
}

fn output_of_a_failing_hook_is_told(case: &Case) -> Outcome {
    add(case, "prestart", script("echo why it failed >&2; exit 3"))?;
    case.run()?.fails(1, &["exit status 3", "why it failed"])
}
