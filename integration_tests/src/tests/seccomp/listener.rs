//! `SCMP_ACT_NOTIFY` and the socket of its listener.

use std::os::fd::AsRawFd;

use serde_json::{Value, json};

use super::{GETPPID, but, program};
use crate::harness::{Case, ConsoleSocket, Entry, Outcome, same};
use crate::tests::list;

list!["seccomp":
    listener_gets_the_descriptor,
    exec_has_a_listener_of_its_own,
    listener_that_is_not_there,
    listener_that_no_rule_notifies,
    notify_without_a_listener_is_refused,
    notify_of_write_is_refused,
];

fn notify(names: &[&str], path: Option<&str>) -> Value {
    let mut profile = but(&json!({"names": names, "action": "SCMP_ACT_NOTIFY"}));
    if let Some(path) = path {
        profile["listenerPath"] = json!(path);
        profile["listenerMetadata"] = json!("words");
    }
    profile
}

fn listener_gets_the_descriptor(case: &Case) -> Outcome {
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    program(case, Entry::Native, GETPPID, 0)?;
    case.edit(|c| c["linux"]["seccomp"] = notify(&["getppid"], Some(&socket.arg())))?;
    // The program waits for an answer that never comes.
    case.rt(&["run", "-d", &case.id])?.ok()?;
    let (text, fd) = socket.receive()?;
    let message: Value = serde_json::from_str(&text)?;
    same("fds", &message["fds"], &json!(["seccompFd"]))?;
    same("metadata", message["metadata"].as_str(), Some("words"))?;
    same(
        "id",
        message["state"]["id"].as_str(),
        Some(case.id.as_str()),
    )?;
    same(
        "status",
        message["state"]["status"].as_str(),
        Some("creating"),
    )?;
    same("pid", message["pid"].as_i64(), Some(i64::from(case.pid()?)))?;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
    same(
        "descriptor",
        link.to_string_lossy().as_ref(),
        "anon_inode:seccomp notify",
    )
}

fn exec_has_a_listener_of_its_own(case: &Case) -> Outcome {
    for no_new_privileges in [true, false] {
        let socket = ConsoleSocket::listen(&case.bundle.beside(&no_new_privileges.to_string())?)?;
        program(case, Entry::Native, GETPPID, 0)?;
        case.edit(|c| {
            c["process"]["noNewPrivileges"] = json!(no_new_privileges);
            c["linux"]["seccomp"] = notify(&["getppid"], Some(&socket.arg()));
        })?;
        case.run_asleep()?;
        let _first = socket.receive()?;
        case.rt(&["exec", "-d", "--pid-file", "pid", &case.id, "/call"])?
            .ok()?;
        let (text, _fd) = socket.receive()?;
        let message: Value = serde_json::from_str(&text)?;
        let pid: i64 = std::fs::read_to_string(case.bundle.dir.join("pid"))?.parse()?;
        same("pid", message["pid"].as_i64(), Some(pid))?;
        let state = &message["state"];
        same("status", state["status"].as_str(), Some("running"))?;
        same(
            "pid of the init",
            state["pid"].as_i64(),
            Some(i64::from(case.pid()?)),
        )?;
        case.destroy()?;
    }
    Ok(())
}

fn listener_that_is_not_there(case: &Case) -> Outcome {
    program(case, Entry::Native, GETPPID, 0)?;
    case.edit(|c| c["linux"]["seccomp"] = notify(&["getppid"], Some("/nosuch/socket")))?;
    case.run()?.fails(1, &["/nosuch/socket"])?;
    case.nothing_left()
}

fn listener_that_no_rule_notifies(case: &Case) -> Outcome {
    program(case, Entry::Native, GETPPID, 0)?;
    let mut profile = notify(&["getppid"], Some("/nosuch/socket"));
    profile["syscalls"][0]["action"] = json!("SCMP_ACT_ERRNO");
    case.edit(|c| c["linux"]["seccomp"] = profile)?;
    case.run()?.ended(1).map(drop)
}

fn notify_without_a_listener_is_refused(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["seccomp"] = notify(&["getppid"], None))?;
    case.run()?.fails(1, &["listenerPath"])?;
    case.nothing_left()
}

fn notify_of_write_is_refused(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["seccomp"] = notify(&["write"], Some("/nosuch/socket")))?;
    case.run()?
        .fails(1, &["SCMP_ACT_NOTIFY cannot be used for the write syscall"])?;
    case.nothing_left()
}
