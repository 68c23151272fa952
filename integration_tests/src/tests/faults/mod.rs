//! The runtime is killed in the middle: `delete --force` leaves nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::harness::{Case, Outcome, holds, same, skip};
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
    for step in 1..200 {
        let call = case
            .call(&["create", &case.id])
            .env(STEP, &step.to_string());
        let answer = call.answer()?;
        if answer.code == 0 {
            case.destroy()?;
            if step == 1 {
                return skip("needs a debug build of the runtime, which can kill itself at a step");
            }
            return holds(format!("{step} steps are more than a few"), step > 5);
        }
        same("it was killed", answer.code, 128 + 9)?;
        case.destroy()?;
        case.nothing_left()?;
    }
    holds("create ends before 200 steps", false)
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
    crate::harness::eventually("ready", || Ok(running.out().contains("ready")))?;
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
