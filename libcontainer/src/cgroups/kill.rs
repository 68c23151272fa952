//! The processes of the cgroup: listing them, and signals to all.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::parse::{keyed, pids};
use super::record::{Cgroup, RecordedHierarchy};
use crate::error::StepError;
use crate::sys::{Errno, kill, small_file};

/// How deep sub-cgroups are followed; the kernel's paths end before.
const DEEPEST: usize = 512;

impl Cgroup {
    /// The hierarchy that is asked for processes: on v1 one that nobody leaves
    /// without leaving the container.
    fn listed(&self) -> Result<&RecordedHierarchy, StepError> {
        ["devices", "pids", "freezer"]
            .into_iter()
            .find_map(|controller| self.v1(controller))
            .or_else(|| self.record.hierarchies.first())
            .ok_or_else(|| {
                let reason = "the container has no cgroup";
                StepError::refused("list", "the container's processes", reason)
            })
    }

    /// All processes of the cgroup and its sub-cgroups; none when it is gone.
    pub fn processes(&self) -> Result<Vec<i32>, StepError> {
        let folder = self.listed()?.folder();
        processes_below(&folder)
            .map_err(|errno| StepError::new("list the processes of", folder, errno))
    }

    /// Whether there is a cgroup to look into.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.listed()
            .is_ok_and(|tree| small_file::open_folder(&tree.folder()).is_ok())
    }

    /// Sends a signal to every process of the cgroup and its sub-cgroups, those
    /// included that are being made meanwhile.
    ///
    /// After SIGKILL a v1 cgroup is thawed: a process frozen there cannot die.
    pub fn signal_all(&self, signal: i32, deadline: Instant) -> Result<(), StepError> {
        let fatal = signal == libc::SIGKILL;
        if fatal && self.kill_at_once() {
            if self.is_unified() {
                return Ok(());
            }
            self.thaw_quietly();
            // What left the v2 cgroup of a hybrid host is still in v1's.
        }
        let was_frozen = self.is_frozen()?;
        let first = self.processes()?;
        if first.is_empty() {
            return Ok(());
        }
        let froze = was_frozen || self.freeze(deadline).is_ok();
        let result = self.signal_each(signal, froze, deadline);
        if fatal || (froze && !was_frozen) {
            self.thaw_quietly();
        }
        result
    }

    /// `cgroup.kill` (kernel 5.14) takes all at once, forks included.
    fn kill_at_once(&self) -> bool {
        self.v2()
            .is_some_and(|tree| small_file::write(&tree.file("cgroup.kill"), "1").is_ok())
    }

    fn thaw_quietly(&self) {
        match self.thaw() {
            Err(error) if error.errno() != Some(Errno::ENOENT) => log::debug!("{error}"),
            _ => {}
        }
    }

    fn signal_each(&self, signal: i32, frozen: bool, deadline: Instant) -> Result<(), StepError> {
        let mut told = BTreeSet::new();
        loop {
            let mut news = false;
            for pid in self.processes()? {
                if told.insert(pid) {
                    news = true;
                    match kill::kill(pid, signal) {
                        Ok(()) | Err(Errno::ESRCH) => {}
                        Err(errno) => {
                            return Err(StepError::new("signal process", pid.to_string(), errno));
                        }
                    }
                }
            }
            // Frozen, none was made since; else until a look finds no new one.
            if frozen || !news || Instant::now() >= deadline {
                return Ok(());
            }
        }
    }

    /// Waits until no process is left.
    pub fn wait_until_empty(&self, deadline: Instant) -> Result<(), StepError> {
        let mut pause = Duration::from_micros(100);
        loop {
            let left = self.processes()?;
            let Some(pid) = left.first() else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                return Err(StepError::refused(
                    "empty cgroup",
                    self.listed()?.folder(),
                    format!("process {pid} does not end ({} in all)", left.len()),
                ));
            }
            std::thread::sleep(pause);
            pause = pause.saturating_mul(2).min(Duration::from_millis(10));
        }
    }

    /// How many processes of the cgroup the kernel killed for want of memory;
    /// none where nobody counts.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        let file = if let Some(tree) = self.v1("memory") {
            tree.file("memory.oom_control")
        } else if let Some(tree) = self.v2() {
            tree.file("memory.events")
        } else {
            return 0;
        };
        small_file::read(&file)
            .ok()
            .and_then(|text| keyed(&text, "oom_kill"))
            .unwrap_or_default()
    }
}

/// The processes of a cgroup and its sub-cgroups; none when it is gone.
pub(super) fn processes_below(folder: &str) -> Result<Vec<i32>, Errno> {
    let mut found = Vec::new();
    match small_file::open_folder(folder) {
        Ok(folder) => collect(&folder, &mut found, DEEPEST)?,
        Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno),
    }
    Ok(found)
}

fn collect(folder: &OwnedFd, found: &mut Vec<i32>, depth: usize) -> Result<(), Errno> {
    match list(folder, "cgroup.procs") {
        // A threaded cgroup has threads only.
        Err(Errno::EOPNOTSUPP) => found.append(&mut list(folder, "cgroup.threads")?),
        // Removed meanwhile, with all that was in it.
        Err(Errno::ENOENT | Errno::ENODEV) => return Ok(()),
        list => found.append(&mut list?),
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Errno::ELOOP);
    };
    for name in small_file::folders(folder)? {
        match small_file::open_folder_at(folder, &name) {
            Ok(sub) => collect(&sub, found, depth)?,
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn list(folder: &OwnedFd, file: &str) -> Result<Vec<i32>, Errno> {
    let file = small_file::open_file_at(folder, file)?;
    Ok(pids(&small_file::read_rest(&file)?))
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test stops where its ground is missing"
    )]

    use super::*;

    #[test]
    fn sub_cgroups_are_listed_too() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for (path, list) in [("", "1\n2\n"), ("a", ""), ("a/b", "30\n"), ("c", "4\n")] {
            std::fs::create_dir_all(root.join(path)).unwrap();
            std::fs::write(root.join(path).join("cgroup.procs"), list).unwrap();
        }
        let mut found = processes_below(root.to_str().unwrap()).unwrap();
        found.sort_unstable();
        assert_eq!(found, [1, 2, 4, 30]);
        let gone = root.join("gone");
        assert_eq!(processes_below(gone.to_str().unwrap()), Ok(Vec::new()));
    }
}
