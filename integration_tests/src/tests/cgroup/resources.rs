//! Each resource, seen in the cgroup's file and, where that can be, by its effect.

use std::fs;

use serde_json::{Value, json};

use super::limits::file;
use crate::harness::{Case, Hierarchies, Outcome, eventually, has, holds, same, skip};
use crate::tests::list;

list!["cgroup":
    memory_limit_kills,
    cpu_quota_throttles,
    cpu_idle_and_burst,
    cpu_realtime,
    block_throttles,
    block_weight,
    block_limit_of_no_device_is_named,
    hugetlb_limits,
    hugetlb_of_no_page_size_is_refused,
    rdma_without_a_device_is_named,
    network_class_and_priority,
    unified_is_written_last,
    unified_on_v1_is_refused,
    unified_of_no_controller_is_named,
];

fn with(case: &Case, resources: Value) -> Outcome {
    case.edit(|c| c["linux"]["resources"] = resources)
}

fn unified() -> Outcome<bool> {
    Ok(Hierarchies::read()?.unified())
}

/// A number of a file of keys and values.
fn count(text: &str, key: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let mut named = lines.filter(|(name, _)| *name == key);
    let value = named.next().map(|(_, value)| value.parse());
    value.and_then(Result::ok).unwrap_or_default()
}

fn memory_limit_kills(case: &Case) -> Outcome {
    with(
        case,
        json!({"memory": {"limit": 16_777_216, "swap": 16_777_216}}),
    )?;
    case.bundle
        .script("dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?; sleep 600")?;
    let answer = case.rt(&["run", "--detach", &case.id])?.ok()?;
    eventually("dd is killed", || Ok(answer.out().contains("137")))?;
    let events = file(case, "memory", "memory.oom_control", "memory.events")?;
    holds("the kill is counted", count(&events, "oom_kill") > 0)
}

fn cpu_quota_throttles(case: &Case) -> Outcome {
    with(case, json!({"cpu": {"quota": 20_000, "period": 100_000}}))?;
    case.run_detached("while :; do :; done")?;
    eventually("it is throttled", || {
        Ok(count(&file(case, "cpu", "cpu.stat", "cpu.stat")?, "nr_throttled") > 0)
    })
}

fn cpu_idle_and_burst(case: &Case) -> Outcome {
    with(
        case,
        json!({"cpu": {"quota": 20_000, "period": 100_000, "burst": 10_000, "idle": 1}}),
    )?;
    case.run_asleep()?;
    same("idle", file(case, "cpu", "cpu.idle", "cpu.idle")?, "1")?;
    same(
        "burst",
        file(case, "cpu", "cpu.cfs_burst_us", "cpu.max.burst")?,
        "10000",
    )
}

fn cpu_realtime(case: &Case) -> Outcome {
    with(
        case,
        json!({"cpu": {"realtimeRuntime": 1000, "realtimePeriod": 500_000}}),
    )?;
    if unified()? {
        case.run()?.fails(1, &["linux.resources.cpu.realtime"])?;
        return case.nothing_left();
    }
    let Some(point) = Hierarchies::read()?
        .controller("cpu")
        .map(ToOwned::to_owned)
    else {
        return skip("needs the cpu controller");
    };
    if !point.join("cpu.rt_runtime_us").exists() {
        case.run()?
            .fails(1, &["cpu.rt_period_us", "no such file"])?;
        return case.nothing_left();
    }
    case.run_asleep()?;
    same(
        "runtime",
        file(case, "cpu", "cpu.rt_runtime_us", "")?,
        "1000",
    )?;
    same(
        "period",
        file(case, "cpu", "cpu.rt_period_us", "")?,
        "500000",
    )
}

/// A disk of this host.
fn disk() -> Outcome<(i64, i64)> {
    for entry in fs::read_dir("/sys/block")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if ["loop", "ram", "zram"]
            .iter()
            .any(|kind| name.starts_with(kind))
        {
            continue;
        }
        let text = fs::read_to_string(entry.path().join("dev"))?;
        if let Some((major, minor)) = text.trim().split_once(':') {
            return Ok((major.parse()?, minor.parse()?));
        }
    }
    skip("needs a disk")
}

fn block_throttles(case: &Case) -> Outcome {
    let (major, minor) = disk()?;
    let entry = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    with(
        case,
        json!({"blockIO": {
            "throttleReadBpsDevice": entry(1_048_576),
            "throttleWriteBpsDevice": entry(2_097_152),
            "throttleReadIOPSDevice": entry(1000),
            "throttleWriteIOPSDevice": entry(2000),
        }}),
    )?;
    case.run_asleep()?;
    if unified()? {
        return same(
            "io.max",
            file(case, "blkio", "", "io.max")?,
            format!("{major}:{minor} rbps=1048576 wbps=2097152 riops=1000 wiops=2000"),
        );
    }
    for (name, rate) in [
        ("read_bps", 1_048_576),
        ("write_bps", 2_097_152),
        ("read_iops", 1000),
        ("write_iops", 2000),
    ] {
        same(
            name,
            file(case, "blkio", &format!("blkio.throttle.{name}_device"), "")?,
            format!("{major}:{minor} {rate}"),
        )?;
    }
    Ok(())
}

/// With BFQ as it is, else converted to the range of v2.
fn block_weight(case: &Case) -> Outcome {
    with(case, json!({"blockIO": {"weight": 500}}))?;
    let answer = case.call(&["run", "--detach", &case.id]);
    case.bundle.script("exec sleep 600")?;
    let answer = answer.answer()?;
    let seen = |v1: &str, v2: &str| file(case, "blkio", v1, v2).unwrap_or_default();
    if answer.code != 0 {
        // A host without any scheduler that knows weights.
        return answer.fails(1, &["weight", "no such file or directory"]);
    }
    let plain = seen("blkio.bfq.weight", "io.bfq.weight");
    let plain = plain.lines().next().unwrap_or_default().to_owned();
    let plain = plain.trim_start_matches("default ");
    let other = seen("blkio.weight", "io.weight");
    holds(
        format!("a weight is there: {plain:?} {other:?}"),
        plain == "500" || other == "500" || other == "default 4950",
    )
}

fn block_limit_of_no_device_is_named(case: &Case) -> Outcome {
    let entry = json!([{"major": 4000, "minor": 7, "rate": 1000}]);
    with(case, json!({"blockIO": {"throttleReadBpsDevice": entry}}))?;
    let name = if unified()? {
        "io.max"
    } else {
        "blkio.throttle.read_bps_device"
    };
    case.run()?.fails(1, &[name, "4000:7", "no such device"])?;
    case.nothing_left()
}

fn has_hugetlb() -> Outcome<bool> {
    let hierarchies = Hierarchies::read()?;
    // In v2 as long as no v1 hierarchy has it.
    let v2 = hierarchies.v2.as_ref();
    let known = v2.map(|point| fs::read_to_string(point.join("cgroup.controllers")));
    Ok(hierarchies.controller("hugetlb").is_some()
        || known.is_some_and(|text| text.is_ok_and(|text| text.contains("hugetlb"))))
}

fn hugetlb_limits(case: &Case) -> Outcome {
    with(
        case,
        json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]}),
    )?;
    if !has_hugetlb()? {
        case.run()?.fails(1, &["hugetlb"])?;
        return case.nothing_left();
    }
    case.run_asleep()?;
    for kind in ["", "rsvd."] {
        let v1 = format!("hugetlb.2MB.{kind}limit_in_bytes");
        let v2 = format!("hugetlb.2MB.{kind}max");
        same(&v2, file(case, "hugetlb", &v1, &v2)?, "4194304")?;
    }
    Ok(())
}

fn hugetlb_of_no_page_size_is_refused(case: &Case) -> Outcome {
    for size in ["../memory.x", "3MB", "2MB/../x", ""] {
        with(
            case,
            json!({"hugepageLimits": [{"pageSize": size, "limit": 4096}]}),
        )?;
        case.run()?.fails(1, &["huge"])?;
        case.nothing_left()?;
    }
    Ok(())
}

fn rdma_without_a_device_is_named(case: &Case) -> Outcome {
    with(case, json!({"rdma": {"none0": {"hcaHandles": 2}}}))?;
    case.run()?.fails(1, &["rdma"])?;
    case.nothing_left()
}

fn network_class_and_priority(case: &Case) -> Outcome {
    with(
        case,
        json!({"network": {"classID": 1_048_577, "priorities": [{"name": "lo", "priority": 7}]}}),
    )?;
    let hierarchies = Hierarchies::read()?;
    if hierarchies.unified() {
        let answer = case.run_asleep()?;
        return has(&answer.err(), "cgroup v2 has no network classes");
    }
    if hierarchies.controller("net_cls").is_none() || hierarchies.controller("net_prio").is_none() {
        case.run()?.fails(1, &["linux.resources.network"])?;
        return case.nothing_left();
    }
    // Priorities are of the interfaces of the namespace that writes them.
    case.run_asleep()?;
    same(
        "class",
        file(case, "net_cls", "net_cls.classid", "")?,
        "1048577",
    )?;
    let map = file(case, "net_prio", "net_prio.ifpriomap", "")?;
    holds(map.clone(), map.lines().any(|line| line == "lo 7"))
}

fn unified_is_written_last(case: &Case) -> Outcome {
    if !unified()? {
        return skip("needs cgroup v2 alone");
    }
    with(
        case,
        json!({
            "pids": {"limit": 12},
            "memory": {"limit": 67_108_864},
            "unified": {"pids.max": "34", "memory.high": "33554432", "cgroup.max.depth": "3"},
        }),
    )?;
    case.run_asleep()?;
    for (name, value) in [
        ("pids.max", "34"),
        ("memory.max", "67108864"),
        ("memory.high", "33554432"),
        ("cgroup.max.depth", "3"),
    ] {
        same(name, file(case, "pids", "", name)?, value)?;
    }
    Ok(())
}

fn unified_on_v1_is_refused(case: &Case) -> Outcome {
    if unified()? {
        return skip("needs cgroup v1");
    }
    with(case, json!({"unified": {"pids.max": "34"}}))?;
    case.run()?.fails(1, &["unified"])?;
    case.nothing_left()
}

fn unified_of_no_controller_is_named(case: &Case) -> Outcome {
    if !unified()? {
        return skip("needs cgroup v2 alone");
    }
    for (name, words) in [
        ("nonsense.max", "nonsense.max"),
        ("memory.nonsense", "memory.nonsense"),
        ("cgroup.procs", "is not a resource"),
        ("../x.y", "no slashes"),
    ] {
        with(case, json!({"unified": {name: "1"}}))?;
        let answer = case.run()?;
        answer.fails(1, &[words])?;
        has(&answer.err(), "cgroup").or_else(|_| has(&answer.err(), "linux.resources.unified"))?;
        case.nothing_left()?;
    }
    Ok(())
}
