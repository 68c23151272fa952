//! How the cost of a call grows with the host and the configuration.

use std::fs;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};

use crate::harness::{Case, Outcome, holds, in_mounts_of_ones_own, needs_strace, same};
use crate::tests::list;

list!["scale":
    mounts_of_the_host_cost_nothing,
    other_containers_cost_nothing,
    list_costs_the_same_for_each,
    binds_cost_the_same_each,
    masks_cost_the_same_each,
];

/// So many system calls more or less are chance: a signal, a wait in two parts.
const CHANCE: usize = 12;

fn mounts_of_the_host_cost_nothing(case: &Case) -> Outcome {
    needs_strace()?;
    case.bundle.script("true")?;
    let id = case.id.as_str();
    let dir = case.bundle.beside("many")?;
    in_mounts_of_ones_own(|| {
        let costs = || -> Outcome<[usize; 4]> {
            let run = case.system_calls(&["run", id])?;
            case.edit(|c| c["process"]["args"] = json!(["/bin/sleep", "600"]))?;
            case.rt(&["run", "--detach", id])?.ok()?;
            let exec = case.system_calls(&["exec", id, "/bin/true"])?;
            let state = case.system_calls(&["state", id])?;
            let delete = case.system_calls(&["delete", "--force", id])?;
            case.bundle.script("true")?;
            Ok([run, exec, state, delete])
        };
        // The first of all reads a little more.
        costs()?;
        let few = costs()?;
        for n in 0..300 {
            let point = dir.join(n.to_string());
            fs::create_dir(&point)?;
            let none = None::<&str>;
            mount(Some("tmpfs"), &point, Some("tmpfs"), MsFlags::empty(), none)?;
        }
        let many = costs();
        for n in 0..300 {
            umount2(&dir.join(n.to_string()), MntFlags::MNT_DETACH)?;
        }
        let words = ["run", "exec", "state", "delete"];
        for ((word, few), many) in words.into_iter().zip(few).zip(many?) {
            // /proc/self/mountinfo is read where it has to be, a few lines at a time.
            let read = if word == "state" { 0 } else { 60 };
            holds(
                format!("{word}: {few} calls, and {many} with 300 mounts more"),
                many <= few + read + CHANCE,
            )?;
        }
        Ok(())
    })
}

/// Directories as those of containers, without anything running.
fn states(case: &Case, numbers: std::ops::Range<usize>) -> Outcome {
    let own = case.state_root.join(&case.id);
    let text = fs::read_to_string(own.join("state.json"))?;
    for n in numbers {
        let name = format!("copy{n}");
        let copy = case.state_root.join(&name);
        fs::create_dir(&copy)?;
        fs::write(copy.join("state.json"), text.replace(&case.id, &name))?;
    }
    Ok(())
}

fn remove_states(case: &Case, numbers: std::ops::Range<usize>) -> Outcome {
    for n in numbers {
        fs::remove_dir_all(case.state_root.join(format!("copy{n}")))?;
    }
    Ok(())
}

fn stopped(case: &Case) -> Outcome {
    case.run_detached("true")?;
    case.becomes("stopped")
}

fn other_containers_cost_nothing(case: &Case) -> Outcome {
    needs_strace()?;
    stopped(case)?;
    let other = case.another()?;
    other.bundle.script("true")?;
    let cost = || other.system_calls(&["run", &other.id]);
    cost()?;
    let alone = cost()?;
    states(case, 0..200)?;
    let among = cost();
    remove_states(case, 0..200)?;
    let among = among?;
    // One call for each, and it were 200 more.
    holds(
        format!("run alone: {alone} calls, among 200: {among}"),
        among < alone + 100,
    )
}

fn list_costs_the_same_for_each(case: &Case) -> Outcome {
    // So many from the first that no more of them would get it more threads.
    const STEP: usize = 150;
    needs_strace()?;
    stopped(case)?;
    let mut costs = Vec::new();
    for n in 0..3 {
        states(case, n * STEP..(n + 1) * STEP)?;
        let out = case.rt(&["list"])?.ok()?.out();
        same("rows", out.lines().count(), 2 + (n + 1) * STEP)?;
        let ids = case.rt(&["list", "--quiet"])?.ok()?.out();
        let ids: Vec<&str> = ids.lines().collect();
        same("ids", ids.len(), 1 + (n + 1) * STEP)?;
        holds("the ids are in order", ids.is_sorted())?;
        costs.push(case.system_calls(&["list"])?);
    }
    remove_states(case, 0..3 * STEP)?;
    linear(&costs, STEP, 20)
}

/// Each step adds as much as the one before, and no more than so many calls for
/// each of its things.
fn linear(costs: &[usize], step: usize, each: usize) -> Outcome {
    let growth: Vec<usize> = costs
        .windows(2)
        .map(|pair| pair.iter().max().unwrap_or(&0) - pair.iter().min().unwrap_or(&0))
        .collect();
    let (least, most) = (growth.iter().min(), growth.iter().max());
    let (least, most) = (least.copied().unwrap_or(0), most.copied().unwrap_or(0));
    holds(
        format!("the same each time: {costs:?}"),
        most <= least + least / 10 + CHANCE,
    )?;
    holds(
        format!("at most {each} calls for each: {costs:?}"),
        most <= step * each + CHANCE,
    )
}

/// The calls of `run` with 40, 80 and 120 of these.
fn costs_of(case: &Case, make: impl Fn(&mut Value, usize) -> Outcome) -> Outcome<Vec<usize>> {
    needs_strace()?;
    case.bundle.script("true")?;
    let config = case.bundle.config()?;
    let mut costs = Vec::new();
    // The first run makes the mount points.
    for count in [120, 40, 80, 120] {
        let mut with = config.clone();
        for n in 0..count {
            make(&mut with, n)?;
        }
        fs::write(case.bundle.config_file(), with.to_string())?;
        costs.push(case.system_calls(&["run", &case.id])?);
    }
    Ok(costs.split_off(1))
}

fn binds_cost_the_same_each(case: &Case) -> Outcome {
    let source = case.bundle.beside("source")?.to_string_lossy().into_owned();
    let costs = costs_of(case, |config, n| {
        let bind = json!({"destination": format!("/binds/{n}"), "type": "bind", "source": source,
            "options": ["rbind", "ro"]});
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.push(bind);
        }
        Ok(())
    })?;
    linear(&costs, 40, 10)
}

fn masks_cost_the_same_each(case: &Case) -> Outcome {
    for n in 0..120 {
        fs::create_dir(case.bundle.rootfs.join(format!("dir{n}")))?;
    }
    let costs = costs_of(case, |config, n| {
        if let Some(paths) = config["linux"]["maskedPaths"].as_array_mut() {
            paths.push(json!(format!("/dir{n}")));
        }
        Ok(())
    })?;
    linear(&costs, 40, 8)
}
