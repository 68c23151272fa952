//! Where this host has resctrl, and what it can do there.

use nix::sys::statfs::FsType;

use super::fs;
use crate::error::StepError;
use crate::sys::small_file;

/// The folder that the kernel makes for it.
const USUAL: &str = "/sys/fs/resctrl";

/// `RDTGROUP_SUPER_MAGIC` (linux/magic.h).
const MAGIC: FsType = FsType(0x765_5821);

/// The resctrl file system of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resctrl {
    /// The mount point.
    pub mount: String,
    /// Whether shares of the L3 cache can be given.
    pub cache: bool,
    /// Whether shares of the memory bandwidth can be given.
    pub bandwidth: bool,
    /// Whether use can be monitored.
    pub monitoring: bool,
}

impl Resctrl {
    /// Looks for a mounted resctrl; it is often not, and is the administrator's
    /// to mount.
    ///
    /// # Errors
    /// The mount table cannot be read.
    pub fn probe() -> Result<Option<Self>, StepError> {
        Ok(mount_point()?.map(Self::at))
    }

    /// The one that is mounted here.
    pub(super) fn at(mount: String) -> Self {
        let has = |name: &str| fs::exists(&format!("{mount}/info/{name}"));
        Self {
            // With code and data prioritization it is two resources.
            cache: has("L3") || has("L3CODE"),
            bandwidth: has("MB"),
            monitoring: has("L3_MON"),
            mount,
        }
    }
}

fn mount_point() -> Result<Option<String>, StepError> {
    #[cfg(debug_assertions)]
    if let Some(folder) = super::stand_in::asked() {
        return Ok(Some(folder));
    }
    if is_resctrl(USUAL) {
        return Ok(Some(USUAL.to_owned()));
    }
    let path = "/proc/self/mountinfo";
    let text = small_file::read_proc(path).map_err(|errno| StepError::new("read", path, errno))?;
    Ok(find(&String::from_utf8_lossy(&text)))
}

/// Whether a folder is of a resctrl file system.
pub(super) fn is_resctrl(path: &str) -> bool {
    small_file::file_system(path).is_ok_and(|kind| kind == MAGIC)
}

/// The first resctrl of a mount table, not shadowed by a later mount as far as
/// its own line tells: `36 35 98:0 ROOT MOUNT OPTIONS [TAG…] - TYPE SOURCE SUPER`
/// (proc_pid_mountinfo(5)).
fn find(mountinfo: &str) -> Option<String> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, mount) = (before.next()?, before.next()?);
        let whole = after.starts_with("resctrl ") && root == "/";
        whole.then(|| unescape(mount))
    })
}

/// White space and backslashes are octal in a mount table.
fn unescape(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_owned(), |text, (octal, plain)| {
        text.replace(octal, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn it_is_found_wherever_it_is_mounted() {
        let table = "\
            22 1 8:1 / / rw - ext4 /dev/root rw\n\
            40 22 0:33 /c1 /mnt/bound rw - resctrl resctrl rw\n\
            41 22 0:33 / /mnt/with\\040space rw,relatime shared:3 - resctrl none rw,mba_MBps\n";
        assert_eq!(find(table).as_deref(), Some("/mnt/with space"));
        assert_eq!(find("22 1 8:1 / /resctrl rw - ext4 resctrl rw"), None);
    }
}
