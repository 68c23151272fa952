//! `update`: limits of a container that runs.

use std::fs;

use serde_json::json;

use super::limits::file;
use crate::harness::{Case, Outcome, same};
use crate::tests::list;

list!["cgroup":
    update_of_memory,
    update_of_pids,
    update_of_cpu_keeps_the_rest,
    update_from_a_document,
    update_that_fails_changes_nothing,
    update_of_a_stopped_container,
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
    let v1 = crate::harness::Hierarchies::read()?
        .controller("cpu")
        .is_some();
    let seen = || -> Outcome<String> {
        if v1 {
            let quota = file(case, "cpu", "cpu.cfs_quota_us", "")?;
            let period = file(case, "cpu", "cpu.cfs_period_us", "")?;
            return Ok(format!("{quota} {period}"));
        }
        file(case, "cpu", "", "cpu.max")
    };
    case.rt(&["update", "--cpu-quota", "30000", &case.id])?
        .ok()?;
    same("quota and period", seen()?.as_str(), "30000 50000")?;
    case.rt(&["update", "--cpu-period", "60000", &case.id])?
        .ok()?;
    same("quota and period", seen()?.as_str(), "30000 60000")
}

fn update_from_a_document(case: &Case) -> Outcome {
    running(case)?;
    let file_name = case.bundle.dir.join("resources.json");
    fs::write(
        &file_name,
        json!({"memory": {"limit": 73_400_320}, "pids": {"limit": 9}}).to_string(),
    )?;
    let call = case.call(&["update", "-r", "-", &case.id]);
    call.stdin(fs::File::open(&file_name)?).answer()?.ok()?;
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
    case.rt(&line)?.fails(1, &[])?;
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
        .fails(1, &[])
}
