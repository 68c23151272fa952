//! `run` and `exec -t` in the foreground: the relay between two terminals.

use std::fs::File;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::tcgetattr;

use super::with_terminal;
use crate::harness::{
    Call, Case, Outcome, Pty, eventually, has, holds, lacks, read_until, same, type_line,
};
use crate::tests::list;

list!["terminal":
    run_relays_both_ways,
    output_has_no_carriage_return,
    caller_sets_the_size,
    change_of_size_is_relayed,
    settings_are_given_back,
    settings_are_given_back_after_a_signal,
    exit_code_through_a_terminal,
    exec_with_a_terminal,
    standard_input_that_is_null,
    all_output_arrives,
    without_a_terminal_signals_are_forwarded,
];

/// Runs the call with this terminal as its controlling terminal and stdin, and its output on it.
pub(super) fn on(call: Call, pty: &Pty) -> Outcome<Call> {
    let slave: PathBuf = nix::unistd::ttyname(&pty.slave)?;
    // A session of its own, whose first opened terminal becomes the controlling one.
    let script = format!(
        "exec setsid -w bash -c 'exec <{0} >{0}; exec \"$@\"' bash \"$@\"",
        slave.display()
    );
    Ok(call.under(&script))
}

fn run_relays_both_ways(case: &Case) -> Outcome {
    with_terminal(case, "tty; read line; echo \"<$line>\"")?;
    let mut pty = Pty::open(24, 80)?;
    let running = on(case.call(&["run", &case.id]), &pty)?.spawn()?;
    read_until(&mut pty.master, "/dev/pts/0")?;
    type_line(&mut pty.master, "typed")?;
    read_until(&mut pty.master, "<typed>")?;
    running.answer()?.ok().map(drop)
}

fn output_has_no_carriage_return(case: &Case) -> Outcome {
    // The caller's terminal adds its own; the container's must not add one more.
    with_terminal(case, "echo one; echo two")?;
    let mut pty = Pty::open(24, 80)?;
    let running = on(case.call(&["run", &case.id]), &pty)?.spawn()?;
    let text = read_until(&mut pty.master, "two")?;
    running.answer()?.ok()?;
    lacks(&text, "\r\r\n")?;
    // And none at all where stdout is a file.
    let pty = Pty::open(24, 80)?;
    let slave = nix::unistd::ttyname(&pty.slave)?;
    let script = format!(
        "exec setsid -w bash -c 'exec <{}; exec \"$@\"' bash \"$@\"",
        slave.display()
    );
    let answer = case
        .call(&["run", &case.id])
        .under(&script)
        .answer()?
        .ok()?;
    same("output", answer.out(), "one\ntwo\n")
}

fn caller_sets_the_size(case: &Case) -> Outcome {
    with_terminal(case, "stty size")?;
    let mut pty = Pty::open(33, 77)?;
    let running = on(case.call(&["run", &case.id]), &pty)?.spawn()?;
    read_until(&mut pty.master, "33 77")?;
    running.answer()?.ok().map(drop)
}

fn change_of_size_is_relayed(case: &Case) -> Outcome {
    with_terminal(
        case,
        "trap 'stty size' WINCH; echo ready; while :; do usleep 10000; done",
    )?;
    let mut pty = Pty::open(24, 80)?;
    let running = on(case.call(&["run", &case.id]), &pty)?.spawn()?;
    read_until(&mut pty.master, "ready")?;
    // The kernel tells the foreground group of the terminal.
    let slave = nix::unistd::ttyname(&pty.slave)?;
    let status = std::process::Command::new("stty")
        .args(["-F", &slave.to_string_lossy(), "rows", "41", "cols", "99"])
        .status()?;
    holds("stty works", status.success())?;
    read_until(&mut pty.master, "41 99")?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    running.answer()?.ended(137).map(drop)
}

fn settings(file: &File) -> Outcome<String> {
    Ok(format!("{:?}", tcgetattr(file)?))
}

fn settings_are_given_back(case: &Case) -> Outcome {
    with_terminal(case, "echo ready; read line")?;
    let mut pty = Pty::open(24, 80)?;
    let before = settings(&pty.slave)?;
    let running = on(case.call(&["run", &case.id]), &pty)?.spawn()?;
    read_until(&mut pty.master, "ready")?;
    holds("raw while it runs", settings(&pty.slave)? != before)?;
    type_line(&mut pty.master, "")?;
    running.answer()?.ok()?;
    same("settings", settings(&pty.slave)?, before)
}

fn settings_are_given_back_after_a_signal(case: &Case) -> Outcome {
    with_terminal(
        case,
        "trap 'exit 7' TERM; echo ready; while :; do usleep 10000; done",
    )?;
    let mut pty = Pty::open(24, 80)?;
    let before = settings(&pty.slave)?;
    let line = ["run", "--pid-file", "pid", &case.id];
    let running = on(case.call(&line), &pty)?.spawn()?;
    read_until(&mut pty.master, "ready")?;
    // setsid waits for the runtime, which is its child.
    let children = format!("/proc/{0}/task/{0}/children", running.pid());
    let runtime = std::fs::read_to_string(children)?;
    let runtime: i32 = runtime
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .parse()
        .unwrap_or(running.pid().as_raw());
    kill(nix::unistd::Pid::from_raw(runtime), Signal::SIGTERM)?;
    running.answer()?.ended(7)?;
    same("settings", settings(&pty.slave)?, before)
}

fn exit_code_through_a_terminal(case: &Case) -> Outcome {
    with_terminal(case, "exit 42")?;
    let pty = Pty::open(24, 80)?;
    on(case.call(&["run", &case.id]), &pty)?
        .answer()?
        .ended(42)?;
    case.nothing_left()
}

fn exec_with_a_terminal(case: &Case) -> Outcome {
    case.run_asleep()?;
    let mut pty = Pty::open(30, 90)?;
    let line = [
        "exec",
        "-t",
        &case.id,
        "/bin/sh",
        "-c",
        "tty; stty size; exit 9",
    ];
    let running = on(case.call(&line), &pty)?.spawn()?;
    let text = read_until(&mut pty.master, "30 90")?;
    has(&text, "/dev/pts/0")?;
    running.answer()?.ended(9).map(drop)
}

fn standard_input_that_is_null(case: &Case) -> Outcome {
    with_terminal(case, "tty; echo done")?;
    let mut pty = Pty::open(24, 80)?;
    let slave = nix::unistd::ttyname(&pty.slave)?;
    // The controlling terminal is opened once, then stdin is /dev/null.
    let script = format!(
        "exec setsid -w bash -c 'exec 3<{0} >{0}; exec 3<&- </dev/null \"$@\"' bash \"$@\"",
        slave.display()
    );
    let running = case.call(&["run", &case.id]).under(&script).spawn()?;
    let text = read_until(&mut pty.master, "done")?;
    has(&text, "/dev/pts/0")?;
    running.answer()?.ok().map(drop)
}

fn all_output_arrives(case: &Case) -> Outcome {
    case.run_asleep()?;
    let pty = Pty::open(24, 80)?;
    let slave = nix::unistd::ttyname(&pty.slave)?;
    let script = format!(
        "exec setsid -w bash -c 'exec <{}; exec \"$@\"' bash \"$@\"",
        slave.display()
    );
    for _ in 0..5 {
        let line = ["exec", "-t", &case.id, "seq", "1", "20000"];
        let out = case.call(&line).under(&script).answer()?.ok()?.out();
        same("lines", out.lines().count(), 20000)?;
    }
    Ok(())
}

fn without_a_terminal_signals_are_forwarded(case: &Case) -> Outcome {
    case.bundle.script("for s in TERM HUP USR1; do trap \"echo $s\" $s; done; trap 'exit 5' USR2; echo ready; while :; do usleep 10000; done")?;
    let running = case.call(&["run", &case.id]).spawn()?;
    for (signal, word) in [
        (None, "ready"),
        (Some(Signal::SIGTERM), "TERM"),
        (Some(Signal::SIGHUP), "HUP"),
        (Some(Signal::SIGUSR1), "USR1"),
    ] {
        if let Some(signal) = signal {
            kill(running.pid(), signal)?;
        }
        eventually(word, || Ok(running.out().contains(word)))?;
    }
    kill(running.pid(), Signal::SIGUSR2)?;
    running.answer()?.ended(5)?;
    case.nothing_left()
}
