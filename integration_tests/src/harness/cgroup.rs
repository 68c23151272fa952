//! The cgroup hierarchies of this host.

use std::fs;
use std::path::{Path, PathBuf};

use super::fault::Outcome;

/// Where each hierarchy is mounted.
#[derive(Debug)]
pub(crate) struct Hierarchies {
    /// cgroup v1: the controllers (or `name=...`) and the mount point.
    pub(crate) v1: Vec<(Vec<String>, PathBuf)>,
    /// cgroup v2's mount point.
    pub(crate) v2: Option<PathBuf>,
}

impl Hierarchies {
    /// Reads them.
    pub(crate) fn read() -> Outcome<Self> {
        let mut found = Self {
            v1: Vec::new(),
            v2: None,
        };
        for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
            let Some(mount) = super::MountLine::parse(line) else {
                continue;
            };
            let point = PathBuf::from(&mount.point);
            if !point.starts_with("/sys/fs/cgroup") {
                continue;
            }
            match mount.kind.as_str() {
                "cgroup" => {
                    let options = mount.super_options.split(',');
                    let known =
                        |o: &&str| !["rw", "ro", "xattr", "noprefix", "clone_children"].contains(o);
                    found
                        .v1
                        .push((options.filter(known).map(str::to_owned).collect(), point));
                }
                "cgroup2" => found.v2 = Some(point),
                _ => {}
            }
        }
        Ok(found)
    }

    /// The v1 hierarchy of a controller.
    pub(crate) fn controller(&self, name: &str) -> Option<&Path> {
        self.v1
            .iter()
            .find(|(names, _)| names.iter().any(|n| n == name))
            .map(|(_, point)| point.as_path())
    }

    /// Every mount point.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Path> {
        self.v1
            .iter()
            .map(|(_, point)| point.as_path())
            .chain(self.v2.as_deref())
    }

    /// Whether controllers are in v2 alone.
    pub(crate) fn unified(&self) -> bool {
        self.v1.is_empty() && self.v2.is_some()
    }

    /// Directories below any hierarchy whose name contains `tag`.
    pub(crate) fn named(&self, tag: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for point in self.all() {
            search(point, tag, 5, &mut found);
        }
        found
    }
}

fn search(dir: &Path, tag: &str, depth: u8, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().contains(tag) {
            found.push(entry.path());
        } else if depth > 0 {
            search(&entry.path(), tag, depth - 1, found);
        }
    }
}
