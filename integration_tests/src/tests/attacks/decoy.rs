//! A tree of the host beside the root file system that nothing may touch.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;

use crate::harness::{Case, Host, Outcome, holds, same};

/// The tree, and how it was.
pub(super) struct Decoy {
    dir: PathBuf,
    before: Vec<String>,
}

impl Decoy {
    /// Makes it; one that is there already is made anew.
    pub(super) fn make(case: &Case) -> Outcome<Self> {
        let dir = case.bundle.dir.join("outside");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        case.bundle.beside("outside")?;
        // Names of what a runtime makes in /dev are tempting.
        for name in ["file", "ptmx", "null", "console"] {
            fs::write(dir.join(name), format!("{name} of the host\n"))?;
        }
        fs::create_dir(dir.join("dir"))?;
        fs::write(dir.join("dir/inner"), "inner\n")?;
        fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o640))?;
        nix::unistd::mkfifo(&dir.join("fifo"), Mode::from_bits_truncate(0o600))?;
        let before = describe(&dir)?;
        Ok(Self { dir, before })
    }

    /// Where it is on the host.
    pub(super) fn path(&self) -> String {
        self.dir.to_string_lossy().into_owned()
    }

    /// Names, inodes, owners, modes, sizes, times and contents are as before, and
    /// so are the host's null device, its core pattern and its mounts there.
    #[track_caller]
    pub(super) fn check(&self) -> Outcome {
        same("the decoy tree", describe(&self.dir)?, self.before.clone())?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let path = self.path();
        holds(
            "no mount of the host lies in the decoy",
            !mounts.lines().any(|line| line.contains(&path)),
        )?;
        Host::get().unharmed()
    }
}

fn describe(dir: &Path) -> Outcome<Vec<String>> {
    let mut found = vec![line(dir)?];
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            found.extend(describe(&path)?);
        } else {
            found.push(line(&path)?);
        }
    }
    found.sort();
    Ok(found)
}

fn line(path: &Path) -> Outcome<String> {
    let meta = fs::symlink_metadata(path)?;
    let kind = meta.file_type();
    let text = if meta.is_file() {
        fs::read_to_string(path)?
    } else if kind.is_fifo() {
        "a FIFO".to_owned()
    } else {
        String::new()
    };
    Ok(format!(
        "{} {} {:o} {}:{} {} {}.{} {text:?}",
        path.display(),
        meta.ino(),
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec()
    ))
}
