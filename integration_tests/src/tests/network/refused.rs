//! Devices that cannot be moved: nothing is changed of them then.

use serde_json::json;

use super::{Pair, add, ip};
use crate::harness::config::{with_namespace, without_namespace};
use crate::harness::{Case, Outcome, has, holds};
use crate::tests::list;

list!["network":
    missing_device,
    device_without_a_network_namespace,
    device_to_the_hosts_namespace,
    device_of_an_impossible_name,
    two_devices_of_one_name,
    name_that_is_taken,
    second_device_that_fails,
];

fn missing_device(case: &Case) -> Outcome {
    case.edit(|c| add(c, "no-such-dev0", json!({})))?;
    case.run()?.fails(
        1,
        &["cannot find network device no-such-dev0", "no such device"],
    )?;
    case.nothing_left()
}

fn device_without_a_network_namespace(case: &Case) -> Outcome {
    case.edit(|c| {
        without_namespace(c, "network");
        add(c, "eth0", json!({}));
    })?;
    case.run()?
        .fails(1, &["linux.netDevices", "NET namespace"])?;
    case.nothing_left()
}

fn device_to_the_hosts_namespace(case: &Case) -> Outcome {
    case.edit(|c| {
        with_namespace(c, "network", Some("/proc/self/ns/net"));
        add(c, "eth0", json!({}));
    })?;
    case.run()?
        .fails(1, &["linux.netDevices", "the runtime's own"])?;
    case.nothing_left()
}

fn device_of_an_impossible_name(case: &Case) -> Outcome {
    for name in ["a/b", "a name", "sixteen-letters-", "%s", "lo"] {
        case.edit(|c| add(c, "eth0", json!({"name": name})))?;
        case.run()?.fails(1, &["linux.netDevices.eth0.name"])?;
    }
    case.nothing_left()
}

fn two_devices_of_one_name(case: &Case) -> Outcome {
    case.edit(|c| {
        add(c, "eth0", json!({"name": "net0"}));
        add(c, "eth1", json!({"name": "net0"}));
    })?;
    case.run()?
        .fails(1, &["linux.netDevices.eth1.name", "eth0"])?;
    case.nothing_left()
}

fn name_that_is_taken(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    let first = case.another()?;
    pair.list(&first, Some("eth0"))?;
    first.run_asleep()?;
    let path = format!("/proc/{}/ns/net", first.pid()?);
    let inside = |c: &mut serde_json::Value| {
        with_namespace(c, "network", Some(&path));
        add(c, &pair.other, json!({"name": "eth0"}));
    };
    case.edit(inside)?;
    case.run()?
        .fails(1, &["cannot move network device", "file exists", "eth0"])?;
    ip(&format!("link show dev {}", pair.other))?;
    has(
        &first.exec_script(&[], "busybox ip link show dev eth0")?,
        "eth0",
    )
}

fn second_device_that_fails(case: &Case) -> Outcome {
    let pair = Pair::make(case)?;
    pair.list(case, Some("eth0"))?;
    case.edit(|c| add(c, "zz-missing0", json!({})))?;
    case.run()?
        .fails(1, &["cannot find network device zz-missing0"])?;
    holds("the first is back", pair.is_back())?;
    case.nothing_left()
}
