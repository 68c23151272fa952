//! `NOTIFY_SOCKET`: the program tells that it is ready, and whoever watches the
//! runtime is told.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::harness::config::{MAPPED_ROOT, with_user, with_user_namespace};
use crate::harness::{Case, Fault, Host, Outcome, Seen, eventually, has, holds, same};
use crate::tests::list;

list!["process":
    readiness_of_a_detached_container,
    readiness_in_the_foreground,
    readiness_after_create_and_start,
    readiness_that_never_comes,
    nothing_without_a_notify_socket,
    manager_that_is_not_there,
];

/// Busybox has no program that writes to such a socket; a bash of the host's does
/// not either: python does, in the mount namespace and root of the container.
const TELL: &str = "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \
    s.sendto(sys.argv[2].encode().decode('unicode_escape').encode(), sys.argv[1])";

/// The manager's socket.
fn manager(case: &Case) -> Outcome<(UnixDatagram, String)> {
    let path = case.bundle.beside("manager")?.join("notify");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok((socket, path.to_string_lossy().into_owned()))
}

fn receive(socket: &UnixDatagram) -> Outcome<String> {
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes)?;
    Ok(String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned())
}

/// Says this from inside: through the container's root.
fn say(case: &Case, text: &str) -> Outcome {
    let path = format!("/proc/{}/root/run/notify/notify.sock", case.pid()?);
    let status = std::process::Command::new("python3")
        .args(["-c", TELL, &path, text])
        .status()?;
    holds("the container's socket takes it", status.success())
}

fn needs_python() -> Outcome {
    if fs::exists("/usr/bin/python3")? {
        return Ok(());
    }
    crate::harness::skip("needs python3, which can write to a datagram socket")
}

fn readiness_of_a_detached_container(case: &Case) -> Outcome {
    needs_python()?;
    for user_namespace in [false, true] {
        let (socket, address) = manager(case)?;
        case.edit(|c| {
            with_user(c, 1000, 1000);
            if user_namespace {
                with_user_namespace(c);
            }
        })?;
        if user_namespace {
            case.bundle.give_to(MAPPED_ROOT)?;
        }
        case.bundle.script("echo $NOTIFY_SOCKET; exec sleep 600")?;
        let call = case.call(&["run", "--detach", &case.id]);
        let running = call.env("NOTIFY_SOCKET", &address).spawn()?;
        eventually("it runs", || {
            Ok(running.out().contains("/run/notify/notify.sock"))
        })?;
        // All others can do what they like with it meanwhile.
        case.status_is("running")?;
        say(case, "STATUS=starting")?;
        say(case, "STATUS=up\\nREADY=1\\nMAINPID=1")?;
        same(
            "told",
            receive(&socket)?,
            format!("READY=1\nMAINPID={}\n", case.pid()?),
        )?;
        same("then", receive(&socket)?.as_str(), "BARRIER=1")?;
        running.answer()?.ok()?;
        let mount = case.probe_exec(&[])?.mount("/run/notify")?;
        for flag in ["ro", "nosuid", "nodev", "noexec"] {
            holds(format!("{flag} in {}", mount.options), mount.has(flag))?;
        }
        case.destroy()?;
        case.nothing_left()?;
        fs::remove_file(&address)?;
    }
    Ok(())
}

fn readiness_in_the_foreground(case: &Case) -> Outcome {
    needs_python()?;
    let (socket, address) = manager(case)?;
    case.bundle
        .script("trap 'exit 7' TERM; echo up; while :; do usleep 10000; done")?;
    let call = case.call(&["run", &case.id]);
    let running = call.env("NOTIFY_SOCKET", &address).spawn()?;
    eventually("it runs", || Ok(running.out().contains("up")))?;
    // What comes from inside is read with no more rights than that takes.
    let status = format!("/proc/{}/status", running.pid());
    eventually("the runtime is jailed", || {
        Ok(fs::read_to_string(&status)?.contains("Seccomp:\t2"))
    })?;
    say(case, "READY=1")?;
    // The runtime stays, and stands for the container.
    same(
        "told",
        receive(&socket)?,
        format!("READY=1\nMAINPID={}\n", running.pid()),
    )?;
    case.status_is("running")?;
    kill(running.pid(), Signal::SIGTERM)?;
    running.answer()?.ended(7)?;
    case.nothing_left()
}

fn readiness_after_create_and_start(case: &Case) -> Outcome {
    needs_python()?;
    let (socket, address) = manager(case)?;
    case.bundle.script("exec sleep 600")?;
    let create = case
        .call(&["create", &case.id])
        .env("NOTIFY_SOCKET", &address);
    create.under("umask 077; exec \"$@\"").answer()?.ok()?;
    let start = case
        .call(&["start", &case.id])
        .env("NOTIFY_SOCKET", &address);
    let running = start.spawn()?;
    case.becomes("running")?;
    say(case, "READY=1")?;
    same(
        "told",
        receive(&socket)?,
        format!("READY=1\nMAINPID={}\n", case.pid()?),
    )?;
    receive(&socket)?;
    running.answer()?.ok()?;
    case.destroy()?;
    case.nothing_left()
}

/// Who waits for it goes on when the program has ended.
fn readiness_that_never_comes(case: &Case) -> Outcome {
    let (socket, address) = manager(case)?;
    case.bundle.script("exit 3")?;
    let call = case.call(&["run", "--detach", &case.id]);
    call.env("NOTIFY_SOCKET", &address).answer()?.ok()?;
    case.becomes("stopped")?;
    case.destroy()?;
    let call = case.call(&["run", &case.id]);
    call.env("NOTIFY_SOCKET", &address).answer()?.ended(3)?;
    socket.set_nonblocking(true)?;
    holds("nobody was told", socket.recv(&mut [0; 16]).is_err())?;
    case.nothing_left()
}

fn nothing_without_a_notify_socket(case: &Case) -> Outcome {
    let seen = case.probe()?;
    holds(
        "no mount",
        !seen.mounts().iter().any(|it| it.point == "/run/notify"),
    )?;
    // What the configuration says of it is the configuration's.
    case.bundle.script(Seen::SCRIPT)?;
    case.edit(|c| c["process"]["env"] = json!(["PATH=/bin", "NOTIFY_SOCKET=/own"]))?;
    let seen = Seen::parse(
        &case
            .call(&["run", &case.id])
            .env("NOTIFY_SOCKET", "")
            .answer()?
            .ok()?
            .out(),
    )?;
    has(seen.part("env"), "NOTIFY_SOCKET=/own")
}

fn manager_that_is_not_there(case: &Case) -> Outcome {
    case.bundle.script("echo up; exec sleep 600")?;
    let call = case.call(&["run", "--detach", &case.id]);
    let answer = call.env("NOTIFY_SOCKET", "/nosuch/notify").answer()?.ok()?;
    has(&answer.err(), "level=warning")?;
    has(&answer.err(), "/nosuch/notify")?;
    Host::get().unharmed().map_err(|fault| Fault::failed(fault))
}
