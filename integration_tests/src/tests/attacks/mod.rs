//! Known ways out of a container, tried. A decoy tree lies beside the root file
//! system; it must be the same afterwards, whatever the runtime answered.

mod devices;
mod files;
mod links;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::harness::{Case, Outcome, same};

pub(super) fn tests() -> Vec<super::Test> {
    [links::tests(), devices::tests(), files::tests()].concat()
}

/// A tree of the host that nothing may touch.
struct Decoy {
    dir: PathBuf,
    before: Vec<String>,
}

impl Decoy {
    fn make(case: &Case) -> Outcome<Self> {
        let dir = case.bundle.beside("outside")?;
        for name in ["file", "ptmx", "null", "console"] {
            fs::write(dir.join(name), format!("{name} of the host\n"))?;
        }
        fs::create_dir(dir.join("dir"))?;
        fs::write(dir.join("dir/inner"), "inner\n")?;
        fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o640))?;
        let before = describe(&dir)?;
        Ok(Self { dir, before })
    }

    fn path(&self) -> String {
        self.dir.to_string_lossy().into_owned()
    }

    /// Names, inodes, owners, modes, sizes, times and contents are as before.
    #[track_caller]
    fn check(&self) -> Outcome {
        same("the decoy tree", describe(&self.dir)?, self.before.clone())
    }
}

fn describe(dir: &Path) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let meta = fs::symlink_metadata(&path)?;
        let text = if meta.is_file() {
            fs::read_to_string(&path)?
        } else {
            String::new()
        };
        found.push(format!(
            "{} {} {:o} {}:{} {} {}.{} {text:?}",
            path.display(),
            meta.ino(),
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.size(),
            meta.mtime(),
            meta.mtime_nsec()
        ));
        if meta.is_dir() {
            found.extend(describe(&path)?);
        }
    }
    found.sort();
    Ok(found)
}
