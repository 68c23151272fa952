//! Cgroups below the one that the container would have otherwise: a process is
//! moved there before controllers are handed down, since with them a cgroup that
//! has others below it takes no process (cgroups(7), "no internal processes").

use super::join::enter;
use super::plan::{DelegatedPlan, Enable, HierarchyPlan};
use super::record::{Cgroup, RecordedHierarchy};
use super::v2::enable;
use crate::error::StepError;
use crate::sys::{Errno, small_file};

impl Cgroup {
    /// Moves the process below the container's cgroup, and gives that cgroup to
    /// the container's root; limits stay where they are.
    pub fn move_below(&self, plan: &DelegatedPlan, pid: i32) -> Result<(), StepError> {
        let tree = self.v2().ok_or_else(|| {
            let reason = "the container has no cgroup of version 2";
            StepError::refused("delegate", plan.path.as_str(), reason)
        })?;
        let below = HierarchyPlan {
            controllers: Vec::new(),
            mount: tree.mount.clone(),
            path: format!("{}{}", tree.path, plan.path),
            enable: Enable::All,
            writes: Vec::new(),
            program: None,
            check_memory: None,
        };
        let mut target = tree.clone();
        target.path.clone_from(&below.path);
        descend(&below, &mut target, &tree.path, pid)?;
        plan.owner
            .map_or(Ok(()), |uid| super::delegate::give(&target, uid))
    }
}

/// Makes the folders below `top`, down to the cgroup, with the process in the last.
pub(super) fn descend(
    plan: &HierarchyPlan,
    tree: &mut RecordedHierarchy,
    top: &str,
    pid: i32,
) -> Result<(), StepError> {
    let made = plan.path.match_indices('/').map(|(at, _)| at);
    for end in made.skip(1).chain([plan.path.len()]) {
        let Some(path) = plan.path.get(..end).filter(|path| path.len() > top.len()) else {
            continue;
        };
        let folder = format!("{}{path}", plan.mount);
        match small_file::make_folder(&folder) {
            Ok(()) => tree.made = true,
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(StepError::new("create cgroup", folder, errno)),
        }
    }
    enter(tree, pid)?;
    enable::enable(plan)
}
