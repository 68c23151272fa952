//! Our own processes that stay: what they have given up.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::foreground::on;
use super::with_terminal;
use crate::harness::{Case, Outcome, Pty, Running, eventually, has, read_until, same};
use crate::tests::list;

list!["terminal":
    jailed_run_deletes_its_container,
    jailed_run_with_a_terminal,
    jailed_exec,
    jailed_events,
    kept_container_needs_no_keeper,
    killed_run_leaves_its_container_running,
    jailed_run_ends_what_its_program_left,
    killed_keeper_is_told_of,
];

const KILL_ALONE: &str = "0000000000000020";
const NONE: &str = "0000000000000000";

fn status(pid: Pid, key: &str) -> Outcome<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    Ok(line
        .unwrap_or_default()
        .trim_start_matches(':')
        .trim()
        .to_owned())
}

fn is_jailed(pid: Pid, capabilities: &str) -> Outcome {
    eventually("a filter", || Ok(status(pid, "Seccomp")? == "2"))?;
    for set in ["CapPrm", "CapEff"] {
        same(set, status(pid, set)?.as_str(), capabilities)?;
    }
    for set in ["CapInh", "CapAmb"] {
        same(set, status(pid, set)?.as_str(), NONE)?;
    }
    same("NoNewPrivs", status(pid, "NoNewPrivs")?.as_str(), "1")
}

fn children(pid: Pid) -> Outcome<Vec<i32>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect())
}

/// The child of a foreground command that is not the container's init.
fn keeper(case: &Case, running: &Running) -> Outcome<Vec<i32>> {
    let init = case.pid()?;
    Ok(children(running.pid())?
        .into_iter()
        .filter(|pid| *pid != init)
        .collect())
}

fn jailed_run_deletes_its_container(case: &Case) -> Outcome {
    case.edit(|c| {
        c["hooks"]["poststop"] = json!([{"path": "/bin/sh", "args": ["sh", "-c",
            "grep ^CapEff /proc/self/status > poststop"]}]);
    })?;
    case.bundle
        .script("trap 'echo term; exit 5' TERM; echo ready; while :; do usleep 10000; done")?;
    let running = case.call(&["run", &case.id]).spawn()?;
    eventually("ready", || Ok(running.out().contains("ready")))?;
    is_jailed(running.pid(), KILL_ALONE)?;
    // Of another user, which CAP_KILL is kept for.
    kill(running.pid(), Signal::SIGTERM)?;
    has(&running.answer()?.ended(5)?.out(), "term")?;
    let rights = std::fs::read_to_string(case.bundle.dir.join("poststop"))?;
    let own = std::fs::read_to_string("/proc/self/status")?;
    has(&own, rights.trim())?;
    case.nothing_left()
}

fn jailed_run_with_a_terminal(case: &Case) -> Outcome {
    with_terminal(case, "echo ready; read line; echo \"<$line>\"; read line")?;
    let mut pty = Pty::open(24, 80)?;
    let running = on(case.call(&["run", &case.id]), &pty)?.spawn()?;
    read_until(&mut pty.master, "ready")?;
    // The runtime is the parent of the container's init.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", case.pid()?))?;
    let parent = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    is_jailed(Pid::from_raw(parent.unwrap_or_default()), KILL_ALONE)?;
    crate::harness::type_line(&mut pty.master, "typed")?;
    read_until(&mut pty.master, "<typed>")?;
    crate::harness::type_line(&mut pty.master, "")?;
    running.answer()?.ok()?;
    case.nothing_left()
}

fn jailed_exec(case: &Case) -> Outcome {
    case.run_asleep()?;
    let line = [
        "exec",
        "-u",
        "1000",
        &case.id,
        "sh",
        "-c",
        "trap 'exit 6' TERM; echo ready; while :; do usleep 10000; done",
    ];
    let running = case.call(&line).spawn()?;
    eventually("ready", || Ok(running.out().contains("ready")))?;
    is_jailed(running.pid(), KILL_ALONE)?;
    same("processes of ours", children(running.pid())?.len(), 1)?;
    kill(running.pid(), Signal::SIGTERM)?;
    running.answer()?.ended(6).map(drop)
}

fn jailed_events(case: &Case) -> Outcome {
    case.run_asleep()?;
    let running = case
        .call(&["events", "--interval", "20ms", &case.id])
        .spawn()?;
    is_jailed(running.pid(), NONE)?;
    let lines = running.out().lines().count();
    eventually("statistics go on", || {
        Ok(running.out().lines().count() > lines + 3)
    })?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    same("said", running.answer()?.ok()?.err().as_str(), "")
}

fn kept_container_needs_no_keeper(case: &Case) -> Outcome {
    case.bundle
        .script("trap 'exit 5' TERM; echo ready; while :; do usleep 10000; done")?;
    let running = case.call(&["run", "--keep", &case.id]).spawn()?;
    eventually("ready", || Ok(running.out().contains("ready")))?;
    is_jailed(running.pid(), KILL_ALONE)?;
    same("processes left behind", keeper(case, &running)?.len(), 0)?;
    kill(running.pid(), Signal::SIGTERM)?;
    running.answer()?.ended(5)?;
    case.status_is("stopped")?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn killed_run_leaves_its_container_running(case: &Case) -> Outcome {
    case.bundle.script("echo ready; exec sleep 600")?;
    let running = case.call(&["run", &case.id]).spawn()?;
    eventually("ready", || Ok(running.out().contains("ready")))?;
    is_jailed(running.pid(), KILL_ALONE)?;
    let [keeper] = keeper(case, &running)?[..] else {
        return same("processes left behind", keeper(case, &running)?.len(), 1);
    };
    kill(running.pid(), Signal::SIGKILL)?;
    running.answer()?;
    eventually("the keeper ends", || {
        let state = status(Pid::from_raw(keeper), "State");
        Ok(state.map_or(true, |state| state.starts_with('Z')))
    })?;
    case.status_is("running")?;
    case.destroy()
}

fn jailed_run_ends_what_its_program_left(case: &Case) -> Outcome {
    // In the host's pid namespace nothing else ends it.
    case.edit(|c| {
        if let Some(namespaces) = c["linux"]["namespaces"].as_array_mut() {
            namespaces.retain(|namespace| namespace["type"] != "pid");
        }
    })?;
    case.bundle
        .script("sleep 600 & trap 'exit 4' TERM; echo ready; while :; do usleep 10000; done")?;
    let running = case.call(&["run", &case.id]).spawn()?;
    eventually("ready", || Ok(running.out().contains("ready")))?;
    is_jailed(running.pid(), KILL_ALONE)?;
    kill(running.pid(), Signal::SIGTERM)?;
    running.answer()?.ended(4)?;
    case.nothing_left()
}

fn killed_keeper_is_told_of(case: &Case) -> Outcome {
    case.bundle
        .script("trap 'exit 5' TERM; echo ready; while :; do usleep 10000; done")?;
    let running = case.call(&["run", &case.id]).spawn()?;
    eventually("ready", || Ok(running.out().contains("ready")))?;
    is_jailed(running.pid(), KILL_ALONE)?;
    for pid in keeper(case, &running)? {
        kill(Pid::from_raw(pid), Signal::SIGKILL)?;
    }
    kill(running.pid(), Signal::SIGTERM)?;
    has(
        &running.answer()?.ended(5)?.err(),
        "the process that cleans up",
    )?;
    case.status_is("stopped")?;
    case.destroy()
}
