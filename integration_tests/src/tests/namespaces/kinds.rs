//! Each kind new and inherited, hostname, domain name, sysctl, time, network.

use std::fs;

use serde_json::json;

use crate::harness::config::{with_capabilities, with_namespace, without_namespace};
use crate::harness::{Case, Outcome, has, holds, same};
use crate::tests::list;

list!["namespaces":
    new_ones_are_new,
    absent_ones_are_the_callers,
    hostname_and_domainname,
    sysctls_are_written,
    sysctl_with_slashes,
    time_offsets,
    loopback_is_up,
    network_is_empty,
    first_pid_is_one,
    host_mount_namespace,
];

/// The name in the configuration, and the name in `/proc/PID/ns`.
const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("mount", "mnt"),
    ("cgroup", "cgroup"),
];

fn host(name: &str) -> Outcome<String> {
    Ok(fs::read_link(format!("/proc/self/ns/{name}"))?
        .to_string_lossy()
        .into_owned())
}

fn new_ones_are_new(case: &Case) -> Outcome {
    case.edit(|c| with_namespace(c, "cgroup", None))?;
    let seen = case.probe()?;
    for (kind, name) in KINDS {
        let inside = seen.namespace(name);
        holds(
            format!("{kind} is {inside}"),
            !inside.is_empty() && inside != host(name)?,
        )?;
    }
    same("user", seen.namespace("user"), host("user")?)
}

fn absent_ones_are_the_callers(case: &Case) -> Outcome {
    for (kind, name) in [
        ("pid", "pid"),
        ("network", "net"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("cgroup", "cgroup"),
    ] {
        let config = case.bundle.config()?;
        case.edit(|c| {
            without_namespace(c, kind);
            if kind == "uts" {
                c["hostname"] = json!("");
            }
        })?;
        let link = case.run_script(&format!("readlink /proc/self/ns/{name}"))?;
        same(kind, link, host(name)?)?;
        case.edit(|c| *c = config)?;
    }
    Ok(())
}

fn hostname_and_domainname(case: &Case) -> Outcome {
    case.edit(|c| {
        c["hostname"] = json!("inside.example");
        c["domainname"] = json!("domain.example");
    })?;
    let seen = case.probe()?;
    same("hostname", seen.part("hostname"), "inside.example")?;
    same("domainname", seen.part("domainname"), "domain.example")
}

fn sysctls_are_written(case: &Case) -> Outcome {
    case.edit(|c| {
        c["linux"]["sysctl"] = json!({
            "net.ipv4.ip_forward": "1",
            "kernel.shm_rmid_forced": "1",
            "fs.mqueue.msg_max": "17",
            "net.ipv4.ping_group_range": "0 100",
        });
    })?;
    let script = "cd /proc/sys; cat net/ipv4/ip_forward kernel/shm_rmid_forced fs/mqueue/msg_max; tr '\\t' ' ' < net/ipv4/ping_group_range";
    same("values", case.run_script(script)?, "1\n1\n17\n0 100")
}

fn sysctl_with_slashes(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["sysctl"] = json!({"net/ipv4/ip_forward": "1"}))?;
    same(
        "value",
        case.run_script("cat /proc/sys/net/ipv4/ip_forward")?,
        "1",
    )
}

fn time_offsets(case: &Case) -> Outcome {
    case.edit(|c| {
        with_namespace(c, "time", None);
        c["linux"]["timeOffsets"] =
            json!({"monotonic": {"secs": 7000}, "boottime": {"secs": 1_000_000, "nanosecs": 5}});
    })?;
    case.run_asleep()?;
    let script = "cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime";
    let out = case.exec_script(&[], script)?;
    let words: Vec<&str> = out.split_whitespace().collect();
    same(
        "offsets",
        words.get(..6),
        Some(["monotonic", "7000", "0", "boottime", "1000000", "5"].as_slice()),
    )?;
    let uptime: u64 = words.get(6).unwrap_or(&"0").parse()?;
    holds(format!("uptime {uptime}"), uptime > 1_000_000)
}

fn loopback_is_up(case: &Case) -> Outcome {
    let out = case.run_script("ifconfig lo")?;
    has(&out, "UP LOOPBACK RUNNING")?;
    has(&out, "127.0.0.1")
}

fn network_is_empty(case: &Case) -> Outcome {
    // Sit and tunnel devices of the kernel may be there, cards of the host may not.
    let host = fs::read_to_string("/proc/net/route")?;
    let routes = case.run_script("tail -n +2 /proc/net/route | wc -l")?;
    same("routes", routes.as_str(), "0")?;
    holds("the host's table was read", host.contains("Iface"))
}

fn first_pid_is_one(case: &Case) -> Outcome {
    same(
        "pids",
        case.run_script("echo $$; ls /proc | grep -c '^[0-9]'")?
            .lines()
            .next(),
        Some("1"),
    )
}

fn host_mount_namespace(case: &Case) -> Outcome {
    // Without one of its own the root is changed by chroot alone.
    case.edit(|c| {
        without_namespace(c, "mount");
        c["mounts"] = json!([]);
        c["linux"]["maskedPaths"] = json!([]);
        c["linux"]["readonlyPaths"] = json!([]);
        with_capabilities(c, &[]);
    })?;
    case.bundle.script("echo ran")?;
    // What happens to the caller's mounts then happens to a copy of them.
    let call = case
        .call(&["run", &case.id])
        .under("exec unshare -m \"$@\"");
    same("output", call.answer()?.ok()?.out(), "ran\n")
}
