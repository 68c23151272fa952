//! `events`: what a container used, and when it was out of memory.

use serde_json::{Value, json};

use crate::harness::{Case, Outcome, Running, eventually, has, holds, same};
use crate::tests::list;

list!["events":
    statistics_say_what_was_used,
    statistics_of_a_created_container,
    quota_that_was_used_up_is_counted,
    statistics_come_again_until_the_container_stops,
    statistics_of_a_paused_container,
    oom_is_told,
    oom_of_the_first_process_is_told_before_the_end,
    reader_that_goes_ends_the_watch,
    refused_with_known_words,
];

const MEMORY: u64 = 33_554_432;

/// Takes memory until it is killed.
const HOG: &str = "X=$(head -c 100000000 /dev/zero | tr '\\0' x)";

fn limited(case: &Case) -> Outcome {
    case.edit(|c| {
        c["linux"]["resources"] = json!({
            "memory": {"limit": MEMORY, "swap": MEMORY},
            "pids": {"limit": 20},
        });
    })
}

fn stats(case: &Case) -> Outcome<Value> {
    let out = case.rt(&["events", "--stats", &case.id])?.ok()?.out();
    same("lines", out.lines().count(), 1)?;
    let start = format!("{{\"type\":\"stats\",\"id\":\"{}\",\"data\":{{", case.id);
    holds("the known start", out.starts_with(&start))?;
    let line: Value = serde_json::from_str(&out)?;
    Ok(line["data"].clone())
}

fn watch(case: &Case) -> Outcome<Running> {
    let running = case
        .call(&["events", "--interval", "50ms", &case.id])
        .spawn()?;
    eventually("statistics", || Ok(running.out().contains("stats")))?;
    Ok(running)
}

fn oom_line(case: &Case) -> String {
    format!("{{\"type\":\"oom\",\"id\":\"{}\"}}\n", case.id)
}

fn statistics_say_what_was_used(case: &Case) -> Outcome {
    limited(case)?;
    case.run_asleep()?;
    let before = stats(case)?;
    same("pids", before["pids"]["current"].as_u64(), Some(1))?;
    same("limit of pids", before["pids"]["limit"].as_u64(), Some(20))?;
    let memory = &before["memory"];
    same("limit", memory["usage"]["limit"].as_u64(), Some(MEMORY))?;
    holds(
        "memory is in use",
        memory["usage"]["usage"].as_u64() > Some(0),
    )?;
    holds(
        "the table",
        memory["raw"].as_object().is_some_and(|it| it.len() > 10),
    )?;
    holds("cpuset", before["cpuset"]["cpu_exclusive"] == 0)?;
    holds("blkio", before["blkio"].is_object())?;
    holds("hugetlb", before["hugetlb"].is_object())?;
    same("intel_rdt", before["intel_rdt"].clone(), json!({}))?;

    case.exec_script(&[], "n=0; while [ $n -lt 100000 ]; do n=$((n+1)); done")?;
    let after = stats(case)?;
    let total = |seen: &Value| seen["cpu"]["usage"]["total"].as_u64().unwrap_or_default();
    // 100000 rounds of a shell are some tens of milliseconds.
    holds("time was used", total(&after) > total(&before) + 10_000_000)?;
    let usage = &after["cpu"]["usage"];
    let sum =
        usage["user"].as_u64().unwrap_or_default() + usage["kernel"].as_u64().unwrap_or_default();
    // Counted in ticks on v1.
    holds("its parts", sum > 0 && sum < total(&after) + 100_000_000)?;
    same("as it is", after["network_interfaces"].clone(), Value::Null)
}

fn statistics_of_a_created_container(case: &Case) -> Outcome {
    limited(case)?;
    case.bundle.script("exec sleep 600")?;
    case.rt(&["create", &case.id])?.ok()?;
    same("pids", stats(case)?["pids"]["current"].as_u64(), Some(1))
}

fn quota_that_was_used_up_is_counted(case: &Case) -> Outcome {
    case.edit(|c| {
        c["linux"]["resources"]["cpu"] = json!({"quota": 5000, "period": 50000});
    })?;
    case.run_detached("while :; do :; done")?;
    eventually("throttling", || {
        let seen = stats(case)?["cpu"]["throttling"].clone();
        Ok(["periods", "throttledPeriods", "throttledTime"]
            .iter()
            .all(|name| seen[name].as_u64() > Some(0)))
    })
}

fn statistics_come_again_until_the_container_stops(case: &Case) -> Outcome {
    case.run_asleep()?;
    let running = watch(case)?;
    eventually("three lines", || Ok(running.out().lines().count() >= 3))?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    let answer = running.answer()?.ok()?;
    for line in answer.out().lines() {
        let line: Value = serde_json::from_str(line)?;
        same("type", line["type"].as_str(), Some("stats"))?;
    }
    same("stderr", answer.err().as_str(), "")
}

fn statistics_of_a_paused_container(case: &Case) -> Outcome {
    case.run_asleep()?;
    case.rt(&["pause", &case.id])?.ok()?;
    let running = watch(case)?;
    case.destroy()?;
    running.answer()?.ok().map(drop)
}

fn oom_is_told(case: &Case) -> Outcome {
    limited(case)?;
    case.run_asleep()?;
    let running = watch(case)?;
    let killed = case.exec(&[], HOG)?;
    holds("the process was killed", killed.code != 0)?;
    let line = oom_line(case);
    eventually("the line, and statistics after it", || {
        let out = running.out();
        Ok(out.contains(&line) && !out.ends_with(&line))
    })?;
    case.status_is("running")?;
    case.destroy()?;
    // The end of the cgroup is no want of memory.
    let out = running.answer()?.ok()?.out();
    holds("not at the end", !out.ends_with(&line))
}

fn oom_of_the_first_process_is_told_before_the_end(case: &Case) -> Outcome {
    limited(case)?;
    case.bundle.script(&format!("{HOG}; exit 7"))?;
    case.rt(&["create", &case.id])?.ok()?;
    let running = watch(case)?;
    case.rt(&["start", &case.id])?.ok()?;
    has(&running.answer()?.ok()?.out(), &oom_line(case))
}

fn reader_that_goes_ends_the_watch(case: &Case) -> Outcome {
    case.run_asleep()?;
    // The next line would be written in an hour.
    let line = ["events", "--interval", "1h", &case.id];
    let call = case.call(&line).under("\"$@\" | true").limit(10);
    call.answer()?.ok()?;
    let line = ["events", "--interval", "20ms", &case.id];
    let call = case.call(&line).under("\"$@\" | head -n 1").limit(10);
    let answer = call.answer()?.ok()?;
    same("lines", answer.out().lines().count(), 1)?;
    same("stderr", answer.err().as_str(), "")?;
    case.status_is("running")
}

fn refused_with_known_words(case: &Case) -> Outcome {
    case.rt(&["events", "nobody"])?
        .fails(1, &["container does not exist"])?;
    case.run_detached("exit 0")?;
    case.becomes("stopped")?;
    for line in [&["events"][..], &["events", "--stats"]] {
        case.rt(&[line, &[case.id.as_str()]].concat())?
            .fails(1, &["container with id ", " is not running"])?;
    }
    case.rt(&["events", "--interval", "0s", &case.id])?
        .fails(1, &["duration interval must be greater than 0"])?;
    case.rt(&["events", "--interval", "soon", &case.id])?
        .fails(1, &["interval"])
}
