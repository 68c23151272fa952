//! `update`: limits of a container that runs.

use std::fs;

use serde_json::json;

use super::limits::file;
use crate::harness::{Case, Hierarchies, Outcome, has, holds, same, skip};
use crate::tests::list;

list!["cgroup":
    update_of_memory,
    update_of_memory_alone_keeps_swap,
    update_of_pids,
    update_of_cpu_keeps_the_rest,
    update_from_a_document,
    update_that_fails_changes_nothing,
    update_of_a_stopped_container,
    update_of_what_is_not_there,
    update_to_no_limit_lifts_swap_too,
    update_of_quota_and_period_under_a_limited_parent,
    update_of_burst_and_idle,
    update_of_a_paused_container,
    update_below_what_is_in_use_is_explained,
    update_checks_use_first_where_that_was_asked_for,
    update_of_the_unified_map,
    update_of_a_devices_throughput,
    update_leaves_device_rules_alone,
    update_of_intel_rdt_without_any,
];

fn running(case: &Case) -> Outcome {
    case.needs_command("update")?;
    case.edit(|c| {
        c["linux"]["resources"] = json!({
            "memory": {"limit": 67_108_864, "swap": 134_217_728},
            "pids": {"limit": 50},
            "cpu": {"shares": 512, "quota": 20000, "period": 50000},
        });
    })?;
    case.run_asleep().map(drop)
}

fn memory(case: &Case) -> Outcome<String> {
    file(case, "memory", "memory.limit_in_bytes", "memory.max")
}

fn v1(controller: &str) -> Outcome<bool> {
    Ok(Hierarchies::read()?.controller(controller).is_some())
}

fn quota_and_period(case: &Case) -> Outcome<String> {
    if !v1("cpu")? {
        return file(case, "cpu", "", "cpu.max");
    }
    let quota = file(case, "cpu", "cpu.cfs_quota_us", "")?;
    let period = file(case, "cpu", "cpu.cfs_period_us", "")?;
    Ok(format!("{quota} {period}"))
}

/// `update --resources -` with this document.
fn from_stdin(case: &Case, document: &serde_json::Value) -> Outcome<crate::harness::Answer> {
    let file = case.bundle.dir.join("resources.json");
    fs::write(&file, document.to_string())?;
    let call = case.call(&["update", "--resources", "-", &case.id]);
    call.stdin(fs::File::open(&file)?).answer()
}

fn update_of_memory(case: &Case) -> Outcome {
    running(case)?;
    // Up past the old sum, and down again.
    for (limit, swap, bytes) in [("200M", "300M", "209715200"), ("50M", "60M", "52428800")] {
        case.rt(&["update", "--memory", limit, "--memory-swap", swap, &case.id])?
            .ok()?;
        same("limit", memory(case)?.as_str(), bytes)?;
    }
    case.status_is("running")
}

fn update_of_memory_alone_keeps_swap(case: &Case) -> Outcome {
    running(case)?;
    let swap = || {
        file(
            case,
            "memory",
            "memory.memsw.limit_in_bytes",
            "memory.swap.max",
        )
    };
    let before = swap()?;
    case.rt(&["update", "--memory", "50M", &case.id])?.ok()?;
    same("memory", memory(case)?.as_str(), "52428800")?;
    same("swap", swap()?, before.clone())?;
    from_stdin(case, &json!({"memory": {"limit": 54_525_952}}))?.ok()?;
    same("memory", memory(case)?.as_str(), "54525952")?;
    same("swap", swap()?, before)
}

fn update_of_pids(case: &Case) -> Outcome {
    running(case)?;
    for (asked, seen) in [("42", "42"), ("-1", "max")] {
        case.rt(&["update", &case.id, "--pids-limit", asked])?
            .ok()?;
        same(
            "limit",
            file(case, "pids", "pids.max", "pids.max")?.as_str(),
            seen,
        )?;
    }
    same("memory", memory(case)?.as_str(), "67108864")
}

fn update_of_cpu_keeps_the_rest(case: &Case) -> Outcome {
    running(case)?;
    let seen = || quota_and_period(case);
    case.rt(&["update", "--cpu-quota", "30000", &case.id])?
        .ok()?;
    same("quota and period", seen()?.as_str(), "30000 50000")?;
    case.rt(&["update", "--cpu-period", "60000", &case.id])?
        .ok()?;
    same("quota and period", seen()?.as_str(), "30000 60000")
}

fn update_from_a_document(case: &Case) -> Outcome {
    running(case)?;
    let limits = json!({"memory": {"limit": 73_400_320}, "pids": {"limit": 9}, "cpu": {}});
    from_stdin(case, &limits)?.ok()?;
    same("memory", memory(case)?.as_str(), "73400320")?;
    same(
        "pids",
        file(case, "pids", "pids.max", "pids.max")?.as_str(),
        "9",
    )
}

fn update_that_fails_changes_nothing(case: &Case) -> Outcome {
    running(case)?;
    let line = [
        "update",
        "--pids-limit",
        "7",
        "--cpu-period",
        "100",
        &case.id,
    ];
    let file_name = if v1("cpu")? {
        "cpu.cfs_period_us to \\\"100\\\": invalid argument"
    } else {
        "cpu.max to \\\"20000 100\\\": invalid argument"
    };
    case.rt(&line)?.fails(1, &[file_name])?;
    same("cpu", quota_and_period(case)?.as_str(), "20000 50000")?;
    same(
        "pids",
        file(case, "pids", "pids.max", "pids.max")?.as_str(),
        "50",
    )?;
    case.status_is("running")
}

fn update_of_a_stopped_container(case: &Case) -> Outcome {
    case.needs_command("update")?;
    case.run_detached("exit 0")?;
    case.becomes("stopped")?;
    case.rt(&["update", "--pids-limit", "7", &case.id])?
        .fails(1, &["container not running"])
}

fn update_of_what_is_not_there(case: &Case) -> Outcome {
    // Said before the fault of the limits, and without waiting for a document.
    for line in [["--memory", "nonsense"], ["--resources", "-"]] {
        case.rt(&["update", line[0], line[1], "nobody"])?
            .fails(1, &["container does not exist"])?;
    }
    case.run_asleep()?;
    case.rt(&["update", "--memory", "nonsense", &case.id])?
        .fails(1, &["invalid value for memory"])
}

fn update_to_no_limit_lifts_swap_too(case: &Case) -> Outcome {
    running(case)?;
    case.rt(&["update", &case.id, "--memory", "-1"])?.ok()?;
    if v1("memory")? {
        let swap = file(case, "memory", "memory.memsw.limit_in_bytes", "")?;
        return same("swap", swap, memory(case)?);
    }
    same("memory", memory(case)?.as_str(), "max")?;
    same("swap", file(case, "memory", "", "memory.swap.max")?, "max")
}

fn update_of_quota_and_period_under_a_limited_parent(case: &Case) -> Outcome {
    // Each is written alone on v1, and half of the change is more than the
    // parent allows.
    let Some(point) = Hierarchies::read()?
        .controller("cpu")
        .map(std::path::Path::to_owned)
    else {
        return skip("needs cgroup v1");
    };
    let parent = point.join(case.cgroup.trim_start_matches('/'));
    fs::create_dir(&parent)?;
    fs::write(parent.join("cpu.cfs_quota_us"), "50000")?;
    case.edit(|c| {
        c["linux"]["cgroupsPath"] = json!(format!("{}/inner", case.cgroup));
        c["linux"]["resources"]["cpu"] = json!({"quota": 50000, "period": 100_000});
    })?;
    let outcome = case.run_asleep().and_then(|_| {
        let over = ["update", "--cpu-quota", "60000", &case.id];
        case.rt(&over)?.fails(1, &["cpu.cfs_quota_us"])?;
        let line = [
            "update",
            "--cpu-period",
            "10000",
            "--cpu-quota",
            "3000",
            &case.id,
        ];
        case.rt(&line)?.ok()?;
        let read = |name: &str| fs::read_to_string(parent.join("inner").join(name));
        same("quota", read("cpu.cfs_quota_us")?.as_str(), "3000\n")?;
        same("period", read("cpu.cfs_period_us")?.as_str(), "10000\n")
    });
    case.destroy()?;
    for point in Hierarchies::read()?.all() {
        fs::remove_dir(point.join(case.cgroup.trim_start_matches('/')))?;
    }
    outcome
}

fn update_of_burst_and_idle(case: &Case) -> Outcome {
    running(case)?;
    let update = |argv: &[&str]| case.rt(&[&["update", &case.id], argv].concat());
    let burst = || file(case, "cpu", "cpu.cfs_burst_us", "cpu.max.burst");
    let idle = || file(case, "cpu", "cpu.idle", "cpu.idle");
    update(&["--cpu-burst", "10000"])?.ok()?;
    same("burst", burst()?, "10000")?;
    // More than the old quota, not than the new.
    update(&["--cpu-burst", "25000", "--cpu-quota", "30000"])?.ok()?;
    same("burst", burst()?, "25000")?;
    same("quota", quota_and_period(case)?, "30000 50000")?;
    update(&["--cpu-burst", "40000"])?.fails(1, &["burst"])?;
    update(&["--memory", "100M"])?.ok()?;
    same("burst is kept", burst()?, "25000")?;

    for value in ["1", "0", "1"] {
        update(&["--cpu-idle", value])?.ok()?;
        same("idle", idle()?, value)?;
    }
    update(&["--cpu-idle", "2"])?.fails(1, &["idle"])?;
    update(&["--cpu-period", "60000"])?.ok()?;
    same("idle is kept", idle()?, "1")?;
    // An idle cgroup has no weight.
    update(&["--cpu-share", "300"])?.fails(1, &["cpu.idle is 1"])?;
    update(&["--cpu-share", "300", "--cpu-idle", "0"])?.ok()?;
    same("idle", idle()?, "0")
}

fn update_of_a_paused_container(case: &Case) -> Outcome {
    running(case)?;
    case.rt(&["pause", &case.id])?.ok()?;
    case.rt(&["update", "--pids-limit", "30", &case.id])?.ok()?;
    case.status_is("paused")?;
    same("pids", file(case, "pids", "pids.max", "pids.max")?, "30")?;
    case.rt(&["resume", &case.id])?.ok().map(drop)
}

fn update_below_what_is_in_use_is_explained(case: &Case) -> Outcome {
    if !v1("memory")? {
        return skip("cgroup v2 kills instead");
    }
    running(case)?;
    let line = [
        "update",
        "--memory-swap",
        "4096",
        "--memory",
        "4096",
        &case.id,
    ];
    case.rt(&line)?.fails(
        1,
        &[
            "limit_in_bytes to \\\"4096\\\"",
            "current usage: ",
            "peak usage: ",
        ],
    )?;
    same("limit", memory(case)?.as_str(), "67108864")?;
    let swap = file(case, "memory", "memory.memsw.limit_in_bytes", "")?;
    same("swap", swap, "134217728")
}

fn update_checks_use_first_where_that_was_asked_for(case: &Case) -> Outcome {
    if v1("memory")? {
        return skip("needs cgroup v2");
    }
    // Asked for with the update; then with the configuration, for all to come.
    running(case)?;
    let asked = json!({"memory": {"limit": 4096, "swap": 8192, "checkBeforeUpdate": true}});
    from_stdin(case, &asked)?.fails(1, &["rejecting memory+swap limit"])?;
    case.status_is("running")?;
    case.destroy()?;

    case.edit(|c| {
        c["linux"]["resources"] = json!({
            "memory": {"limit": 67_108_864, "checkBeforeUpdate": true},
        });
    })?;
    case.run_asleep()?;
    case.rt(&["update", "--memory", "4096", &case.id])?
        .fails(1, &["rejecting memory limit 4096 <= usage"])?;
    same("limit", memory(case)?.as_str(), "67108864")?;
    // Until an update says otherwise.
    from_stdin(
        case,
        &json!({"memory": {"limit": 66_060_288, "checkBeforeUpdate": false}}),
    )?
    .ok()?;
    let _ = case.rt(&["update", "--memory", "4096", &case.id])?;
    same("limit", memory(case)?.as_str(), "4096")
}

fn update_of_the_unified_map(case: &Case) -> Outcome {
    running(case)?;
    let limits = json!({"unified": {"pids.max": "13", "cpu.weight": "16"}});
    let answer = from_stdin(case, &limits)?;
    if !Hierarchies::read()?.unified() {
        return answer.fails(1, &["unified"]);
    }
    answer.ok()?;
    same("pids", file(case, "pids", "", "pids.max")?, "13")?;
    same("weight", file(case, "cpu", "", "cpu.weight")?, "16")?;
    same("quota", quota_and_period(case)?, "20000 50000")
}

fn update_of_a_devices_throughput(case: &Case) -> Outcome {
    let Some(device) = block_device()? else {
        return skip("needs a block device");
    };
    let (major, minor) = device.split_once(':').unwrap_or_default();
    let (major, minor): (i64, i64) = (major.parse()?, minor.parse()?);
    running(case)?;
    let read = |name: &str, key: &str| file(case, "blkio", &format!("blkio.throttle.{name}"), key);
    for rate in [10_485_760, 9_437_184] {
        let entry = json!([{"major": major, "minor": minor, "rate": rate}]);
        let limits = json!({"blockIO": {"throttleReadBpsDevice": entry}});
        from_stdin(case, &limits)?.ok()?;
        let seen = read("read_bps_device", "io.max")?;
        same("one entry", seen.lines().count(), 1)?;
        has(&seen, &format!("{device} "))?;
        has(&seen, &rate.to_string())?;
    }
    // Another value that fails takes this one back.
    let entry = json!([{"major": major, "minor": minor, "rate": 4096}]);
    let bad = json!({
        "blockIO": {"throttleReadBpsDevice": entry}, "cpu": {"period": 100},
    });
    from_stdin(case, &bad)?.fails(1, &["cpu"])?;
    has(&read("read_bps_device", "io.max")?, "9437184")
}

/// `MAJOR:MINOR` of a whole disk.
fn block_device() -> Outcome<Option<String>> {
    for entry in fs::read_dir("/sys/block")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("loop") && !name.starts_with("ram") {
            let number = fs::read_to_string(entry.path().join("dev"))?;
            return Ok(Some(number.trim().to_owned()));
        }
    }
    Ok(None)
}

fn update_leaves_device_rules_alone(case: &Case) -> Outcome {
    running(case)?;
    let rules = json!([{"allow": false, "access": "rwm"}]);
    from_stdin(case, &json!({"devices": rules, "pids": {"limit": 30}}))?.ok()?;
    let out = case.exec_script(&[], "head -c 3 /dev/zero | wc -c && : > /dev/null")?;
    same("bytes", out.trim(), "3")
}

fn update_of_intel_rdt_without_any(case: &Case) -> Outcome {
    running(case)?;
    let line = [
        "update",
        "--l3-cache-schema",
        "L3:0=f",
        "--pids-limit=9",
        &case.id,
    ];
    let answer = case.rt(&line)?;
    answer.fails(1, &["Intel RDT"])?;
    holds(
        "nothing changed",
        file(case, "pids", "pids.max", "pids.max")? == "50",
    )
}
