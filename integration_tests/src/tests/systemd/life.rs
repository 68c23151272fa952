//! The unit from its start to its end.

use serde_json::json;

use super::{Scope, output, systemctl};
use crate::harness::{
    Case, Hierarchies, Outcome, Pty, eventually, has, holds, read_until, same, skip,
};
use crate::tests::list;

list!["systemd":
    delete_leaves_no_unit,
    delete_of_a_container_that_ended,
    a_failed_unit_of_the_name_is_in_nobodys_way,
    a_running_unit_of_the_name_is_left_alone,
    a_frozen_cgroup_of_the_name_is_refused,
    a_killed_create_spares_a_unit_of_the_name,
    delete_spares_a_later_unit_of_the_name,
    a_failed_create_leaves_no_unit,
    a_killed_create_leaves_no_unit,
    sub_cgroups_go_too,
    pause_kill_and_ps,
    devices_stay_over_a_reload,
    devices_that_systemd_cannot_hold,
    a_terminal_after_a_reload,
    exec_is_in_the_unit,
    a_sub_cgroup_of_the_unit,
    a_slice_of_its_own,
];

fn is_unknown(scope: &Scope<'_>) -> Outcome {
    eventually("the unit is gone", || {
        Ok(scope.property("LoadState")? == "not-found"
            && systemctl(&["list-units", "--all", "--no-legend", &scope.unit])?.is_empty())
    })
}

fn delete_leaves_no_unit(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.run_asleep()?;
    same("active", scope.property("ActiveState")?.as_str(), "active")?;
    scope.delete()?;
    is_unknown(&scope)?;
    case.nothing_left()
}

fn delete_of_a_container_that_ended(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.run("exit 3")?;
    case.becomes("stopped")?;
    scope.call(&["delete", &case.id]).answer()?.ok()?;
    is_unknown(&scope)?;
    case.nothing_left()
}

fn a_failed_unit_of_the_name_is_in_nobodys_way(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    let run = |limit: &str| {
        output(
            "systemd-run",
            &[
                "--scope",
                "--quiet",
                "--unit",
                &scope.unit,
                "-p",
                limit,
                "sleep",
                "5",
            ],
        )
    };
    run("RuntimeMaxSec=1")?;
    eventually("the unit has failed", || {
        Ok(scope.property("ActiveState")? == "failed")
    })?;
    scope.run_asleep()?;
    same("active", scope.property("ActiveState")?.as_str(), "active")?;
    has(&scope.file("cgroup.procs")?, &case.pid()?.to_string())
}

fn a_frozen_cgroup_of_the_name_is_refused(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    let hierarchies = Hierarchies::read()?;
    let Some(mount) = hierarchies.v2.as_ref().filter(|_| hierarchies.unified()) else {
        return skip("needs cgroup v2 alone");
    };
    let folder = mount.join("system.slice").join(&scope.unit);
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("cgroup.freeze"), "1")?;
    case.bundle.script("true")?;
    let answer = scope.call(&["run", &case.id]).answer();
    std::fs::remove_dir(&folder)?;
    answer?.fails(1, &[&scope.unit, "container's cgroup unexpectedly frozen"])?;
    case.nothing_left()
}

/// Somebody else's scope of the container's name, while `then` runs.
fn beside_anothers(scope: &Scope<'_>, then: impl FnOnce() -> Outcome) -> Outcome {
    let mut other = std::process::Command::new("systemd-run")
        .args(["--scope", "--quiet", "--unit", &scope.unit, "sleep", "600"])
        .spawn()?;
    let outcome = eventually("the other unit runs", || {
        Ok(scope.property("ActiveState")? == "active")
    })
    .and_then(|()| then())
    .and_then(|()| {
        let state = scope.property("ActiveState")?;
        same("the other's", state.as_str(), "active")
    });
    systemctl(&["kill", "--signal=KILL", &scope.unit])?;
    other.kill()?;
    other.wait()?;
    systemctl(&["reset-failed", &scope.unit])?;
    outcome
}

fn a_running_unit_of_the_name_is_left_alone(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    case.bundle.script("true")?;
    beside_anothers(&scope, || {
        let answer = scope.call(&["run", &case.id]).answer()?;
        answer.fails(1, &[&scope.unit, "container's cgroup is not empty"])
    })?;
    case.nothing_left()
}

fn a_killed_create_spares_a_unit_of_the_name(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    case.bundle.script("exec sleep 600")?;
    // Without, every process of the cgroup is taken for the container's.
    case.edit(|config| {
        if let Some(namespaces) = config["linux"]["namespaces"].as_array_mut() {
            namespaces.retain(|namespace| namespace["type"] != "pid");
        }
    })?;
    beside_anothers(&scope, || {
        for step in 1..100 {
            let call = scope.call(&["create", &case.id]);
            // Debug builds kill themselves at the step of this number.
            let answer = call.env("LODGE_KILL_AT_STEP", &step.to_string()).answer()?;
            scope.delete()?;
            let state = scope.property("ActiveState")?;
            same(&format!("after step {step}"), state.as_str(), "active")?;
            if answer.code == 1 {
                answer.fails(1, &[&scope.unit])?;
                return if step == 1 {
                    skip("needs a debug build of the runtime, which can kill itself at a step")
                } else {
                    Ok(())
                };
            }
            same("killed", answer.code, 128 + 9)?;
        }
        holds("the unit is met before 100 steps", false)
    })?;
    case.nothing_left()
}

fn delete_spares_a_later_unit_of_the_name(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    case.edit(|config| {
        if let Some(namespaces) = config["linux"]["namespaces"].as_array_mut() {
            namespaces.retain(|namespace| namespace["type"] != "pid");
        }
    })?;
    scope.run("true")?;
    case.becomes("stopped")?;
    is_unknown(&scope)?;
    beside_anothers(&scope, || {
        scope.call(&["delete", &case.id]).answer()?.ok().map(drop)
    })?;
    case.nothing_left()
}

fn a_failed_create_leaves_no_unit(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    case.edit(|config| config["process"]["args"] = json!(["/no/such/program"]))?;
    scope
        .call(&["run", &case.id])
        .answer()?
        .fails(1, &["/no/such/program"])?;
    is_unknown(&scope)?;
    case.nothing_left()
}

fn a_killed_create_leaves_no_unit(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    case.bundle.script("exec sleep 600")?;
    for step in 1..100 {
        let call = scope.call(&["create", &case.id]);
        // Debug builds kill themselves at the step of this number.
        let answer = call.env("LODGE_KILL_AT_STEP", &step.to_string()).answer()?;
        scope.delete()?;
        is_unknown(&scope)?;
        if answer.code == 0 {
            return if step == 1 {
                skip("needs a debug build of the runtime, which can kill itself at a step")
            } else {
                Ok(())
            };
        }
        same("killed", answer.code, 128 + 9)?;
        case.nothing_left()?;
    }
    holds("the call ends before 100 steps", false)
}

fn sub_cgroups_go_too(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    case.edit(|config| {
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.retain(|mount| mount["destination"] != "/sys/fs/cgroup");
            mounts.push(json!({"destination": "/sys/fs/cgroup", "type": "cgroup",
                "source": "cgroup", "options": ["rw", "nosuid", "noexec", "nodev"]}));
        }
    })?;
    scope.run("mkdir -p /sys/fs/cgroup/a/b /sys/fs/cgroup/c && exec sleep 600")?;
    scope.delete()?;
    is_unknown(&scope)?;
    case.nothing_left()
}

fn pause_kill_and_ps(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.run_asleep()?;
    scope.call(&["pause", &case.id]).answer()?.ok()?;
    case.status_is("paused")?;
    scope.call(&["resume", &case.id]).answer()?.ok()?;
    let pid = case.pid()?.to_string();
    has(&scope.call(&["ps", &case.id]).answer()?.ok()?.out(), &pid)?;
    scope.call(&["kill", &case.id, "KILL"]).answer()?.ok()?;
    case.becomes("stopped")
}

/// What may be opened, as letters.
const OPEN: &str = "for d in null full kmsg mem; do \
    (: >/dev/t$d) 2>/dev/null && printf $d; done; true";

fn nodes(case: &Case) -> Outcome {
    case.edit(|config| {
        config["linux"]["devices"] = json!([
            {"path": "/dev/tkmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 438},
            {"path": "/dev/tmem", "type": "c", "major": 1, "minor": 1, "fileMode": 438},
            {"path": "/dev/tnull", "type": "c", "major": 1, "minor": 3, "fileMode": 438},
            {"path": "/dev/tfull", "type": "c", "major": 1, "minor": 7, "fileMode": 438},
        ]);
    })
}

fn stays_over_a_reload(scope: &Scope<'_>, wanted: &str) -> Outcome {
    nodes(scope.case)?;
    scope.run_asleep()?;
    same("before", scope.exec(OPEN)?.as_str(), wanted)?;
    systemctl(&["daemon-reload"])?;
    same("after a reload", scope.exec(OPEN)?.as_str(), wanted)?;
    systemctl(&["set-property", "--runtime", &scope.unit, "TasksMax=99"])?;
    same("after a change", scope.exec(OPEN)?.as_str(), wanted)
}

fn devices_stay_over_a_reload(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.resources(&json!({"devices": [
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rw"}]}))?;
    stays_over_a_reload(&scope, "nullfullkmsg")?;
    same("policy", scope.property("DevicePolicy")?.as_str(), "strict")?;
    has(&scope.property("DeviceAllow")?, "char-136 rwm")
}

fn devices_that_systemd_cannot_hold(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    if !Hierarchies::read()?.unified() {
        return skip("needs cgroup v2 alone");
    }
    // All but one.
    scope.resources(&json!({"devices": [
        {"allow": true, "access": "rwm"},
        {"allow": false, "type": "c", "major": 1, "minor": 1, "access": "rwm"}]}))?;
    stays_over_a_reload(&scope, "nullfullkmsg")?;
    same("policy", scope.property("DevicePolicy")?.as_str(), "auto")
}

fn a_terminal_after_a_reload(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.run_asleep()?;
    systemctl(&["daemon-reload"])?;
    let mut pty = Pty::open(24, 80)?;
    let slave = nix::unistd::ttyname(&pty.slave)?;
    let script = format!(
        "exec setsid -w bash -c 'exec <{0} >{0}; exec \"$@\"' bash \"$@\"",
        slave.display()
    );
    let line = [
        "exec",
        "-t",
        &case.id,
        "sh",
        "-c",
        "tty; echo x >/dev/pts/0; echo done",
    ];
    let running = scope.call(&line).under(&script).spawn()?;
    let text = read_until(&mut pty.master, "done")?;
    has(&text, "/dev/pts/0")?;
    running.answer()?.ok().map(drop)
}

fn exec_is_in_the_unit(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.run_asleep()?;
    let own = scope.exec("cat /proc/self/cgroup")?;
    holds(&own, own.ends_with(":/"))?;
    let started = scope.call(&["exec", "-d", &case.id, "sleep", "77"]);
    started.answer()?.ok()?;
    same("processes", scope.file("cgroup.procs")?.lines().count(), 2)
}

/// `run.oci.systemd.subgroup`, and `run.oci.delegate-cgroup` below that.
fn a_sub_cgroup_of_the_unit(case: &Case) -> Outcome {
    let scope = Scope::new(case)?;
    scope.annotate("run.oci.systemd.subgroup", "inner")?;
    scope.resources(&json!({"pids": {"limit": 55}}))?;
    for delegated in [false, true] {
        if delegated {
            scope.annotate("run.oci.delegate-cgroup", "payload")?;
        }
        scope.run_asleep()?;
        let own = if delegated { "inner/payload" } else { "inner" };
        has(
            &scope.file(&format!("{own}/cgroup.procs"))?,
            &case.pid()?.to_string(),
        )?;
        same(
            "processes of the unit",
            scope.file("cgroup.procs")?.as_str(),
            "",
        )?;
        same("limit", scope.file("inner/pids.max")?.as_str(), "55")?;
        same("the unit's", scope.property("TasksMax")?.as_str(), "55")?;
        let seen = scope.exec("cat /proc/self/cgroup")?;
        holds(
            &seen,
            seen.ends_with(if delegated { ":/payload" } else { ":/" }),
        )?;
        scope
            .call(&["update", "--pids-limit", "56", &case.id])
            .answer()?
            .ok()?;
        same("limit", scope.file("inner/pids.max")?.as_str(), "56")?;
        scope.call(&["pause", &case.id]).answer()?.ok()?;
        scope.call(&["resume", &case.id]).answer()?.ok()?;
        scope.delete()?;
        is_unknown(&scope)?;
        case.nothing_left()?;
    }
    Ok(())
}

fn a_slice_of_its_own(case: &Case) -> Outcome {
    let mut scope = Scope::new(case)?;
    scope.unit = format!("{}.slice", case.tag);
    scope.path(&format!("-.slice::{}", scope.unit))?;
    scope.resources(&json!({"pids": {"limit": 9}}))?;
    scope.run_asleep()?;
    same("unit", scope.property("TasksMax")?.as_str(), "9")?;
    same(
        "cgroup",
        scope.property("ControlGroup")?,
        format!("/{}", scope.unit),
    )?;
    has(&scope.file("cgroup.procs")?, &case.pid()?.to_string())?;
    scope.delete()?;
    case.nothing_left()
}
