//! Namespaces by their path.

use serde_json::json;

use crate::harness::config::{MAPPED_ROOT, with_namespace, with_user_namespace};
use crate::harness::{Case, Outcome, has, same};
use crate::tests::list;

list!["namespaces":
    all_of_another_container,
    path_of_the_wrong_kind_is_refused,
    missing_path_is_refused,
    pid_namespace_of_another_container,
    user_and_time_namespace_of_another_container,
    network_of_the_host_below_a_new_user_namespace,
];

const KINDS: [(&str, &str); 4] = [
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("pid", "pid"),
];

fn all_of_another_container(case: &Case) -> Outcome {
    case.edit(|c| c["hostname"] = json!("first"))?;
    case.run_asleep()?;
    let pid = case.pid()?;
    let second = case.another()?;
    second.edit(|c| {
        for (kind, name) in KINDS {
            with_namespace(c, kind, Some(&format!("/proc/{pid}/ns/{name}")));
        }
        // The name is the first one's.
        c["hostname"] = json!("");
    })?;
    let seen = second.probe()?;
    for (kind, name) in KINDS {
        let link = std::fs::read_link(format!("/proc/{pid}/ns/{name}"))?;
        same(
            kind,
            seen.namespace(name),
            link.to_string_lossy().into_owned(),
        )?;
    }
    same("hostname", seen.part("hostname"), "first")
}

fn path_of_the_wrong_kind_is_refused(case: &Case) -> Outcome {
    for (kind, other) in [
        ("network", "uts"),
        ("uts", "ipc"),
        ("pid", "net"),
        ("ipc", "mnt"),
    ] {
        let config = case.bundle.config()?;
        let path = format!("/proc/self/ns/{other}");
        case.edit(|c| with_namespace(c, kind, Some(&path)))?;
        case.run()?.fails(1, &[&path])?;
        case.edit(|c| *c = config)?;
    }
    case.nothing_left()
}

fn missing_path_is_refused(case: &Case) -> Outcome {
    case.edit(|c| with_namespace(c, "network", Some("/nosuch/net")))?;
    case.run()?
        .fails(1, &["/nosuch/net", "no such file or directory"])?;
    case.nothing_left()
}

fn pid_namespace_of_another_container(case: &Case) -> Outcome {
    case.run_asleep()?;
    let path = format!("/proc/{}/ns/pid", case.pid()?);
    let second = case.another()?;
    second.edit(|c| with_namespace(c, "pid", Some(&path)))?;
    second.run_asleep()?;
    // It sees the first one's init as 1, and is somebody else itself.
    let out = second.exec_script(
        &[],
        "tr '\\0' ' ' < /proc/1/cmdline; ls /proc | grep -c '^[0-9]'",
    )?;
    has(&out, "sleep 600")?;
    second.rt(&["kill", &second.id, "KILL"])?.ok()?;
    second.becomes("stopped")?;
    case.status_is("running")?;
    second.destroy()
}

/// Joined by two clones, the second in the pid namespace that the first joined:
/// the pid that is kept must be the host's.
fn user_and_time_namespace_of_another_container(case: &Case) -> Outcome {
    case.edit(|c| {
        with_user_namespace(c);
        with_namespace(c, "time", None);
        c["linux"]["timeOffsets"] = json!({"monotonic": {"secs": 7881}});
    })?;
    case.bundle.give_to(MAPPED_ROOT)?;
    case.run_asleep()?;
    let pid = case.pid()?;
    let second = case.another()?;
    second.bundle.give_to(MAPPED_ROOT)?;
    second.edit(|c| {
        for (kind, name) in KINDS
            .into_iter()
            .chain([("user", "user"), ("time", "time")])
        {
            with_namespace(c, kind, Some(&format!("/proc/{pid}/ns/{name}")));
        }
        c["hostname"] = json!("");
    })?;
    second.run_asleep()?;
    let link = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/user"));
    same("user namespace", link(second.pid()?)?, link(pid)?)?;
    let out = second.exec_script(&[], "cat /proc/self/timens_offsets /proc/self/uid_map")?;
    has(&out, "7881")?;
    has(&out, &MAPPED_ROOT.to_string())?;
    second.rt(&["kill", &second.id, "KILL"])?.ok()?;
    second.becomes("stopped")?;
    case.status_is("running")?;
    second.destroy()
}

/// A network namespace that belongs to the host's user namespace: joined before
/// the new one is entered, and its sysfs, which may not be mounted anew, shown
/// read-only.
fn network_of_the_host_below_a_new_user_namespace(case: &Case) -> Outcome {
    case.run_asleep()?;
    let network = format!("/proc/{}/ns/net", case.pid()?);
    let second = case.another()?;
    second.edit(|c| {
        with_user_namespace(c);
        with_namespace(c, "network", Some(&network));
    })?;
    second.bundle.give_to(MAPPED_ROOT)?;
    let seen = second.probe()?;
    let link = std::fs::read_link(&network)?.to_string_lossy().into_owned();
    same("network", seen.namespace("net"), link)?;
    has(seen.part("id"), "uid=0")
}
