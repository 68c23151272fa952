//! The container's own list of users: who lives where.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::path::RootFd;
use crate::sys::open::open;

/// As much of the file as is read.
const MAX_BYTES: u64 = 4 << 20;

/// The home directory of a user id in the current root, `/` where the list has
/// none.
pub(super) fn home(uid: u32) -> String {
    read()
        .as_deref()
        .and_then(|text| find(text, uid))
        .filter(|home| !home.is_empty())
        .unwrap_or_else(|| "/".to_owned())
}

fn read() -> Option<String> {
    let root = open(
        "/",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    let root = RootFd::new(root);
    // Looked at before it is opened: a FIFO would block us, a device act on it.
    let found = root.resolve(Path::new("/etc/passwd")).ok()?;
    let kind = SFlag::from_bits_truncate(fstat(&found).ok()?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFREG {
        return None;
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = root.open(Path::new("/etc/passwd"), flags.bits()).ok()?;
    let mut bytes = Vec::new();
    File::from(file)
        .take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The sixth field of the first line whose third is the id.
pub(super) fn find(text: &str, uid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let id: u32 = fields.nth(2)?.parse().ok()?;
        (id == uid).then(|| fields.nth(2).map(ToOwned::to_owned))?
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_first_line_of_the_id_counts() {
        let text = "root:x:0:0:root:/root:/bin/sh\n# bob\nbad\nbob:x:1000:1000::/home/bob:\nbob2:x:1000:1:::\n4294967296:x:7:7::/seven:\n";
        assert_eq!(find(text, 0).as_deref(), Some("/root"));
        assert_eq!(find(text, 1000).as_deref(), Some("/home/bob"));
        assert_eq!(find(text, 7).as_deref(), Some("/seven"));
        assert_eq!(find(text, 1), None);
    }
}
