//! Who calls.

use crate::sys::ns;

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
        Self {
            euid: nix::unistd::geteuid().as_raw(),
            egid: nix::unistd::getegid().as_raw(),
            in_user_namespace: ns::in_user_namespace(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Caller;

    #[test]
    fn the_caller_is_who_owns_its_files() {
        use std::os::unix::fs::MetadataExt as _;
        let file = tempfile::tempfile().and_then(|file| file.metadata());
        assert_eq!(file.ok().map(|file| file.uid()), Some(Caller::probe().euid));
    }
}
