//! Opening without following anything on the way.

use std::os::fd::OwnedFd;

use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use super::Errno;

/// Opens an absolute path none of whose components may be a symbolic link.
///
/// Without openat2(2) (a filter of an outer container may hide it) only the
/// last component is held to that.
pub(crate) fn open_no_symlinks(path: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlag::O_CLOEXEC;
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    match openat2(AT_FDCWD, path, how) {
        Err(Errno::ENOSYS) => open(path, flags | OFlag::O_NOFOLLOW, Mode::empty()),
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test stops where its ground is missing"
    )]

    use super::*;

    #[test]
    fn refuses_a_link_anywhere_on_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/file"), "").unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();

        let real = root.join("real/file");
        let through = root.join("link/file");
        assert!(open_no_symlinks(real.to_str().unwrap(), OFlag::O_RDONLY).is_ok());
        assert_eq!(
            open_no_symlinks(through.to_str().unwrap(), OFlag::O_RDONLY).unwrap_err(),
            Errno::ELOOP
        );
    }
}
