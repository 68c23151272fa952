//! Limits, the out-of-memory score, signals, scheduling, personality.

use std::fs;

use serde_json::json;

use crate::harness::{Case, Hierarchies, Outcome, has, holds, no_signals, same, skip};
use crate::tests::list;

list!["process":
    rlimits,
    unknown_rlimit_is_refused,
    rlimit_twice_is_refused,
    oom_score_is_set,
    oom_score_zero_is_written,
    signals_are_reset,
    affinity_of_the_caller_is_not_inherited,
    scheduler,
    scheduler_with_a_deadline,
    scheduler_that_the_cgroup_has_no_time_for,
    scheduler_of_an_unknown_policy_is_refused,
    io_priority,
    personality,
];

fn rlimits(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["rlimits"] = json!([
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            {"type": "RLIMIT_STACK", "soft": 1_048_576, "hard": 2_097_152},
        ]);
    })?;
    let seen = case.probe()?;
    same("open files", seen.limit("Max open files"), "100 200")?;
    same("core", seen.limit("Max core file size"), "0 0")?;
    same("stack", seen.limit("Max stack size"), "1048576 2097152")
}

fn unknown_rlimit_is_refused(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["rlimits"] = json!([{"type": "RLIMIT_TEST", "soft": 1, "hard": 1}]);
    })?;
    case.run()?.fails(1, &["RLIMIT_TEST"])?;
    case.nothing_left()
}

fn rlimit_twice_is_refused(case: &Case) -> Outcome {
    case.edit(|c| {
        let limit = json!({"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20});
        c["process"]["rlimits"] = json!([limit, limit]);
    })?;
    case.run()?.fails(1, &["RLIMIT_NOFILE"])
}

fn oom_score_is_set(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["oomScoreAdj"] = json!(321))?;
    same("score", case.probe()?.part("oom_score_adj"), "321")
}

fn oom_score_zero_is_written(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["oomScoreAdj"] = json!(0))?;
    case.bundle.script("cat /proc/self/oom_score_adj")?;
    let call = case.call(&["run", &case.id]);
    let raised = "echo 500 > /proc/self/oom_score_adj; exec \"$@\"";
    same("score", call.under(raised).answer()?.ok()?.out(), "0\n")
}

fn signals_are_reset(case: &Case) -> Outcome {
    // Without a shell between, which would ignore signals of its own.
    let args = ["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    case.edit(|c| c["process"]["args"] = json!(args))?;
    let call = case.call(&["run", &case.id]);
    let caller = "trap '' HUP USR1 PIPE; exec env --block-signal=TERM,USR2 \"$@\"";
    let out = call.under(caller).answer()?.ok()?.out();
    holds(&out, no_signals(&out))
}

fn affinity_of_the_caller_is_not_inherited(case: &Case) -> Outcome {
    let own = fs::read_to_string("/proc/self/status")?;
    let all = own
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let all = all.unwrap_or_default().trim();
    if all == "0" {
        return skip("needs more than one CPU");
    }
    case.bundle
        .script("grep ^Cpus_allowed_list /proc/self/status; exec sleep 600")?;
    let call = case.call(&["run", "-d", &case.id]);
    let answer = call.under("exec taskset -c 0 \"$@\"").answer()?.ok()?;
    crate::harness::eventually("it has printed", || Ok(answer.out().contains('\n')))?;
    same(
        "of run",
        answer.out().trim(),
        format!("Cpus_allowed_list:\t{all}").as_str(),
    )?;
    let line = [
        "exec",
        &case.id,
        "grep",
        "^Cpus_allowed_list",
        "/proc/self/status",
    ];
    let answer = case
        .call(&line)
        .under("exec taskset -c 0 \"$@\"")
        .answer()?
        .ok()?;
    same(
        "of exec",
        answer.out().trim(),
        format!("Cpus_allowed_list:\t{all}").as_str(),
    )
}

fn scheduler(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5}))?;
    // SCHED_BATCH is 3.
    same(
        "nice and policy",
        case.run_script("cut -d' ' -f19,41 /proc/$$/stat")?,
        "5 3",
    )
}

fn scheduler_with_a_deadline(case: &Case) -> Outcome {
    let deadline = |runtime: u64| json!({"policy": "SCHED_DEADLINE", "runtime": runtime, "deadline": 30_000_000, "period": 30_000_000});
    // The runtime is longer than the deadline, and shorter than there are (sched(7)).
    for runtime in [40_000_000, 0, 1023] {
        case.edit(|c| c["process"]["scheduler"] = deadline(runtime))?;
        case.run()?
            .fails(1, &["process.scheduler.runtime", &runtime.to_string()])?;
    }
    case.nothing_left()?;
    case.edit(|c| c["process"]["scheduler"] = deadline(10_000_000))?;
    case.bundle.script("cut -d' ' -f41 /proc/$$/stat")?;
    let answer = case.run()?;
    if answer.code == 0 {
        // Its children have it no more: the shell asks by itself.
        return same("policy", answer.out().trim(), "6");
    }
    // A cgroup or a sandbox that has no such time to give says so.
    answer.fails(1, &["scheduler"])?;
    case.nothing_left()
}

/// A cgroup of version 1 has no real time but what it is given.
fn scheduler_that_the_cgroup_has_no_time_for(case: &Case) -> Outcome {
    let hierarchies = Hierarchies::read()?;
    let rationed = hierarchies
        .controller("cpu")
        .is_some_and(|point| point.join("cpu.rt_runtime_us").exists());
    if !rationed {
        return skip("needs a kernel with CONFIG_RT_GROUP_SCHED and cgroup v1");
    }
    case.edit(|c| c["process"]["scheduler"] = json!({"policy": "SCHED_FIFO", "priority": 10}))?;
    case.run()?.fails(
        1,
        &["process.scheduler", "linux.resources.cpu.realtimeRuntime"],
    )?;
    case.nothing_left()
}

fn scheduler_of_an_unknown_policy_is_refused(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["scheduler"] = json!({"policy": "SCHED_NOPE"}))?;
    case.run()?.fails(1, &["SCHED_NOPE"])?;
    case.nothing_left()
}

fn io_priority(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6}))?;
    has(&case.run_script("ionice -p 1")?, "best-effort: prio 6")
}

fn personality(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["personality"] = json!({"domain": "LINUX32"}))?;
    same("machine", case.run_script("uname -m")?, "i686")?;
    case.edit(|c| c["linux"]["personality"] = json!({"domain": "LINUX"}))?;
    same("machine", case.run_script("uname -m")?, "x86_64")
}
