//! Who calls.

use crate::sys::small_file;

/// The user that the calling process runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The effective user id, as its user namespace shows it.
    pub euid: u32,
    /// The effective group id, as its user namespace shows it.
    pub egid: u32,
    /// Whether its user namespace is another than the first.
    pub in_user_namespace: bool,
}

impl Caller {
    /// Asks the kernel.
    #[must_use]
    pub fn probe() -> Self {
        let map = small_file::read_proc("/proc/self/uid_map");
        Self {
            euid: nix::unistd::geteuid().as_raw(),
            egid: nix::unistd::getegid().as_raw(),
            in_user_namespace: map.is_ok_and(|map| !is_whole(&String::from_utf8_lossy(&map))),
        }
    }
}

/// Whether a `uid_map` is the first user namespace's: every id, each to itself
/// (`user_namespaces(7)`). An empty one is a namespace that has none yet.
fn is_whole(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::{Caller, is_whole};

    #[test]
    fn the_first_user_namespace_maps_every_id_to_itself() {
        assert!(is_whole("         0          0 4294967295\n"));
        assert!(!is_whole("         0       1000          1\n"));
        assert!(!is_whole("         0          0      65536\n"));
        assert!(!is_whole(""));
    }

    #[test]
    fn the_caller_is_who_owns_its_files() {
        use std::os::unix::fs::MetadataExt as _;
        let file = tempfile::tempfile().and_then(|file| file.metadata());
        assert_eq!(file.ok().map(|file| file.uid()), Some(Caller::probe().euid));
    }
}
