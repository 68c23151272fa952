//! Any bytes where the kernel tells of cgroups and mounts.

use super::parse::{MountSearch, keyed, memberships, pids, word};

/// What is found does not depend on the pieces in which a file is read.
pub(crate) fn mounts(data: &[u8]) {
    // Two files, the first ends with an empty line.
    let at = data.windows(2).position(|two| two == b"\n\n");
    let (cgroup, mounts) = data.split_at(at.map_or(0, |at| at.saturating_add(1)));
    let search = |piece: usize| {
        let mut search = MountSearch::new(memberships(cgroup));
        for piece in mounts.chunks(piece) {
            search.feed(piece);
        }
        format!("{:?}", search.finish())
    };
    assert_eq!(search(7), search(4096), "pieces matter");
    for file in [cgroup, mounts] {
        let _ = (pids(file), keyed(file, "oom_kill"), word(file));
    }
}
