//! Which file descriptors reach the container.

use crate::harness::{Case, Outcome, Seen, has, same};
use crate::tests::list;

list!["process":
    exactly_stdio,
    descriptors_of_the_caller_do_not_leak,
    preserved_descriptors,
    preserved_descriptor_that_is_not_open,
    listen_fds,
    listen_fds_of_many_sockets,
    promised_listen_fds_that_are_not_open,
    stdio_is_the_callers,
    standard_input_is_read,
    the_hosts_null_becomes_the_containers,
];

fn exactly_stdio(case: &Case) -> Outcome {
    same(
        "descriptors",
        case.probe()?.fds().into_keys().collect::<Vec<_>>(),
        vec![0, 1, 2],
    )
}

fn descriptors_of_the_caller_do_not_leak(case: &Case) -> Outcome {
    case.bundle.script(Seen::SCRIPT)?;
    let leaking = "exec 3</ 4</etc/passwd 9</sys/fs/cgroup 20</proc; exec \"$@\"";
    let answer = case
        .call(&["run", &case.id])
        .under(leaking)
        .answer()?
        .ok()?;
    let seen = Seen::parse(&answer.out())?;
    same(
        "of run",
        seen.fds().into_keys().collect::<Vec<_>>(),
        vec![0, 1, 2],
    )?;
    case.run_asleep()?;
    let line = ["exec", &case.id, "/bin/sh", "-c", Seen::SCRIPT];
    let answer = case.call(&line).under(leaking).answer()?.ok()?;
    let seen = Seen::parse(&answer.out())?;
    same(
        "of exec",
        seen.fds().into_keys().collect::<Vec<_>>(),
        vec![0, 1, 2],
    )
}

const GIVING: &str = "exec 3</etc/passwd 4</etc/group 5</etc/hosts; exec \"$@\"";

fn preserved_descriptors(case: &Case) -> Outcome {
    case.bundle.script(Seen::SCRIPT)?;
    let line = ["run", "--preserve-fds", "2", &case.id];
    let answer = case.call(&line).under(GIVING).answer()?.ok()?;
    let fds = Seen::parse(&answer.out())?.fds();
    same(
        "numbers",
        fds.keys().copied().collect::<Vec<_>>(),
        vec![0, 1, 2, 3, 4],
    )?;
    has(fds.get(&3).map_or("", String::as_str), "etc/passwd")?;
    has(fds.get(&4).map_or("", String::as_str), "etc/group")?;
    case.run_asleep()?;
    let line = [
        "exec",
        "--preserve-fds=1",
        &case.id,
        "/bin/sh",
        "-c",
        Seen::SCRIPT,
    ];
    let answer = case.call(&line).under(GIVING).answer()?.ok()?;
    let fds = Seen::parse(&answer.out())?.fds();
    same(
        "numbers of exec",
        fds.into_keys().collect::<Vec<_>>(),
        vec![0, 1, 2, 3],
    )
}

fn preserved_descriptor_that_is_not_open(case: &Case) -> Outcome {
    // The runtime's own descriptors must never stand in for the missing ones.
    for line in [
        vec!["run", "--preserve-fds", "3"],
        vec!["create", "--preserve-fds", "3"],
    ] {
        let mut line = line;
        line.push(&case.id);
        case.rt(&line)?.fails(1, &["preserved-fd"])?;
        case.nothing_left()?;
    }
    case.run_asleep()?;
    let line = ["exec", "--preserve-fds", "3", &case.id, "true"];
    case.rt(&line)?.fails(255, &["preserved-fd"])
}

fn listen_fds(case: &Case) -> Outcome {
    case.bundle.script(Seen::SCRIPT)?;
    let call = case.call(&["run", &case.id]).env("LISTEN_FDS", "2");
    let giving = format!("export LISTEN_PID=$$; {GIVING}");
    let answer = call.under(&giving).answer()?.ok()?;
    let seen = Seen::parse(&answer.out())?;
    same(
        "numbers",
        seen.fds().into_keys().collect::<Vec<_>>(),
        vec![0, 1, 2, 3, 4],
    )?;
    has(seen.part("env"), "LISTEN_FDS=2")?;
    has(seen.part("env"), "LISTEN_PID=1")
}

fn listen_fds_of_many_sockets(case: &Case) -> Outcome {
    case.bundle.script(Seen::SCRIPT)?;
    // Five that are told apart by what they are, and one that is preserved after.
    let giving = "export LISTEN_PID=$$ LISTEN_FDNAMES=a:b:c:d:e; \
        exec 3</etc/passwd 4</etc/group 5</etc/hosts 6</etc/hostname 7</etc/fstab 8</etc/shadow; exec \"$@\"";
    let line = ["run", "--preserve-fds", "1", &case.id];
    let call = case.call(&line).env("LISTEN_FDS", "5");
    let seen = Seen::parse(&call.under(giving).answer()?.ok()?.out())?;
    let fds = seen.fds();
    for (number, name) in [
        (3, "passwd"),
        (4, "group"),
        (5, "hosts"),
        (6, "hostname"),
        (7, "fstab"),
        (8, "shadow"),
    ] {
        has(fds.get(&number).map_or("", String::as_str), name)?;
    }
    same("number", fds.len(), 9)?;
    has(seen.part("env"), "LISTEN_FDS=5")?;
    has(seen.part("env"), "LISTEN_PID=1")
}

/// The program is told what its caller was told, and gets nothing of ours.
fn promised_listen_fds_that_are_not_open(case: &Case) -> Outcome {
    case.bundle.script(Seen::SCRIPT)?;
    let call = case.call(&["run", &case.id]).env("LISTEN_FDS", "3");
    let answer = call
        .under("exec 3>&- 4>&- 5>&-; exec \"$@\"")
        .answer()?
        .ok()?;
    let seen = Seen::parse(&answer.out())?;
    same(
        "numbers",
        seen.fds().into_keys().collect::<Vec<_>>(),
        vec![0, 1, 2],
    )?;
    has(seen.part("env"), "LISTEN_PID=1")
}

fn stdio_is_the_callers(case: &Case) -> Outcome {
    case.bundle.script("echo out; echo err >&2")?;
    let answer = case.run()?.ok()?;
    same("stdout", answer.out(), "out\n")?;
    same("stderr", answer.err(), "err\n")
}

fn standard_input_is_read(case: &Case) -> Outcome {
    case.bundle.script("cat")?;
    let file = case.bundle.dir.join("input");
    std::fs::write(&file, "one\ntwo\n")?;
    let call = case
        .call(&["run", &case.id])
        .stdin(std::fs::File::open(file)?);
    same("stdout", call.answer()?.ok()?.out(), "one\ntwo\n")
}

/// A checkpoint would find a file of the host's otherwise.
fn the_hosts_null_becomes_the_containers(case: &Case) -> Outcome {
    let look = "for f in /dev/null /proc/self/fd/0; do stat -L -c '%d %i' $f; done";
    let seen = case.run_script(look)?;
    let files: Vec<&str> = seen.lines().collect();
    same("files", files.len(), 2)?;
    same("stdin", files.last(), files.first())
}
