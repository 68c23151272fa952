//! The runtime is killed in the middle: `delete --force` leaves nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::harness::clean::processes;
use crate::harness::config::{MAPPED_ROOT, with_namespace, with_user_namespace, without_namespace};
use crate::harness::{Case, Hierarchies, Outcome, eventually, holds, same, skip};
use crate::tests::list;

list!["faults":
    create_killed_after_some_time,
    create_killed_at_each_step,
    failure_of_an_early_step_is_told,
    run_killed_in_the_foreground,
    two_creates_of_one_id,
    many_at_once,
];

/// Waits without giving the processor away: delays below the timer's slack matter here.
fn spin(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}

fn create_killed_after_some_time(case: &Case) -> Outcome {
    case.bundle.script("exec sleep 600")?;
    // Steps of a quarter of a millisecond over the time that a create takes.
    let start = Instant::now();
    case.rt(&["create", &case.id])?.ok()?;
    let whole = start.elapsed();
    case.destroy()?;
    let mut delay = Duration::ZERO;
    let mut rounds = 0;
    while delay < whole + Duration::from_millis(2) && rounds < 120 {
        let running = case.call(&["create", &case.id]).spawn()?;
        spin(delay);
        let _ = kill(running.pid(), Signal::SIGKILL);
        running.answer()?;
        case.destroy()?;
        case.nothing_left()?;
        delay += Duration::from_micros(250);
        rounds += 1;
    }
    // And the id is free.
    case.rt(&["create", &case.id])?.ok()?;
    case.destroy()
}

/// A debug build kills itself at the step that this variable numbers.
const STEP: &str = "LODGE_KILL_AT_STEP";

fn create_killed_at_each_step(case: &Case) -> Outcome {
    case.bundle.script("exec sleep 600")?;
    let pid_file = case.bundle.dir.join("pid").to_string_lossy().into_owned();
    let line = ["create", "--pid-file", &pid_file, &case.id];
    at_each_step(case, &line, || case.nothing_left())?;
    // Without a pid namespace nobody dies with the first process.
    case.edit(|c| without_namespace(c, "pid"))?;
    let detached = ["run", "--detach", &case.id];
    at_each_step(case, &detached, || case.nothing_left())?;
    // Ids are mapped, and the process is cloned a second time.
    let other = case.another()?;
    other.bundle.script("exec sleep 600")?;
    other.run_asleep()?;
    let path = format!("/proc/{}/ns/net", other.pid()?);
    case.edit(|c| {
        with_user_namespace(c);
        with_namespace(c, "pid", None);
        with_namespace(c, "network", Some(&path));
    })?;
    case.bundle.give_to(MAPPED_ROOT)?;
    // The other one stays.
    let left = || -> Outcome<(usize, usize)> {
        let cgroups = Hierarchies::read().map(|all| all.named(&case.tag).len());
        Ok((processes(&case.tag).len(), cgroups?))
    };
    let before = left()?;
    let as_before = || eventually("only the other is left", || Ok(left()? == before));
    at_each_step(case, &line, as_before)?;
    other.destroy()
}

/// Kills the call at one step after the other, until it has no more steps.
fn at_each_step(case: &Case, line: &[&str], nothing_left: impl Fn() -> Outcome) -> Outcome {
    for step in 1..200 {
        let call = case.call(line).env(STEP, &step.to_string());
        let answer = call.answer()?;
        if answer.code == 0 {
            case.destroy()?;
            if step == 1 {
                return skip("needs a debug build of the runtime, which can kill itself at a step");
            }
            return holds(format!("{step} steps are more than a few"), step > 5);
        }
        same(&answer.err(), answer.code, 128 + 9)?;
        case.destroy()?;
        nothing_left()?;
    }
    holds("the call ends before 200 steps", false)
}

fn failure_of_an_early_step_is_told(case: &Case) -> Outcome {
    // The first process ends while the runtime still has things to tell it.
    case.edit(|c| c["hostname"] = json!("x".repeat(100)))?;
    for _ in 0..20 {
        case.run()?.fails(1, &["hostname", "invalid argument"])?;
    }
    case.nothing_left()
}

fn run_killed_in_the_foreground(case: &Case) -> Outcome {
    case.bundle.script("echo ready; exec sleep 600")?;
    let running = case.call(&["run", &case.id]).spawn()?;
    eventually("ready", || Ok(running.out().contains("ready")))?;
    kill(running.pid(), Signal::SIGKILL)?;
    running.answer()?.ended(137)?;
    case.destroy()?;
    case.nothing_left()
}

fn two_creates_of_one_id(case: &Case) -> Outcome {
    case.bundle.script("exec sleep 600")?;
    for _ in 0..10 {
        let first = case.call(&["create", &case.id]).spawn()?;
        let second = case.call(&["create", &case.id]).spawn()?;
        let codes = [first.answer()?.code, second.answer()?.code];
        holds(
            format!("one wins: {codes:?}"),
            codes == [0, 1] || codes == [1, 0],
        )?;
        case.status_is("created")?;
        case.destroy()?;
        case.nothing_left()?;
    }
    Ok(())
}

fn many_at_once(case: &Case) -> Outcome {
    // One runtime is killed on the way; the others must not notice.
    let mut cases = Vec::new();
    for _ in 0..8 {
        let other = case.another()?;
        other.bundle.script("echo ran")?;
        cases.push(other);
    }
    case.bundle.script("exec sleep 600")?;
    for _ in 0..3 {
        let killed = case.call(&["run", &case.id]).spawn()?;
        let mut calls = Vec::new();
        for other in &cases {
            calls.push(other.call(&["run", &other.id]).spawn()?);
        }
        spin(Duration::from_millis(3));
        let _ = kill(killed.pid(), Signal::SIGKILL);
        for call in calls {
            same("output", call.answer()?.ok()?.out(), "ran\n")?;
        }
        killed.answer()?;
        case.destroy()?;
    }
    let status = Command::new("true").status()?;
    holds("the host still runs programs", status.success())?;
    case.nothing_left()
}
