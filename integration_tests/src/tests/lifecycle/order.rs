//! The order of the life cycle, and what each status allows.

use std::fs;

use crate::harness::config::without_namespace;
use crate::harness::{Case, Outcome, eventually, holds, same};
use crate::tests::list;

list!["lifecycle":
    run_gives_output_and_leaves_nothing,
    run_gives_the_exit_code,
    run_gives_128_and_the_signal,
    same_id_can_be_used_again,
    created_process_waits_for_start,
    second_start_is_refused,
    start_of_a_stopped_container_is_refused,
    delete_of_a_running_container_is_refused,
    delete_of_a_created_container_works,
    delete_force_of_an_unknown_id_works,
    id_in_use_is_refused,
    config_is_read_at_create_alone,
    keep_leaves_a_stopped_container,
    unknown_container,
];

fn run_gives_output_and_leaves_nothing(case: &Case) -> Outcome {
    same("output", case.run_script("echo hello")?, "hello")?;
    case.nothing_left()
}

fn run_gives_the_exit_code(case: &Case) -> Outcome {
    case.bundle.script("exit 42")?;
    case.run()?.ended(42)?;
    case.nothing_left()
}

fn run_gives_128_and_the_signal(case: &Case) -> Outcome {
    // The first process of a pid namespace cannot kill itself.
    case.edit(|c| without_namespace(c, "pid"))?;
    case.bundle.script("kill -KILL $$")?;
    case.run()?.ended(137)?;
    case.nothing_left()
}

fn same_id_can_be_used_again(case: &Case) -> Outcome {
    same("first", case.run_script("echo 1")?, "1")?;
    same("second", case.run_script("echo 2")?, "2")
}

fn created_process_waits_for_start(case: &Case) -> Outcome {
    let mark = case.bundle.rootfs.join("mark");
    case.bundle.script("echo ran > /mark; exec sleep 600")?;
    case.rt(&["create", &case.id])?.ok()?;
    case.status_is("created")?;
    holds("nothing has run before start", !mark.exists())?;
    case.rt(&["start", &case.id])?.ok()?;
    case.status_is("running")?;
    eventually("the process has run", || Ok(mark.exists()))?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    same("pid of the stopped", case.state()?["pid"].as_i64(), Some(0))?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn second_start_is_refused(case: &Case) -> Outcome {
    case.bundle.script("echo ran >> /mark; exec sleep 600")?;
    case.rt(&["create", &case.id])?.ok()?;
    case.rt(&["start", &case.id])?.ok()?;
    case.rt(&["start", &case.id])?
        .fails(1, &["cannot start an already running container"])?;
    case.status_is("running")?;
    let mark = case.bundle.rootfs.join("mark");
    let runs = || fs::read_to_string(&mark).unwrap_or_default();
    eventually("the process has run", || Ok(!runs().is_empty()))?;
    same("runs", runs().as_str(), "ran\n")
}

fn start_of_a_stopped_container_is_refused(case: &Case) -> Outcome {
    case.run_detached("exit 0")?;
    case.becomes("stopped")?;
    case.rt(&["start", &case.id])?
        .fails(1, &["cannot start a container that has stopped"])
}

fn delete_of_a_running_container_is_refused(case: &Case) -> Outcome {
    case.run_asleep()?;
    case.rt(&["delete", &case.id])?.fails(1, &["not stopped"])?;
    case.status_is("running")?;
    case.destroy()?;
    case.nothing_left()
}

fn delete_of_a_created_container_works(case: &Case) -> Outcome {
    case.rt(&["create", &case.id])?.ok()?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn delete_force_of_an_unknown_id_works(case: &Case) -> Outcome {
    let answer = case.rt(&["delete", "--force", "nobody"])?.ok()?;
    same("stdout", answer.out(), "")?;
    same("stderr", answer.err(), "")
}

fn id_in_use_is_refused(case: &Case) -> Outcome {
    case.run_asleep()?;
    let pid = case.pid()?;
    for verb in ["create", "run"] {
        case.rt(&[verb, &case.id])?
            .fails(1, &["container with given ID already exists"])?;
    }
    case.status_is("running")?;
    same("pid", case.pid()?, pid)
}

fn config_is_read_at_create_alone(case: &Case) -> Outcome {
    case.bundle.script("echo old > /mark")?;
    case.rt(&["create", &case.id])?.ok()?;
    case.bundle.script("echo new > /mark")?;
    case.rt(&["start", &case.id])?.ok()?;
    case.becomes("stopped")?;
    same(
        "written",
        fs::read_to_string(case.bundle.rootfs.join("mark"))?,
        "old\n",
    )
}

fn keep_leaves_a_stopped_container(case: &Case) -> Outcome {
    case.bundle.script("exit 3")?;
    case.rt(&["run", "--keep", &case.id])?.ended(3)?;
    case.status_is("stopped")?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn unknown_container(case: &Case) -> Outcome {
    for verb in ["start", "state", "kill", "delete", "pause", "resume", "ps"] {
        case.rt(&[verb, "nobody"])?
            .fails(1, &["container does not exist"])?;
    }
    case.rt(&["exec", "nobody", "true"])?
        .fails(255, &["container does not exist"])
}
