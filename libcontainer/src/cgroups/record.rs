//! What is kept of a container's cgroup, and the handle on it.

use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize, Serializer};

use super::systemd::Manager;
use crate::error::StepError;
use crate::sys::small_file;

/// The container's cgroups, as the state record keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupRecord {
    /// One for each hierarchy; none when the container has no cgroup.
    pub hierarchies: Vec<RecordedHierarchy>,
    /// The unit, when systemd has made them.
    #[serde(default)]
    pub unit: Option<RecordedUnit>,
}

/// A transient unit of systemd's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedUnit {
    /// Which systemd has it.
    pub manager: Manager,
    /// As `docker-c1.scope`.
    pub name: String,
    /// Which run of the unit it is, in hexadecimal: the name may be another's
    /// before and after. None until the unit was started, empty where systemd
    /// does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
}

impl RecordedUnit {
    /// Whether it is a slice, into which systemd moves no process.
    #[must_use]
    pub fn is_slice(&self) -> bool {
        super::systemd::is_slice(&self.name)
    }
}

/// The container's cgroup in one hierarchy.
///
/// Written without the names of its fields: there are ten of these in the record of a
/// container on cgroup v1, and every command reads past them. Read with or without.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordedHierarchy {
    /// The v1 controllers; none for v2.
    pub controllers: Vec<String>,
    /// The mount point.
    pub mount: String,
    /// The cgroup, from the mount point, `/a/b`.
    pub path: String,
    /// Ancestors that were not there before, outermost first, as paths from the
    /// mount point.
    pub made_parents: Vec<String>,
    /// Whether the cgroup itself was not there before.
    pub made: bool,
}

impl Serialize for RecordedHierarchy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            controllers,
            mount,
            path,
            made_parents,
            made,
        } = self;
        (controllers, mount, path, made_parents, made).serialize(serializer)
    }
}

impl RecordedHierarchy {
    /// Whether this is cgroup v2.
    #[must_use]
    pub fn is_v2(&self) -> bool {
        self.controllers.is_empty()
    }

    /// Whether this v1 hierarchy has the controller.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    /// The cgroup's path in the file system.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{}{}", self.mount, self.path)
    }

    /// The path of one of its files.
    pub(super) fn file(&self, name: &str) -> String {
        format!("{}{}/{name}", self.mount, self.path)
    }
}

impl CgroupRecord {
    /// A handle on the cgroups; opens nothing yet.
    ///
    /// Fails for a record that nobody of us wrote: a path that leaves its mount.
    pub fn open(&self) -> Result<Cgroup, StepError> {
        for tree in &self.hierarchies {
            let plain = |path: &str| {
                path.len() > 1
                    && path.starts_with('/')
                    && path.split('/').all(|part| part != ".." && part != ".")
            };
            if !plain(&tree.mount) || !plain(&tree.path) {
                let reason = "not a path below a mount point";
                return Err(StepError::refused("open cgroup", tree.folder(), reason));
            }
        }
        Ok(Cgroup::from_record(self.clone()))
    }

    /// The folder of the cgroup that freezes: v1's freezer where it is mounted, else
    /// v2's where that will do.
    #[must_use]
    pub fn freezer_folder(&self, v2_will_do: bool) -> Option<String> {
        let trees = || self.hierarchies.iter();
        trees()
            .find(|tree| tree.has("freezer"))
            .or_else(|| trees().find(|tree| v2_will_do && tree.is_v2()))
            .map(RecordedHierarchy::folder)
    }

    /// Controller and absolute path, as state files of other runtimes have them;
    /// v2 is the empty name.
    pub fn paths(&self) -> impl Iterator<Item = (&str, String)> {
        self.hierarchies.iter().flat_map(|tree| {
            let names: Vec<&str> = if tree.is_v2() {
                vec![""]
            } else {
                tree.controllers.iter().map(String::as_str).collect()
            };
            names.into_iter().map(|name| (name, tree.folder()))
        })
    }
}

/// One hierarchy as the container sees it below `/sys/fs/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerMount {
    /// The folder: the last component of the host's mount point.
    pub name: String,
    /// The container's own cgroup on the host.
    pub source: String,
    /// Links to the folder, as `cpu` to `cpu,cpuacct`.
    pub links: Vec<String>,
    /// Whether this is the v2 hierarchy of a hybrid host.
    pub v2: bool,
}

/// The container's cgroups.
#[derive(Debug)]
pub struct Cgroup {
    pub(super) record: CgroupRecord,
    /// Whether we have only just made it: then nobody else has changed it.
    pub(super) fresh: bool,
    /// The v2 cgroup's folder, opened when it is first wanted.
    pub(super) unified: OnceCell<OwnedFd>,
}

impl Cgroup {
    pub(super) fn from_record(record: CgroupRecord) -> Self {
        Self {
            record,
            fresh: false,
            unified: OnceCell::new(),
        }
    }

    /// What to keep of it.
    #[must_use]
    pub fn record(&self) -> &CgroupRecord {
        &self.record
    }

    /// Whether the container has no cgroup of its own.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.record.hierarchies.is_empty()
    }

    /// Whether it is the container's own for sure: systemd's unit was seen to be.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        let unit = self.record.unit.as_ref();
        unit.is_none_or(|unit| unit.invocation.is_some())
    }

    /// Whether it belongs to another's unit, of the name that is the container's:
    /// one that was there when `create` was killed, or came after its own.
    #[must_use]
    pub fn is_anothers(&self) -> bool {
        self.record
            .unit
            .as_ref()
            .is_some_and(super::systemd::is_anothers)
    }

    /// Whether cgroup v2 is all there is.
    #[must_use]
    pub fn is_unified(&self) -> bool {
        !self.is_disabled() && self.record.hierarchies.iter().all(RecordedHierarchy::is_v2)
    }

    /// The hierarchy in which systemd keeps the unit: v2 alone, or v1's of its
    /// name.
    pub(super) fn kept_by_systemd(&self) -> Option<&RecordedHierarchy> {
        self.v1("name=systemd").or_else(|| self.v2())
    }

    pub(super) fn v2(&self) -> Option<&RecordedHierarchy> {
        self.record.hierarchies.iter().find(|tree| tree.is_v2())
    }

    pub(super) fn v1(&self, controller: &str) -> Option<&RecordedHierarchy> {
        self.record
            .hierarchies
            .iter()
            .find(|tree| tree.has(controller))
    }

    /// The v2 cgroup for `CLONE_INTO_CGROUP`, also on a hybrid host; none on v1
    /// alone.
    pub fn unified_fd(&self) -> Result<Option<BorrowedFd<'_>>, StepError> {
        let Some(tree) = self.v2() else {
            return Ok(None);
        };
        if let Some(fd) = self.unified.get() {
            return Ok(Some(fd.as_fd()));
        }
        let folder = tree.folder();
        let fd = small_file::open_folder(&folder)
            .map_err(|errno| StepError::new("open cgroup", folder, errno))?;
        Ok(Some(self.unified.get_or_init(|| fd).as_fd()))
    }

    /// What a mount of type `cgroup` shows in the container on v1, in the order
    /// of the hierarchies.
    #[must_use]
    pub fn controller_mounts(&self) -> Vec<ControllerMount> {
        self.record
            .hierarchies
            .iter()
            .filter_map(|tree| {
                let name = tree.mount.rsplit('/').next()?.to_owned();
                let links = tree
                    .controllers
                    .iter()
                    .filter(|controller| {
                        tree.controllers.len() > 1
                            && **controller != name
                            && !controller.contains('=')
                    })
                    .cloned()
                    .collect();
                Some(ControllerMount {
                    name,
                    source: tree.folder(),
                    links,
                    v2: tree.is_v2(),
                })
            })
            .collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::RecordedHierarchy;

    #[test]
    fn a_hierarchy_is_read_with_the_names_of_its_fields_and_without() {
        let freezer = RecordedHierarchy {
            controllers: vec!["freezer".to_owned()],
            mount: "/sys/fs/cgroup/freezer".to_owned(),
            path: "/a/c1".to_owned(),
            made_parents: vec!["/a".to_owned()],
            made: true,
        };
        let brief = r#"[["freezer"],"/sys/fs/cgroup/freezer","/a/c1",["/a"],true]"#;
        assert_eq!(serde_json::to_string(&freezer).unwrap(), brief);
        let named = r#"{"controllers":["freezer"],"mount":"/sys/fs/cgroup/freezer",
            "path":"/a/c1","made_parents":["/a"],"made":true}"#;
        for text in [brief, named] {
            let read: RecordedHierarchy = serde_json::from_str(text).unwrap();
            assert_eq!(read, freezer);
        }
        // As `exec.plan` has it.
        let bytes = postcard::to_allocvec(&freezer).unwrap();
        assert_eq!(postcard::from_bytes(&bytes), Ok(freezer));
    }
}
