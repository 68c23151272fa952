//! The controller pids; without it the processes are counted one by one.

use super::super::numbers::{number, number_if_there, text};
use super::super::pids::Pids;
use crate::error::StepError;
use crate::sys::Errno;

pub(in super::super) fn read(folder: &str) -> Result<Pids, StepError> {
    let Some(current) = number_if_there(folder, "pids.current")? else {
        return count(folder);
    };
    let limit = number(folder, "pids.max")?;
    Ok(Pids {
        current,
        limit: if limit == u64::MAX { 0 } else { limit },
    })
}

fn count(folder: &str) -> Result<Pids, StepError> {
    let listed = match text(folder, "cgroup.procs") {
        // A threaded cgroup lists threads only.
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => text(folder, "cgroup.threads")?,
        listed => listed?,
    };
    Ok(Pids {
        current: u64::try_from(listed.lines().count()).unwrap_or_default(),
        limit: 0,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::read;

    #[test]
    fn without_the_controller_processes_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let folder = root.to_str().unwrap();
        std::fs::write(root.join("cgroup.procs"), "1\n20\n").unwrap();
        assert_eq!(read(folder).unwrap().current, 2);
        std::fs::write(root.join("pids.current"), "7\n").unwrap();
        std::fs::write(root.join("pids.max"), "max\n").unwrap();
        assert_eq!(read(folder).unwrap().current, 7);
        assert_eq!(read(folder).unwrap().limit, 0);
    }
}
