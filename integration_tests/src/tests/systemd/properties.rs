//! What is asked for, as `systemctl show` has it.

use serde_json::json;

use super::{Scope, systemctl, version};
use crate::harness::{Case, Outcome, has, holds, same, skip};
use crate::tests::list;

list!["systemd":
    memory,
    processes,
    quota_is_rounded_up_in_unit_and_file,
    weight_and_idle,
    processors_beyond_the_eighth_are_counted,
    raw_values,
    base_properties,
    annotations,
    nested_slices,
    bad_names,
    updates,
    update_that_fails_changes_nothing,
];

fn shows(scope: &Scope<'_>, wanted: &[(&str, &str)]) -> Outcome {
    for (name, value) in wanted {
        same(name, scope.property(name)?.as_str(), *value)?;
    }
    Ok(())
}

fn memory(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.resources(&json!({"memory": {
        "limit": 67_108_864, "reservation": 33_554_432, "swap": 100_663_296}}))?;
    scope.run_asleep()?;
    shows(
        &scope,
        &[
            ("MemoryMax", "67108864"),
            ("MemoryLow", "33554432"),
            ("MemorySwapMax", "33554432"),
            ("NeedDaemonReload", "no"),
        ],
    )?;
    same("file", scope.file("memory.max")?.as_str(), "67108864")
}

fn processes(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    for (limit, property, file) in [(0, "1", "1"), (-1, "infinity", "max"), (42, "42", "42")] {
        scope.resources(&json!({"pids": {"limit": limit}}))?;
        scope.run_asleep()?;
        same("unit", scope.property("TasksMax")?.as_str(), property)?;
        same("file", scope.file("pids.max")?.as_str(), file)?;
        scope.delete()?;
    }
    Ok(())
}

fn quota_is_rounded_up_in_unit_and_file(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.resources(&json!({"cpu": {"quota": 5050, "period": 10000}}))?;
    scope.run_asleep()?;
    shows(
        &scope,
        &[
            ("CPUQuotaPerSecUSec", "510ms"),
            ("CPUQuotaPeriodUSec", "10ms"),
        ],
    )?;
    same("file", scope.file("cpu.max")?.as_str(), "5100 10000")?;
    systemctl(&["daemon-reload"])?;
    same("file", scope.file("cpu.max")?.as_str(), "5100 10000")
}

fn weight_and_idle(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.resources(&json!({"cpu": {"shares": 2048}}))?;
    scope.run_asleep()?;
    let weight = scope.file("cpu.weight")?;
    same("unit", scope.property("CPUWeight")?, weight.clone())?;
    scope.delete()?;
    if version()? >= 252 {
        scope.resources(&json!({"cpu": {"shares": 2048, "idle": 1}}))?;
        let answer = scope.run_asleep()?;
        has(&answer.err(), "unable to apply both")?;
        let shown = scope.property("CPUWeight")?;
        holds(&shown, ["0", "idle"].contains(&shown.as_str()))?;
        same("file", scope.file("cpu.idle")?.as_str(), "1")?;
    }
    Ok(())
}

fn processors_beyond_the_eighth_are_counted(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    // The kernel takes no number that it has not.
    let count: u32 = super::output("nproc", &["--all"])?.parse().unwrap_or(1);
    if count < 10 {
        return skip("needs ten CPUs");
    }
    scope.resources(&json!({"cpu": {"cpus": "0-1,9"}}))?;
    scope.run_asleep()?;
    same("unit", scope.property("AllowedCPUs")?.as_str(), "0-1 9")
}

fn raw_values(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.resources(&json!({"unified": {
        "memory.high": "50M", "memory.min": "4096", "memory.max": "64M",
        "pids.max": "77", "cpu.max": "30000 60000", "cpu.weight": "42",
        "memory.oom.group": "1"}}))?;
    scope.run_asleep()?;
    shows(
        &scope,
        &[
            ("MemoryHigh", "52428800"),
            ("MemoryMin", "4096"),
            ("MemoryMax", "67108864"),
            ("TasksMax", "77"),
            ("CPUQuotaPerSecUSec", "500ms"),
            ("CPUWeight", "42"),
        ],
    )?;
    if version()? >= 253 {
        same("policy", scope.property("OOMPolicy")?.as_str(), "kill")?;
    }
    same("file", scope.file("memory.oom.group")?.as_str(), "1")
}

fn base_properties(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.run_asleep()?;
    shows(
        &scope,
        &[
            ("Slice", "system.slice"),
            ("Delegate", "yes"),
            ("DefaultDependencies", "no"),
            ("MemoryAccounting", "yes"),
            ("TasksAccounting", "yes"),
            ("ActiveState", "active"),
        ],
    )
}

fn annotations(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.annotate("org.systemd.property.TimeoutStopSec", "uint64 7")?;
    scope.annotate("org.systemd.property.RuntimeMaxUSec", "uint64 60000000")?;
    scope.annotate("org.systemd.property.CollectMode", "'inactive-or-failed'")?;
    scope.run_asleep()?;
    shows(
        &scope,
        &[
            ("TimeoutStopUSec", "7s"),
            ("RuntimeMaxUSec", "1min"),
            ("CollectMode", "inactive-or-failed"),
        ],
    )?;
    scope.delete()?;
    for (name, value, words) in [
        ("ab", "1", "invalid property name"),
        ("TimeoutStopSec", "'x'", "not a number"),
        ("NoSuchThing", "1", "NoSuchThing"),
    ] {
        let name = format!("org.systemd.property.{name}");
        case.edit(|config| config["annotations"] = json!({name: value}))?;
        scope
            .call(&["run", &case.id])
            .answer()?
            .fails(1, &[words])?;
    }
    Ok(())
}

fn nested_slices(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    let slice = format!("{}-a-b.slice", case.tag);
    scope.path(&format!("{slice}:test:{}", case.tag))?;
    scope.run_asleep()?;
    let tag = &case.tag;
    let wanted = format!("/{tag}.slice/{tag}-a.slice/{slice}/test-{tag}.scope");
    same("cgroup", scope.property("ControlGroup")?, wanted)?;
    scope.delete()?;
    systemctl(&[
        "stop",
        &slice,
        &format!("{tag}-a.slice"),
        &format!("{tag}.slice"),
    ])
    .map(drop)
}

fn bad_names(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    for (path, words) in [
        ("/a/b", "expected cgroupsPath to be of format"),
        ("a--b.slice:p:n", "invalid slice name"),
        (":p:a b", "invalid unit name"),
    ] {
        scope.path(path)?;
        scope
            .call(&["create", &case.id])
            .answer()?
            .fails(1, &["linux.cgroupsPath", words])?;
    }
    Ok(())
}

fn updates(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.resources(&json!({"cpu": {"quota": 20000, "period": 50000}}))?;
    scope.run_asleep()?;
    let update = |line: &[&str]| {
        let line = [&["update"], line, &[case.id.as_str()]].concat();
        scope.call(&line).answer()?.ok().map(drop)
    };
    update(&[
        "--memory",
        "64M",
        "--memory-swap",
        "96M",
        "--pids-limit",
        "33",
    ])?;
    shows(
        &scope,
        &[
            ("MemoryMax", "67108864"),
            ("MemorySwapMax", "33554432"),
            ("TasksMax", "33"),
        ],
    )?;
    update(&["--cpu-quota", "25000"])?;
    same(
        "quota",
        scope.property("CPUQuotaPerSecUSec")?.as_str(),
        "500ms",
    )?;
    same("file", scope.file("cpu.max")?.as_str(), "25000 50000")?;
    update(&["--memory", "-1", "--pids-limit", "-1"])?;
    shows(
        &scope,
        &[
            ("MemoryMax", "infinity"),
            ("MemorySwapMax", "infinity"),
            ("TasksMax", "infinity"),
        ],
    )?;
    // The same again is nothing to tell.
    update(&["--pids-limit", "-1"])?;
    scope.exec("echo >/dev/null")?;
    if version()? < 257 {
        // Older ones compare their drop-ins in the order in which they came.
        return Ok(());
    }
    same("reload", scope.property("NeedDaemonReload")?.as_str(), "no")
}

fn update_that_fails_changes_nothing(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.resources(&json!({"pids": {"limit": 50}}))?;
    scope.run_asleep()?;
    let line = [
        "update",
        "--pids-limit",
        "7",
        "--cpu-period",
        "100",
        &case.id,
    ];
    scope.call(&line).answer()?.fails(1, &[])?;
    same("unit", scope.property("TasksMax")?.as_str(), "50")?;
    same("file", scope.file("pids.max")?.as_str(), "50")
}
