//! `linux.resources`, read back from the cgroup.

use std::fs;

use serde_json::json;

use crate::harness::{Case, Hierarchies, Host, Outcome, holds, same, skip};
use crate::tests::list;

list!["cgroup":
    memory_limit,
    pids_limit,
    pids_limit_zero_is_one,
    pids_limit_holds,
    cpu_limits,
    cpuset,
    limits_of_a_stopped_container_are_kept,
    small_memory_limit_starts,
    memory_of_the_start_is_not_charged,
    impossible_limit_is_refused,
];

/// A file of the container's cgroup: in the controller's v1 hierarchy, or in v2.
pub(in crate::tests) fn file(case: &Case, controller: &str, v1: &str, v2: &str) -> Outcome<String> {
    let hierarchies = Hierarchies::read()?;
    let name = case.cgroup.trim_start_matches('/');
    let path = match (hierarchies.controller(controller), &hierarchies.v2) {
        (Some(point), _) => point.join(name).join(v1),
        (None, Some(point)) => point.join(name).join(v2),
        (None, None) => return skip(format!("needs the controller {controller}")),
    };
    let text = fs::read_to_string(&path);
    match text {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(crate::harness::Fault::failed(format!(
            "{}: {error}",
            path.display()
        ))),
    }
}

fn memory_limit(case: &Case) -> Outcome {
    case.edit(|c| {
        c["linux"]["resources"]["memory"] =
            json!({"limit": 104_857_600, "reservation": 52_428_800});
    })?;
    case.run_asleep()?;
    same(
        "limit",
        file(case, "memory", "memory.limit_in_bytes", "memory.max")?,
        "104857600",
    )?;
    same(
        "reservation",
        file(case, "memory", "memory.soft_limit_in_bytes", "memory.low")?,
        "52428800",
    )
}

fn pids_limit(case: &Case) -> Outcome {
    for (asked, seen) in [(77, "77"), (-1, "max")] {
        case.edit(|c| c["linux"]["resources"]["pids"] = json!({"limit": asked}))?;
        case.run_asleep()?;
        same("limit", file(case, "pids", "pids.max", "pids.max")?, seen)?;
        case.destroy()?;
    }
    Ok(())
}

fn pids_limit_zero_is_one(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["resources"]["pids"] = json!({"limit": 0}))?;
    case.run_asleep()?;
    same("limit", file(case, "pids", "pids.max", "pids.max")?, "1")
}

fn pids_limit_holds(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["resources"]["pids"] = json!({"limit": 4}))?;
    case.bundle
        .script("for n in 1 2 3 4 5 6; do sleep 600 & done; echo all")?;
    let answer = case.run()?;
    same("not all started", answer.out().contains("all"), false)
}

fn cpu_limits(case: &Case) -> Outcome {
    case.edit(|c| {
        c["linux"]["resources"]["cpu"] = json!({"shares": 512, "quota": 20000, "period": 50000});
    })?;
    case.run_asleep()?;
    if Hierarchies::read()?.unified() {
        return same("max", file(case, "cpu", "", "cpu.max")?, "20000 50000");
    }
    same("shares", file(case, "cpu", "cpu.shares", "")?, "512")?;
    same("quota", file(case, "cpu", "cpu.cfs_quota_us", "")?, "20000")?;
    same(
        "period",
        file(case, "cpu", "cpu.cfs_period_us", "")?,
        "50000",
    )
}

fn cpuset(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["resources"]["cpu"] = json!({"cpus": "0", "mems": "0"}))?;
    let out = case.run_script("grep ^Cpus_allowed_list /proc/self/status")?;
    same("allowed", out.as_str(), "Cpus_allowed_list:\t0")
}

fn limits_of_a_stopped_container_are_kept(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["resources"]["pids"] = json!({"limit": 33}))?;
    case.bundle.script("true")?;
    case.rt(&["run", "--keep", &case.id])?.ok()?;
    same("limit", file(case, "pids", "pids.max", "pids.max")?, "33")?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn small_memory_limit_starts(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["args"] = json!(["/bin/busybox", "true"]))?;
    // A debug build takes more than the smallest.
    let limits = [524_288, 1_048_576, 2_097_152, 4_194_304];
    for limit in limits.into_iter().skip(usize::from(is_large()?)) {
        case.edit(|c| c["linux"]["resources"]["memory"] = json!({"limit": limit}))?;
        for _ in 0..3 {
            case.run()?.ok()?;
        }
    }
    Ok(())
}

/// Whether the binary is a debug build, whose pages are many.
fn is_large() -> Outcome<bool> {
    Ok(fs::metadata(&Host::get().binary)?.len() > 20 << 20)
}

/// What the runtime needs to start it is not the container's to pay for.
fn memory_of_the_start_is_not_charged(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["args"] = json!(["/bin/busybox", "sleep", "600"]);
        c["linux"]["resources"]["memory"] = json!({"limit": 104_857_600});
    })?;
    case.rt(&["run", "--detach", &case.id])?.ok()?;
    let peak = file(case, "memory", "memory.max_usage_in_bytes", "memory.peak");
    let Ok(peak) = peak else {
        return skip("this kernel does not count the peak");
    };
    let peak: u64 = peak.parse()?;
    let most = if is_large()? { 4 << 20 } else { 1 << 20 };
    holds(format!("{peak} bytes at most"), peak <= most)
}

fn impossible_limit_is_refused(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["resources"]["cpu"] = json!({"quota": 5000, "period": 100}))?;
    case.run()?.fails(1, &["cpu"])?;
    case.nothing_left()
}
