//! One mount, with every question answered.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::attach::Parameter;

/// Attributes of a mount to set and to clear, as mount_setattr(2) takes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub clear: u64,
}

impl Attributes {
    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set == 0 && self.clear == 0
    }
}

/// A change of propagation, one call each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propagation {
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE` or `MS_UNBINDABLE`.
    pub flag: u64,
    /// For the mounts below it too.
    pub recursive: bool,
}

/// Where a tmpfs takes the mode of its root from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TmpfsMode {
    /// It has a `mode=` of its own, or is no tmpfs.
    Given,
    /// From the directory it covers, when that was there before.
    OfDirectory,
}

/// How the owners of a mount's files differ from those on the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMapping {
    /// Whose maps.
    pub namespace: MapNamespace,
    /// For the mounts below it too.
    pub recursive: bool,
}

/// The user namespace whose maps a mount takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MapNamespace {
    /// The container's.
    Container,
    /// One made for the maps of this number in the plan's list.
    Made(usize),
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// A file system.
    Filesystem {
        /// Its type.
        fs_type: String,
        /// Its source.
        source: String,
        /// What it is given.
        parameters: Vec<Parameter>,
        /// The `SELinux` label that its root gets once it is there.
        root_label: Option<String>,
        /// The mode of its root.
        mode: TmpfsMode,
        /// Copy what the directory holds into the new tmpfs.
        copy_up: bool,
        /// Only onto a real directory that was reached by no link: proc and
        /// sysfs, where a link would send masks and labels elsewhere.
        plain_directory: bool,
    },
    /// A file or directory of the host.
    Bind {
        /// The file or directory, absolute.
        source: PathBuf,
        /// With the mounts below it.
        recursive: bool,
        /// Other owners than on the file system.
        id_map: Option<IdMapping>,
    },
    /// The container's own view of the cgroup hierarchies.
    Cgroup(CgroupMount),
    /// Other attributes for the mount that is there already.
    Remount,
}

/// How the cgroup hierarchies are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CgroupMount {
    /// One cgroup2 file system; the cgroup namespace hides what is above.
    Unified {
        /// Its options, as `memory_recursiveprot`.
        parameters: Vec<Parameter>,
    },
    /// The whole hierarchy as the runtime sees it, bound.
    UnifiedBind {
        /// Its mount point.
        source: PathBuf,
    },
    /// A tmpfs with one directory a hierarchy.
    Legacy {
        /// The directories.
        hierarchies: Vec<LegacyHierarchy>,
        /// In a cgroup namespace of its own, each is mounted anew.
        fresh: bool,
    },
}

/// One directory below `/sys/fs/cgroup` on cgroup v1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyHierarchy {
    /// The directory's name.
    pub name: String,
    /// The mount options of the hierarchy (`cpu,cpuacct`, `none,name=systemd`);
    /// none for the cgroup2 tree of a hybrid host.
    pub options: Option<String>,
    /// The container's own cgroup on the host.
    pub source: PathBuf,
    /// The cgroup in its place where none could be made and none is needed.
    pub otherwise: Option<PathBuf>,
    /// Other names that lead to it.
    pub links: Vec<String>,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountOp {
    /// Where, from the container's root.
    pub destination: PathBuf,
    /// The field, for messages.
    pub field: String,
    /// What.
    pub kind: MountKind,
    /// Its attributes.
    pub attributes: Attributes,
    /// The attributes of it and of all below it.
    pub recursive: Attributes,
    /// Its propagation, in the order asked for.
    pub propagation: Vec<Propagation>,
    /// Read-only only after everything else was made in it.
    pub read_only_last: bool,
}
