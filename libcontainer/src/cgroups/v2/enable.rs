//! Controllers of a v2 cgroup: each ancestor has to hand them down.

use crate::cgroups::fs;
use crate::cgroups::parse::word;
use crate::cgroups::plan::{Enable, HierarchyPlan};
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// Enables controllers from the mount point down to the cgroup's parent. What
/// an ancestor has not got to give, or may not give, shows when a limit is
/// written.
pub(in crate::cgroups) fn enable(plan: &HierarchyPlan) -> Result<(), StepError> {
    let folder = plan.folder();
    let read = |folder: &str, file: &str| {
        fs::read(folder, file)
            .map_err(|errno| StepError::new("read", format!("{folder}/{file}"), errno))
    };
    let wanted: Vec<String> = match &plan.enable {
        Enable::Only(names) if names.is_empty() => return Ok(()),
        Enable::Only(names) => names.clone(),
        Enable::All => {
            let all = read(&plan.mount, "cgroup.controllers")?;
            word(&all).split(' ').map(str::to_owned).collect()
        }
    };
    let present = read(&folder, "cgroup.controllers")?;
    if wanted.iter().all(|name| fs::lists(&present, name)) {
        return Ok(());
    }
    for (at, _) in plan.path.match_indices('/') {
        let ancestor = plan.path.get(..at).unwrap_or_default();
        let file = format!("{}{ancestor}/cgroup.subtree_control", plan.mount);
        hand_down(&file, &wanted);
    }
    thread(&folder, plan)
}

/// All at once; where one of them is refused, one by one.
fn hand_down(file: &str, controllers: &[String]) {
    let all: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
    if small_file::write(file, &all.join(" ")).is_err() {
        for one in &all {
            if let Err(errno) = small_file::write(file, one) {
                log::debug!(
                    "{}",
                    StepError::new("set", format!("{file} to {one:?}"), errno)
                );
            }
        }
    }
}

/// A cgroup below one that has processes, or is threaded, takes only
/// controllers of threads; asked for no other, it becomes threaded itself.
fn thread(folder: &str, plan: &HierarchyPlan) -> Result<(), StepError> {
    const THREADED: [&str; 4] = ["cpu", "cpuset", "pids", "cgroup"];
    let Ok(kind) = fs::read(folder, "cgroup.type") else {
        return Ok(());
    };
    let kind = word(&kind);
    if kind == "domain" {
        return Ok(());
    }
    let domain = plan.writes.iter().find(|write| {
        let controller = write.file.split('.').next().unwrap_or_default();
        !THREADED.contains(&controller)
    });
    if let Some(write) = domain {
        let reason = format!("it is in {kind} mode, which has no {}", write.file);
        return Err(StepError::refused("use cgroup", folder, reason));
    }
    if kind == "domain invalid" {
        let file = format!("{folder}/cgroup.type");
        match small_file::write(&file, "threaded") {
            Ok(()) | Err(Errno::EOPNOTSUPP) => {}
            Err(errno) => {
                return Err(StepError::new(
                    "set",
                    format!("{file} to \"threaded\""),
                    errno,
                ));
            }
        }
    }
    Ok(())
}
