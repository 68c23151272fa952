//! Removing the cgroup with all that the container made below it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::record::{Cgroup, RecordedHierarchy};
use super::systemd::{self, Holder};
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// How deep sub-cgroups are followed; the kernel's paths end before.
const DEEPEST: usize = 512;

/// How long systemd has to stop a unit in which no process is left.
const UNIT_PATIENCE: Duration = Duration::from_secs(30);

impl Cgroup {
    /// Removes the cgroup in every hierarchy, after systemd's unit; what is gone
    /// already is fine, and nothing of another's unit is touched.
    /// Ancestors stay: by now an engine may have set limits there.
    ///
    /// The processes must have been killed; until the deadline the kernel has
    /// time to be done with them.
    pub fn remove(&self, deadline: Instant) -> Result<(), StepError> {
        if self.stop_unit() == Holder::Another {
            return Ok(());
        }
        remove_all(self.record.hierarchies.iter(), deadline)
    }

    /// Takes back [`create`](Self::create) after the cgroup was in use: what was
    /// found stays, and so do the sub-cgroups that were found in it.
    pub fn take_back(&self, deadline: Instant) -> Result<(), StepError> {
        if self.record.unit.is_some() {
            // A unit is never found, but made.
            let removed = self.remove(deadline);
            self.undo();
            return removed;
        }
        let made = self.record.hierarchies.iter().filter(|tree| tree.made);
        let removed = remove_all(made, deadline);
        self.undo();
        removed
    }

    fn stop_unit(&self) -> Holder {
        let Some(unit) = &self.record.unit else {
            return Holder::Container;
        };
        match systemd::stop(unit, None, Instant::now() + UNIT_PATIENCE) {
            Ok(Holder::Another) => {
                log::debug!("unit {} is another's and stays", unit.name);
                Holder::Another
            }
            Ok(holder) => holder,
            Err(error) => {
                log::warn!("{error}");
                // A unit without its cgroup ends by itself.
                if self.is_proved() {
                    Holder::Container
                } else {
                    Holder::Another
                }
            }
        }
    }
}

fn remove_all<'a>(
    trees: impl Iterator<Item = &'a RecordedHierarchy>,
    deadline: Instant,
) -> Result<(), StepError> {
    let mut first_error = Ok(());
    for tree in trees {
        let result = remove(tree, deadline);
        if first_error.is_ok() {
            first_error = result;
        } else if let Err(error) = result {
            log::warn!("{error}");
        }
    }
    first_error
}

fn remove(tree: &RecordedHierarchy, deadline: Instant) -> Result<(), StepError> {
    let folder = tree.folder();
    let mut pause = Duration::from_micros(100);
    loop {
        // Most often there is nothing below.
        match small_file::remove_folder(&folder) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EBUSY) => {}
            Err(errno) => return Err(StepError::new("remove cgroup", folder, errno)),
        }
        if let Ok(fd) = small_file::open_folder(&folder) {
            remove_below(&fd, DEEPEST);
        }
        match small_file::remove_folder(&folder) {
            Err(Errno::EBUSY) if Instant::now() < deadline => {}
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => {
                let error = StepError::new("remove cgroup", folder.clone(), errno);
                let left = super::kill::processes_below(&folder).unwrap_or_default();
                return Err(match left.first() {
                    Some(pid) => error.with_detail(format!(
                        "process {pid} does not end ({} in all)",
                        left.len()
                    )),
                    None => error,
                });
            }
        }
        std::thread::sleep(pause);
        pause = pause.saturating_mul(2).min(Duration::from_millis(20));
    }
}

/// Removes sub-cgroups, deepest first; what stays shows when the cgroup itself
/// is removed.
fn remove_below(folder: &OwnedFd, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for name in small_file::folders(folder).unwrap_or_default() {
        if let Ok(sub) = small_file::open_folder_at(folder, &name) {
            remove_below(&sub, depth);
        }
        if let Err(errno) = small_file::remove_folder_at(folder, &name) {
            let name = name.to_string_lossy().into_owned();
            log::debug!("{}", StepError::new("remove sub-cgroup", name, errno));
        }
    }
}
