//! Devices that are moved, and moved back.

use std::fs;

use serde_json::json;

use super::{Pair, ip};
use crate::harness::config::{MAPPED_ROOT, with_namespace, with_user_namespace};
use crate::harness::{Case, Outcome, has, holds, lacks, same, skip};
use crate::tests::list;

list!["network":
    device_is_moved_and_up,
    device_keeps_what_is_set_of_it,
    only_global_addresses_are_kept,
    addresses_of_version_6_are_kept,
    device_is_renamed,
    device_is_numbered_by_the_kernel,
    device_in_a_user_namespace,
    device_stays_in_a_joined_namespace,
    devices_are_there_before_the_hooks,
    device_is_back_after_a_failed_create,
    port_is_back_after_a_failed_create,
];

/// What a process inside sees of a device.
fn shown(case: &Case, name: &str) -> Outcome<String> {
    case.run_script(&format!("busybox ip address show dev {name}"))
}

fn device_is_moved_and_up(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    pair.list(case, None)?;
    let seen = shown(case, &pair.ours)?;
    has(&seen, "UP")?;
    same(
        "lines that name it",
        seen.matches(&format!(": {}", pair.ours)).count(),
        1,
    )?;
    // A virtual device ends with its network namespace.
    let gone = || Ok(!pair.is_back());
    crate::harness::eventually("the device is gone", gone)
}

fn device_keeps_what_is_set_of_it(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    let name = &pair.ours;
    ip(&format!(
        "link set dev {name} mtu 1433 address 02:11:22:33:44:55"
    ))?;
    ip(&format!(
        "address add 169.254.169.77/24 broadcast 169.254.169.99 dev {name}"
    ))?;
    ip(&format!("address add 169.254.170.78/32 dev {name}"))?;
    pair.list(case, Some("ctr0"))?;
    let seen = shown(case, "ctr0")?;
    has(&seen, "mtu 1433")?;
    has(&seen, "02:11:22:33:44:55")?;
    has(
        &seen,
        "inet 169.254.169.77/24 brd 169.254.169.99 scope global ctr0",
    )?;
    has(&seen, "inet 169.254.170.78/32 scope global ctr0")
}

fn only_global_addresses_are_kept(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    let name = &pair.ours;
    ip(&format!("address add 127.0.0.33/8 dev {name} scope host"))?;
    ip(&format!(
        "address add 169.254.171.1/32 dev {name} scope link"
    ))?;
    ip(&format!(
        "address add 169.254.171.2/32 dev {name} valid_lft 600 preferred_lft 600"
    ))?;
    pair.list(case, None)?;
    lacks(&shown(case, name)?, "inet ")
}

fn addresses_of_version_6_are_kept(case: &Case) -> Outcome {
    let disabled = fs::read_to_string("/proc/sys/net/ipv6/conf/default/disable_ipv6");
    if disabled.map_or(true, |text| text.trim() != "0") {
        return skip("the kernel has no IPv6");
    }
    let pair = Pair::make(case)?;
    // Those of a device that is up end when it is brought down.
    ip(&format!("link set dev {} up", pair.ours))?;
    ip(&format!(
        "address add fd00:6c6f:6467::1/64 dev {} nodad",
        pair.ours
    ))?;
    pair.list(case, None)?;
    has(
        &shown(case, &pair.ours)?,
        "inet6 fd00:6c6f:6467::1/64 scope global",
    )
}

fn device_is_renamed(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    pair.list(case, Some("eth0"))?;
    same(
        "devices",
        case.run_script("ls /sys/class/net | sort | xargs")?,
        "eth0 lo",
    )
}

fn device_is_numbered_by_the_kernel(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    case.edit(|c| {
        super::add(c, &pair.ours, json!({"name": "net%d"}));
        super::add(c, &pair.other, json!({"name": "net%d"}));
    })?;
    same(
        "devices",
        case.run_script("ls /sys/class/net | sort | xargs")?,
        "lo net0 net1",
    )
}

fn device_in_a_user_namespace(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    ip(&format!("address add 169.254.172.1/24 dev {}", pair.ours))?;
    case.edit(with_user_namespace)?;
    case.bundle.give_to(MAPPED_ROOT)?;
    pair.list(case, Some("eth0"))?;
    let seen = shown(case, "eth0")?;
    has(&seen, "UP")?;
    has(&seen, "169.254.172.1/24")
}

fn device_stays_in_a_joined_namespace(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    case.run_asleep()?;
    let path = format!("/proc/{}/ns/net", case.pid()?);
    let second = case.another()?;
    second.edit(|c| with_namespace(c, "network", Some(&path)))?;
    pair.list(&second, Some("eth7"))?;
    has(&shown(&second, "eth7")?, "UP")?;
    same(
        "devices",
        case.exec_script(&[], "ls /sys/class/net | sort | xargs")?,
        "eth7 lo",
    )
}

fn devices_are_there_before_the_hooks(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    pair.list(case, Some("eth0"))?;
    let seen = case.bundle.dir.join("seen");
    let hook = |text: String| json!([{"path": "/bin/sh", "args": ["sh", "-c", text]}]);
    let out = seen.display();
    case.edit(|c| {
        c["hooks"] = json!({
            "createRuntime": hook(format!("ip -o link show dev {} >> {out} 2>&1; true", pair.ours)),
            "createContainer": hook(format!("ip -o link show dev eth0 >> {out}")),
        });
    })?;
    case.run_script("true")?;
    let seen = fs::read_to_string(seen)?;
    has(&seen, "does not exist")?;
    has(&seen, ": eth0@")
}

fn failed_create(case: &Case) -> Outcome {
    case.edit(|c| {
        c["hooks"]["createContainer"] = json!([{"path": "/bin/false"}]);
    })?;
    case.rt(&["create", &case.id])?
        .fails(1, &["error running createContainer hook #0"])?;
    case.nothing_left()
}

fn device_is_back_after_a_failed_create(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    let name = &pair.ours;
    ip(&format!("link set dev {name} up"))?;
    ip(&format!("address add 169.254.173.1/24 dev {name}"))?;
    ip(&format!(
        "address add 169.254.174.1/24 scope link dev {name}"
    ))?;
    for inside in [None, Some("eth0"), Some("eth%d")] {
        pair.list(case, inside)?;
        failed_create(case)?;
        let seen = ip(&format!("address show dev {name}"))?;
        has(&seen, ",UP")?;
        has(&seen, "169.254.173.1/24 scope global")?;
        has(&seen, "169.254.174.1/24 scope link")?;
    }
    Ok(())
}

fn port_is_back_after_a_failed_create(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    let bridge = pair.ours.replace('a', "c");
    if ip(&format!("link add {bridge} type bridge")).is_err() {
        return skip("the kernel has no bridges");
    }
    let checked = ip(&format!("link set dev {} master {bridge}", pair.ours)).and_then(|_| {
        pair.list(case, Some("eth0"))?;
        failed_create(case)?;
        has(
            &ip(&format!("link show dev {}", pair.ours))?,
            &format!("master {bridge}"),
        )
    });
    ip(&format!("link del {bridge}"))?;
    holds("the device is there", pair.is_back())?;
    checked
}
