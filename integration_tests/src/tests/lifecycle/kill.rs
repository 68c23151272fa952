//! kill, pause and resume.

use std::fs;

use crate::harness::config::without_namespace;
use crate::harness::{Case, Hierarchies, Outcome, eventually, holds, same, skip};
use crate::tests::list;

list!["lifecycle":
    kill_takes_names_and_numbers,
    kill_sends_term_by_default,
    unknown_signals_are_refused,
    kill_of_a_stopped_container,
    kill_of_a_created_container,
    term_of_a_created_container,
    kill_ends_all_without_a_pid_namespace,
    kill_with_0_asks_whether_it_runs,
    delete_ends_all_when_init_is_gone,
    delete_force_ends_all_when_init_is_gone,
    pause_and_resume,
    delete_force_of_a_paused_container,
    kill_of_a_paused_container,
    nobody_else_with_its_pid_is_hit,
    delete_removes_sub_cgroups,
    by_a_pattern,
    bad_pattern_is_refused,
];

/// A process that notes every signal in `/mark`.
const NOTING: &str = "for s in HUP USR1 USR2 TERM CONT; do trap \"echo $s >> /mark\" $s; done; \
    echo ready > /mark; while :; do usleep 10000; done";

fn noted(case: &Case, word: &str) -> Outcome {
    let mark = case.bundle.rootfs.join("mark");
    eventually(word, || {
        let text = fs::read_to_string(&mark).unwrap_or_default();
        Ok(text.lines().next_back() == Some(word))
    })
}

fn kill_takes_names_and_numbers(case: &Case) -> Outcome {
    case.run_detached(NOTING)?;
    noted(case, "ready")?;
    for (argument, name) in [
        ("TERM", "TERM"),
        ("SIGUSR1", "USR1"),
        ("usr2", "USR2"),
        ("1", "HUP"),
        ("sigcont", "CONT"),
        ("10", "USR1"),
    ] {
        case.rt(&["kill", &case.id, argument])?.ok()?;
        noted(case, name)?;
    }
    Ok(())
}

fn kill_sends_term_by_default(case: &Case) -> Outcome {
    case.run_detached(NOTING)?;
    noted(case, "ready")?;
    case.rt(&["kill", &case.id])?.ok()?;
    noted(case, "TERM")
}

fn unknown_signals_are_refused(case: &Case) -> Outcome {
    case.run_detached(NOTING)?;
    noted(case, "ready")?;
    for argument in ["NOSUCH", "0x9", "65", "200", "", "SIG", "SIGSIGTERM"] {
        case.rt(&["kill", &case.id, argument])?
            .fails(1, &["signal"])?;
    }
    // A number below zero is an option of the command line's.
    case.rt(&["kill", &case.id, "-1"])?.ended(1)?;
    case.rt(&["kill", "--", &case.id, "-1"])?
        .fails(1, &["signal"])?;
    case.status_is("running")?;
    noted(case, "ready")
}

fn kill_of_a_stopped_container(case: &Case) -> Outcome {
    case.run_detached("exit 0")?;
    case.becomes("stopped")?;
    case.rt(&["kill", &case.id, "TERM"])?
        .fails(1, &["container not running"])?;
    case.rt(&["kill", "--all", &case.id, "TERM"])?
        .ok()
        .map(drop)
}

fn kill_of_a_created_container(case: &Case) -> Outcome {
    case.rt(&["create", &case.id])?.ok()?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn term_of_a_created_container(case: &Case) -> Outcome {
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        case.rt(&["create", &case.id])?.ok()?;
        case.rt(&["kill", &case.id, signal])?.ok()?;
        case.becomes("stopped")?;
        case.rt(&["delete", &case.id])?.ok()?;
    }
    // The program itself is as it was: such a signal does not end it.
    case.run_asleep()?;
    case.rt(&["kill", &case.id, "TERM"])?.ok()?;
    case.status_is("running")
}

fn kill_ends_all_without_a_pid_namespace(case: &Case) -> Outcome {
    case.edit(|c| without_namespace(c, "pid"))?;
    case.run_detached("sleep 600 & sleep 600 & echo ready > /mark; wait")?;
    noted(case, "ready")?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    eventually("all of its processes are gone", || {
        Ok(crate::harness::clean::processes(&case.tag).is_empty())
    })?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn kill_with_0_asks_whether_it_runs(case: &Case) -> Outcome {
    case.run_detached(NOTING)?;
    noted(case, "ready")?;
    case.rt(&["kill", &case.id, "0"])?.ok()?;
    noted(case, "ready")?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    case.rt(&["kill", &case.id, "0"])?
        .fails(1, &["container not running"])
}

fn delete_ends_all_when_init_is_gone(case: &Case) -> Outcome {
    case.edit(|c| without_namespace(c, "pid"))?;
    case.run_detached("sleep 600 & exit 0")?;
    case.becomes("stopped")?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn delete_force_ends_all_when_init_is_gone(case: &Case) -> Outcome {
    case.edit(|c| without_namespace(c, "pid"))?;
    case.run_detached("sleep 600 & exit 0")?;
    case.becomes("stopped")?;
    case.destroy()?;
    case.nothing_left()
}

fn need_freezer() -> Outcome {
    let hierarchies = Hierarchies::read()?;
    if hierarchies.controller("freezer").is_none() && !hierarchies.unified() {
        return skip("needs a freezer");
    }
    Ok(())
}

fn pause_and_resume(case: &Case) -> Outcome {
    need_freezer()?;
    case.run_detached("while :; do echo x >> /ticks; usleep 1000; done")?;
    let ticks = case.bundle.rootfs.join("ticks");
    eventually("it ticks", || Ok(ticks.exists()))?;
    case.rt(&["pause", &case.id])?.ok()?;
    case.status_is("paused")?;
    let before = fs::metadata(&ticks)?.len();
    case.exec(&[], "true")?
        .fails(255, &["cannot exec in a paused container"])?;
    same("ticks while paused", fs::metadata(&ticks)?.len(), before)?;
    case.rt(&["resume", &case.id])?.ok()?;
    case.status_is("running")?;
    eventually(
        "it ticks again",
        || Ok(fs::metadata(&ticks)?.len() > before),
    )?;
    holds(
        "exec works again",
        case.exec_script(&[], "echo in")? == "in",
    )
}

fn delete_force_of_a_paused_container(case: &Case) -> Outcome {
    need_freezer()?;
    case.run_asleep()?;
    case.rt(&["pause", &case.id])?.ok()?;
    case.destroy()?;
    case.nothing_left()
}

/// On cgroup v1 a frozen process cannot even be killed.
fn kill_of_a_paused_container(case: &Case) -> Outcome {
    need_freezer()?;
    case.run_asleep()?;
    case.rt(&["pause", &case.id])?.ok()?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

/// A pid namespace, in which the next pid can be chosen: the container's own is
/// given to another process once it is free.
const REUSE: &str = r#"exec unshare --pid --fork --mount-proc bash -c '
    lodge=("${@:1:3}"); id=$4
    "${lodge[@]}" run --detach "$id" </dev/null >/dev/null 2>&1 || exit 90
    pid=$("${lodge[@]}" state "$id" | tr -d " ," | sed -n "s/^\"pid\"://p")
    kill -KILL "$pid"; while [ -e "/proc/$pid" ]; do sleep 0.01; done
    for n in 1 2 3 4 5 6 7 8 9; do
        echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid
        sleep 600 & other=$!
        [ "$other" = "$pid" ] && break
        kill "$other"; wait "$other" 2>/dev/null
    done
    [ "$other" = "$pid" ] || exit 91
    "${lodge[@]}" state "$id" | grep -c "\"status\": \"stopped\""
    "${lodge[@]}" kill "$id" KILL 2>&1 | grep -c "container not running"
    "${lodge[@]}" exec "$id" true 2>&1 | grep -c "cannot exec in a stopped container"
    "${lodge[@]}" delete "$id" && echo deleted
    kill -0 "$other" && echo lives
    kill -KILL "$other"' bash "$@""#;

fn nobody_else_with_its_pid_is_hit(case: &Case) -> Outcome {
    for own_pid_namespace in [true, false] {
        if !own_pid_namespace {
            case.edit(|c| without_namespace(c, "pid"))?;
        }
        case.bundle.script("exec sleep 600")?;
        let answer = case.call(&[&case.id]).under(REUSE).answer()?.ok()?;
        // Without a pid namespace the signal is for whatever is left of it.
        let told = u8::from(own_pid_namespace);
        let wanted = format!("1\n{told}\n1\ndeleted\nlives\n");
        same("answers", answer.out(), wanted)?;
        case.nothing_left()?;
    }
    Ok(())
}

fn delete_removes_sub_cgroups(case: &Case) -> Outcome {
    case.run_asleep()?;
    for point in Hierarchies::read()?.all() {
        let own = point.join(case.cgroup.trim_start_matches('/'));
        if own.is_dir() {
            fs::create_dir_all(own.join("a/b"))?;
        }
    }
    case.destroy()?;
    case.nothing_left()
}

fn by_a_pattern(case: &Case) -> Outcome {
    let other = case.another()?;
    case.run_asleep()?;
    other.run_asleep()?;
    // The ids are c-TAG and dN-TAG.
    let both = format!("^[cd][0-9]*-{}$", case.tag);
    let none = format!("^x-{}", case.tag);
    case.rt(&["kill", "--regex", &none, "KILL"])?.ok()?;
    case.status_is("running")?;
    case.rt(&["kill", "-r", &both, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    other.becomes("stopped")?;
    case.rt(&["delete", "--regex", &both])?.ok()?;
    case.nothing_left()?;
    case.run_asleep()?;
    other.run_asleep()?;
    // All are tried, and one that fails is told.
    case.rt(&["delete", "--regex", &both])?
        .fails(1, &["that is not stopped"])?;
    case.rt(&["delete", "-f", "--regex", &both])?.ok()?;
    case.nothing_left()
}

fn bad_pattern_is_refused(case: &Case) -> Outcome {
    case.rt(&["delete", "--regex", "["])?
        .fails(1, &["--regex: bad pattern", "unclosed"])
}
