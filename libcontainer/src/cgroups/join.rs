//! Moving processes into the cgroup.

use std::time::Duration;

use super::record::{Cgroup, RecordedHierarchy};
use crate::error::StepError;
use crate::sys::{Errno, small_file};

impl Cgroup {
    /// Moves a process into the cgroup of every hierarchy.
    pub fn join(&self, pid: i32) -> Result<(), StepError> {
        self.record
            .hierarchies
            .iter()
            .try_for_each(|tree| enter(tree, pid))
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

fn enter(tree: &RecordedHierarchy, pid: i32) -> Result<(), StepError> {
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
