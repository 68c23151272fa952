//! Giving the v2 cgroup to the container (config-linux.md, "Cgroup ownership").

use super::record::{Cgroup, RecordedHierarchy};
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// What may be given where the kernel does not say (before 4.15).
const FILES: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

impl Cgroup {
    /// Makes `uid`, the container's root seen from here, the owner of the v2
    /// cgroup's folder and of those of its files through which a subtree is
    /// ruled. Limits stay ours.
    pub fn delegate(&self, uid: u32) -> Result<(), StepError> {
        self.v2().map_or(Ok(()), |tree| give(tree, uid))
    }
}

/// Changes the owner of one cgroup's folder and files.
pub(super) fn give(tree: &RecordedHierarchy, uid: u32) -> Result<(), StepError> {
    let give = |path: String| match small_file::give_to(&path, uid, None) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(StepError::new("change the owner of", path, errno)),
    };
    let list = small_file::read("/sys/kernel/cgroup/delegate")
        .ok()
        .and_then(|text| String::from_utf8(text).ok())
        .unwrap_or_else(|| FILES.to_owned());
    give(tree.folder())?;
    list.lines()
        .filter(|name| !name.is_empty() && !name.contains('/'))
        .try_for_each(|name| give(tree.file(name)))
}
