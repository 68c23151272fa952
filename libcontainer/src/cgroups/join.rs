//! Moving processes into the cgroup.

use std::time::Duration;

use super::record::{Cgroup, RecordedHierarchy, RecordedUnit};
use super::systemd;
use crate::error::StepError;
use crate::sys::{Errno, small_file};

impl Cgroup {
    /// Moves a process into the cgroup of every hierarchy. Where the process is,
    /// an ordinary user may not take it from: systemd does that for its unit.
    pub fn join(&self, pid: i32) -> Result<(), StepError> {
        self.record.hierarchies.iter().try_for_each(|tree| {
            let entered = enter(tree, pid);
            match (&self.record.unit, &entered) {
                (Some(unit), Err(error))
                    if tree.is_v2()
                        && !unit.is_slice()
                        && matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM)) =>
                {
                    systemd::attach(unit, below(tree, unit), pid)
                }
                _ => entered,
            }
        })
    }

    /// Moves a process into the v1 cgroups: what is left to do after
    /// `CLONE_INTO_CGROUP`.
    pub fn join_v1(&self, pid: i32) -> Result<(), StepError> {
        self.record
            .hierarchies
            .iter()
            .filter(|tree| !tree.is_v2())
            .try_for_each(|tree| enter(tree, pid))
    }

    /// Moves a process into the v2 cgroup, where there is one.
    pub fn join_v2(&self, pid: i32) -> Result<(), StepError> {
        self.v2().map_or(Ok(()), |tree| enter(tree, pid))
    }
}

/// The part of a cgroup's path below its unit.
fn below<'a>(tree: &'a RecordedHierarchy, unit: &RecordedUnit) -> &'a str {
    let folder = format!("{}/", unit.name);
    let path = tree.path.find(&folder).and_then(|at| {
        let end = at.checked_add(unit.name.len())?;
        tree.path.get(end..)
    });
    path.unwrap_or_default()
}

pub(super) fn enter(tree: &RecordedHierarchy, pid: i32) -> Result<(), StepError> {
    // A task that is only just being made is refused with EINVAL (kernels before
    // 4.4 with RT tasks, and later ones now and then under load).
    const ATTEMPTS: usize = 5;
    const PAUSE: Duration = Duration::from_millis(30);
    let file = tree.file("cgroup.procs");
    // Callers of `exec --cgroup` look for these words.
    let fail = |errno| {
        let object = format!("adding pid {pid} to cgroups {}", tree.folder());
        StepError::new("finish", object, errno)
    };
    let fd = small_file::open_to_write(&file).map_err(fail)?;
    let text = pid.to_string();
    let mut attempts = 0;
    loop {
        match small_file::write_value(&fd, &text) {
            Err(Errno::EINVAL) if attempts < ATTEMPTS => {
                attempts += 1;
                std::thread::sleep(PAUSE);
            }
            result => return result.map_err(fail),
        }
    }
}
