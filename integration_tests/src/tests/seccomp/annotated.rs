//! Filters and listeners of annotations.

use serde_json::{Value, json};

use super::{EPERM, GETPPID, but, program};
use crate::harness::{Case, ConsoleSocket, Entry, Outcome, same};
use crate::tests::list;

list!["seccomp":
    program_of_an_annotation,
    program_that_notifies,
    receiver_of_an_annotation,
    receiver_that_is_not_there,
];

/// A program in base64: what getppid(2) is answered with; all else is allowed.
/// A load of the number, a comparison with 110, and both answers.
fn answers_getppid(notifies: bool) -> &'static str {
    if notifies {
        "IAAAAAAAAAAVAAABbgAAAAYAAAAAAMB/BgAAAAAA/38="
    } else {
        "IAAAAAAAAAAVAAABbgAAAAYAAAABAAUABgAAAAAA/38="
    }
}

/// It takes the place of the configuration's, also for `exec`.
fn program_of_an_annotation(case: &Case) -> Outcome {
    for no_new_privileges in [true, false] {
        program(case, Entry::Native, GETPPID, 0)?;
        case.edit(|c| {
            c["process"]["noNewPrivileges"] = json!(no_new_privileges);
            c["linux"]["seccomp"] = but(&json!({"names": ["getppid"], "action": "SCMP_ACT_KILL"}));
            c["annotations"] = json!({"run.oci.seccomp_bpf_data": answers_getppid(false)});
        })?;
        same("getppid", case.run()?.code, EPERM)?;
        case.run_asleep()?;
        let answer = case.rt(&["exec", &case.id, "/call"])?;
        same("getppid of exec", answer.code, EPERM)?;
        case.destroy()?;
        case.nothing_left()?;
    }
    Ok(())
}

fn program_that_notifies(case: &Case) -> Outcome {
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    program(case, Entry::Native, GETPPID, 0)?;
    let name = "run.oci.seccomp_bpf_data";
    case.edit(|c| c["annotations"] = json!({name: answers_getppid(true)}))?;
    case.run()?.fails(1, &[name, "no listener"])?;
    case.edit(|c| c["annotations"]["run.oci.seccomp.receiver"] = json!(socket.arg()))?;
    case.rt(&["run", "-d", &case.id])?.ok()?;
    is_told(case, &socket)
}

/// That the agent gets the descriptor, and hears of this container.
fn is_told(case: &Case, socket: &ConsoleSocket) -> Outcome {
    let (text, _descriptor) = socket.receive()?;
    let message: Value = serde_json::from_str(&text)?;
    same("fds", &message["fds"], &json!(["seccompFd"]))?;
    same(
        "id",
        message["state"]["id"].as_str(),
        Some(case.id.as_str()),
    )
}

fn receiver_of_an_annotation(case: &Case) -> Outcome {
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    program(case, Entry::Native, GETPPID, 0)?;
    case.edit(|c| {
        c["linux"]["seccomp"] = but(&json!({"names": ["getppid"], "action": "SCMP_ACT_NOTIFY"}));
        c["annotations"] = json!({"run.oci.seccomp.receiver": socket.arg()});
    })?;
    case.rt(&["run", "-d", &case.id])?.ok()?;
    is_told(case, &socket)?;
    case.destroy()?;
    // The configuration's own comes first.
    case.edit(|c| c["linux"]["seccomp"]["listenerPath"] = json!("/nosuch/agent"))?;
    case.run()?.fails(1, &["/nosuch/agent"])?;
    case.nothing_left()
}

fn receiver_that_is_not_there(case: &Case) -> Outcome {
    program(case, Entry::Native, GETPPID, 0)?;
    case.edit(|c| {
        c["linux"]["seccomp"] = but(&json!({"names": ["getppid"], "action": "SCMP_ACT_NOTIFY"}));
        c["annotations"] = json!({"run.oci.seccomp.receiver": "/nosuch/agent"});
    })?;
    case.run()?.fails(
        1,
        &["failed to connect with seccomp agent", "/nosuch/agent"],
    )?;
    case.nothing_left()
}
