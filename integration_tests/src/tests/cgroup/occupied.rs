//! Cgroups that are there before the container, or that others change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::json;

use crate::harness::{Case, Hierarchies, Outcome, eventually, has, holds, same, skip};
use crate::tests::list;

list!["cgroup":
    process_in_a_sub_cgroup_is_refused,
    processes_in_one_hierarchy_are_refused,
    empty_cgroup_of_others_is_taken,
    threaded_cgroup_takes_limits_of_threads,
    threaded_cgroup_has_no_other_limits,
    cgroup_removed_by_others,
    cgroup_removed_by_others_without_a_pid_namespace,
    deep_sub_cgroups_are_removed,
];

/// A process of somebody else's in cgroups of its own; it ends with this.
struct Outsider {
    process: Child,
    folders: Vec<PathBuf>,
}

impl Outsider {
    fn enter(folders: Vec<PathBuf>) -> Outcome<Self> {
        let process = Command::new("sleep").arg("600").spawn()?;
        let outsider = Self { process, folders };
        for folder in &outsider.folders {
            fs::create_dir_all(folder)?;
            fs::write(
                folder.join("cgroup.procs"),
                outsider.process.id().to_string(),
            )?;
        }
        Ok(outsider)
    }

    fn lives_there(&mut self) -> Outcome {
        holds("the outsider lives", self.process.try_wait()?.is_none())?;
        for folder in &self.folders {
            let inside = fs::read_to_string(folder.join("cgroup.procs"))?;
            has(&inside, &self.process.id().to_string())?;
        }
        Ok(())
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        for folder in &self.folders {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The container's folder in each hierarchy.
fn folders(case: &Case) -> Outcome<Vec<PathBuf>> {
    let name = case.cgroup.trim_start_matches('/');
    Ok(Hierarchies::read()?.all().map(|it| it.join(name)).collect())
}

/// Any hierarchy's.
fn folder(case: &Case) -> Outcome<PathBuf> {
    match folders(case)?.into_iter().next() {
        Some(folder) => Ok(folder),
        None => skip("needs cgroups"),
    }
}

fn process_in_a_sub_cgroup_is_refused(case: &Case) -> Outcome {
    let own = folder(case)?;
    let mut outsider = Outsider::enter(vec![own.join("sub")])?;
    let refused = case.run()?;
    outsider.lives_there()?;
    drop(outsider);
    holds("the cgroup stays", own.is_dir())?;
    fs::remove_dir(own)?;
    refused.fails(1, &["container's cgroup is not empty"])?;
    case.nothing_left()
}

/// On cgroup v1 each may be the one.
fn processes_in_one_hierarchy_are_refused(case: &Case) -> Outcome {
    for own in folders(case)? {
        // The cpuset of a new v1 cgroup takes no process yet.
        if own.parent().is_some_and(|it| it.ends_with("cpuset")) {
            continue;
        }
        let mut outsider = Outsider::enter(vec![own.clone()])?;
        let refused = case.run()?;
        outsider.lives_there()?;
        drop(outsider);
        refused.fails(1, &["container's cgroup is not empty"])?;
        case.nothing_left()?;
    }
    Ok(())
}

fn empty_cgroup_of_others_is_taken(case: &Case) -> Outcome {
    for own in folders(case)? {
        // The rules of a v1 cgroup with others below it cannot be taken away.
        let devices = own.parent().is_some_and(|it| it.ends_with("devices"));
        fs::create_dir_all(if devices { own } else { own.join("a/b") })?;
    }
    same("out", case.run_script("echo in")?.as_str(), "in")?;
    case.nothing_left()?;
    let Some(devices) = Hierarchies::read()?
        .controller("devices")
        .map(Path::to_owned)
    else {
        return Ok(());
    };
    let own = devices.join(case.cgroup.trim_start_matches('/'));
    fs::create_dir_all(own.join("a"))?;
    let refused = case.run()?;
    fs::remove_dir(own.join("a"))?;
    fs::remove_dir(&own)?;
    refused.fails(1, &["devices.deny", "(it has sub-cgroups)"])?;
    case.nothing_left()
}

/// A parent with a process of its own can hand down controllers of threads alone.
fn with_a_busy_parent(case: &Case) -> Outcome<Outsider> {
    let hierarchies = Hierarchies::read()?;
    let Some(point) = hierarchies.v2.as_ref().filter(|_| hierarchies.unified()) else {
        return skip("needs cgroup v2 alone");
    };
    let parent = format!("lodge-parent-{}", case.tag);
    let outsider = Outsider::enter(vec![point.join(&parent)])?;
    case.edit(|c| c["linux"]["cgroupsPath"] = json!(format!("/{parent}/own")))?;
    Ok(outsider)
}

fn threaded_cgroup_takes_limits_of_threads(case: &Case) -> Outcome {
    let mut outsider = with_a_busy_parent(case)?;
    case.edit(|c| c["linux"]["resources"] = json!({"pids": {"limit": 21}}))?;
    case.run_asleep()?;
    let Some(own) = outsider.folders.first().map(|it| it.join("own")) else {
        return skip("no cgroup");
    };
    same(
        "type",
        fs::read_to_string(own.join("cgroup.type"))?.trim(),
        "threaded",
    )?;
    same(
        "limit",
        fs::read_to_string(own.join("pids.max"))?.trim(),
        "21",
    )?;
    same("exec", case.exec_script(&[], "echo in")?.as_str(), "in")?;
    let listed = case.rt(&["ps", "-f", "json", &case.id])?.ok()?.out();
    has(&listed, &case.pid()?.to_string())?;
    case.rt(&["pause", &case.id])?.ok()?;
    case.status_is("paused")?;
    case.rt(&["resume", &case.id])?.ok()?;
    outsider.lives_there()?;
    case.destroy()?;
    holds("the cgroup is gone", !own.exists())?;
    drop(outsider);
    case.nothing_left()
}

fn threaded_cgroup_has_no_other_limits(case: &Case) -> Outcome {
    let outsider = with_a_busy_parent(case)?;
    case.edit(|c| c["linux"]["resources"] = json!({"memory": {"limit": 67_108_864}}))?;
    let refused = case.run()?;
    drop(outsider);
    refused.fails(1, &["memory"])?;
    let words = refused.err();
    holds(
        format!("mode or controller is named: {words}"),
        words.contains("in domain invalid mode") || words.contains("controller \\\"memory\\\""),
    )?;
    case.nothing_left()
}

/// Moves all processes out and removes the cgroups.
fn remove_from_outside(case: &Case) -> Outcome {
    for own in folders(case)? {
        let procs = own.join("cgroup.procs");
        let root = own.parent().unwrap_or(Path::new("/")).join("cgroup.procs");
        for pid in fs::read_to_string(procs).unwrap_or_default().lines() {
            fs::write(&root, pid)?;
        }
        if own.is_dir() {
            eventually("the cgroup can be removed", || {
                Ok(fs::remove_dir(&own).is_ok())
            })?;
        }
    }
    Ok(())
}

fn cgroup_removed_by_others(case: &Case) -> Outcome {
    case.run_asleep()?;
    remove_from_outside(case)?;
    case.status_is("running")?;
    has(&case.rt(&["list"])?.ok()?.out(), "running")?;
    case.rt(&["pause", &case.id])?
        .fails(1, &["freeze", "no such file or directory"])?;
    case.rt(&["resume", &case.id])?.fails(1, &["not paused"])?;
    case.rt(&["ps", &case.id])?
        .fails(1, &["cgroup", "is gone"])?;
    case.status_is("running")?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()?;
    // By force, alive.
    case.run_asleep()?;
    remove_from_outside(case)?;
    case.destroy()?;
    case.nothing_left()
}

fn cgroup_removed_by_others_without_a_pid_namespace(case: &Case) -> Outcome {
    case.edit(|c| crate::harness::config::without_namespace(c, "pid"))?;
    case.run_asleep()?;
    remove_from_outside(case)?;
    case.status_is("running")?;
    case.rt(&["kill", "--all", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    case.rt(&["kill", "--all", &case.id, "KILL"])?.ok()?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn deep_sub_cgroups_are_removed(case: &Case) -> Outcome {
    case.run_asleep()?;
    let deep = "n/".repeat(40);
    for own in folders(case)?.iter().filter(|own| own.is_dir()) {
        fs::create_dir_all(own.join(&deep))?;
        for n in 0..20 {
            fs::create_dir_all(own.join(format!("wide{n}/x")))?;
        }
    }
    // The container ended by itself, and is removed without force.
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}
