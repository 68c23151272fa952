//! Many processes, many containers, and no memory.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::config::with_namespace;
use crate::harness::{Case, Hierarchies, Outcome, eventually, holds, same};
use crate::tests::cgroup::limits::file;
use crate::tests::list;

list!["cgroup":
    kill_ends_processes_that_fork,
    delete_ends_processes_that_fork,
    hundred_starts_in_one_parent,
    init_without_memory_is_named,
];

/// Chains of processes each of which makes the next one and ends; one that is
/// missed goes on for ever.
const CHAIN: &str = "#!/bin/sh\n/bin/chain &\nexit\n";

/// A container whose first process reaps orphans, so that dead ones do not fill
/// the limit of those that fork in its pid namespace.
fn reaper(case: &Case) -> Outcome<Case> {
    let reaper = case.another()?;
    reaper.run_detached("while :; do sleep 1; done")?;
    Ok(reaper)
}

/// Starts the chains in the reaper's pid namespace, but not before there is a
/// limit.
fn forking(case: &Case, reaper: &Case) -> Outcome {
    let path = format!("/proc/{}/ns/pid", reaper.pid()?);
    case.edit(|c| {
        with_namespace(c, "pid", Some(&path));
        c["linux"]["resources"]["pids"] = json!({"limit": 60});
    })?;
    let chain = case.bundle.rootfs.join("bin/chain");
    fs::write(&chain, CHAIN)?;
    fs::set_permissions(&chain, fs::Permissions::from_mode(0o755))?;
    case.bundle
        .script("for n in 1 2 3 4 5 6; do /bin/chain & done; exec sleep 600")?;
    case.rt(&["create", &case.id])?.ok()?;
    same("limit", file(case, "pids", "pids.max", "pids.max")?, "60")?;
    case.rt(&["start", &case.id])?.ok()?;
    eventually("it forks", || Ok(count(case)? > 1))
}

/// How many processes the container has.
fn count(case: &Case) -> Outcome<u64> {
    Ok(file(case, "pids", "pids.current", "pids.current")?.parse()?)
}

fn kill_ends_processes_that_fork(case: &Case) -> Outcome {
    let reaper = reaper(case)?;
    for options in [&["kill", "--all"][..], &["kill"]] {
        forking(case, &reaper)?;
        let line = [options, &[&case.id, "KILL"]].concat();
        case.rt(&line)?.ok()?;
        eventually("no process is left", || Ok(count(case)? == 0))?;
        case.becomes("stopped")?;
        case.rt(&["delete", &case.id])?.ok()?;
    }
    reaper.destroy()?;
    case.nothing_left()
}

fn delete_ends_processes_that_fork(case: &Case) -> Outcome {
    let reaper = reaper(case)?;
    forking(case, &reaper)?;
    let call = case.call(&["delete", "--force", &case.id]);
    call.limit(15).answer()?.ok()?;
    // The init is gone before.
    forking(case, &reaper)?;
    let init = nix::unistd::Pid::from_raw(case.pid()?);
    nix::sys::signal::kill(init, nix::sys::signal::Signal::SIGKILL)?;
    case.becomes("stopped")?;
    let call = case.call(&["delete", &case.id]);
    call.limit(15).answer()?.ok()?;
    // Whatever was missed would live on there.
    let inside = fs::read_to_string(format!("/proc/{}/cgroup", reaper.pid()?))?;
    holds(
        "the reaper is in its own cgroup",
        inside.contains(&reaper.cgroup),
    )?;
    let seen = case.rt(&["ps", "-f", "json", &reaper.id])?.ok()?.out();
    holds(
        format!("{seen} are the reaper's"),
        seen.split(',').count() <= 2,
    )?;
    reaper.destroy()?;
    case.nothing_left()
}

/// The parent is not there before: all make it.
fn hundred_starts_in_one_parent(case: &Case) -> Outcome {
    let parent = format!("lodge-parent-{}", case.tag);
    let mut calls = Vec::new();
    let mut ids = Vec::new();
    for n in 0..100 {
        case.edit(|c| {
            c["linux"]["cgroupsPath"] = json!(format!("/{parent}/own{n}"));
            c["process"]["args"] = json!(["/bin/sleep", "600"]);
            c["linux"]["resources"]["pids"] = json!({"limit": 9});
        })?;
        // Each its own copy: the next one changes this one's.
        let config = case.bundle.dir.join(format!("config{n}.json"));
        fs::copy(case.bundle.config_file(), &config)?;
        let id = format!("n{n}-{}", case.id);
        let name = config.to_string_lossy().into_owned();
        let line = ["run", "--detach", "--config", &name, &id];
        calls.push(case.call(&line).limit(300).spawn()?);
        ids.push(id);
    }
    for call in calls {
        call.answer()?.ok()?;
    }
    let running = case.rt(&["list"])?.ok()?.out().matches("running").count();
    same("running", running, 100)?;
    let mut calls = Vec::new();
    for id in &ids {
        let line = ["delete", "--force", id.as_str()];
        calls.push(case.call(&line).limit(300).spawn()?);
    }
    for call in calls {
        call.answer()?.ok()?;
    }
    for point in Hierarchies::read()?.all() {
        let dir = point.join(&parent);
        holds(
            format!("{} is empty", dir.display()),
            !dir.is_dir() || fs::remove_dir(&dir).is_ok(),
        )?;
    }
    case.nothing_left()
}

fn init_without_memory_is_named(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["resources"]["memory"] = json!({"limit": 8192, "swap": 8192}))?;
    for verb in ["create", "run"] {
        let call = case.call(&[verb, &case.id]).limit(100);
        call.answer()?.fails(
            1,
            &["container init was OOM-killed (memory limit too low?)"],
        )?;
        case.nothing_left()?;
    }
    Ok(())
}
