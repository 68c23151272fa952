//! Annotations that crun acts upon: done, or refused by name.

use serde_json::json;

use crate::harness::{Case, ConsoleSocket, Outcome, same};
use crate::tests::list;

list!["input":
    annotations_that_are_not_supported,
    annotations_with_values_that_mean_nothing,
    annotations_that_nobody_has_to_know,
    unknown_call_that_may_not_be,
    pidfd_for_a_socket_of_the_configuration,
];

fn annotations_that_are_not_supported(case: &Case) -> Outcome {
    for (name, value) in [
        ("run.oci.handler", "krun"),
        ("run.oci.seccomp.plugins", "plugin.so"),
        ("run.oci.systemd.force_cgroup_v1", "/sys/fs/cgroup/systemd"),
    ] {
        case.edit(|c| c["annotations"] = json!({name: value}))?;
        for verb in ["create", "run"] {
            case.rt(&[verb, &case.id])?
                .fails(1, &[name, "not supported: "])?;
        }
    }
    case.nothing_left()
}

fn annotations_with_values_that_mean_nothing(case: &Case) -> Outcome {
    for (name, value) in [
        ("run.oci.hooks.stdout", "out"),
        ("run.oci.hooks.stderr", "../err"),
        ("run.oci.seccomp.receiver", "agent"),
        ("run.oci.seccomp_bpf_data", "AAAA"),
        ("run.oci.seccomp_bpf_data", "not base64"),
        ("run.oci.delegate-cgroup", "../.."),
        ("run.oci.mount_context_type", "seclabel"),
        ("run.oci.systemd.subgroup", "a/../b"),
    ] {
        case.edit(|c| c["annotations"] = json!({name: value}))?;
        case.rt(&["create", &case.id])?.fails(1, &[name])?;
    }
    case.nothing_left()
}

fn annotations_that_nobody_has_to_know(case: &Case) -> Outcome {
    case.edit(|c| {
        c["annotations"] = json!({
            "run.oci.mount_context_type": "rootcontext", "run.oci.handler": "",
            "run.oci.keep_original_groups": "1", "org.example.any": "x",
            "run.oci.delegate-cgroup": "", "run.oci.seccomp_bpf_data": "",
        });
    })?;
    same("output", case.run_script("echo ran")?.as_str(), "ran")
}

fn unknown_call_that_may_not_be(case: &Case) -> Outcome {
    case.edit(|c| {
        c["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["getcwd", "no_such_call"], "action": "SCMP_ACT_ERRNO"}]});
    })?;
    same("output", case.run_script("echo ran")?.as_str(), "ran")?;
    case.edit(|c| {
        c["annotations"] = json!({"run.oci.seccomp_fail_unknown_syscall": "1"});
    })?;
    case.run()?
        .fails(1, &["linux.seccomp.syscalls[0].names[1]", "no_such_call"])?;
    case.nothing_left()
}

fn pidfd_for_a_socket_of_the_configuration(case: &Case) -> Outcome {
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    case.edit(|c| c["annotations"] = json!({"run.oci.pidfd_receiver": socket.arg()}))?;
    case.run_asleep()?;
    socket.receive().map(drop)
}
