//! The record of a container.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Identity;
use crate::cgroups::CgroupRecord;
use crate::error::{Error, ErrorKind};
use crate::intelrdt::ResctrlRecord;
use crate::plan::HookPlan;
use crate::rootfs::HostMount;

/// The version that is written. One that is not known is left alone.
const VERSION: u32 = 1;

/// What `create` leaves for the commands that come after it. The status is not
/// in it: that is the kernel's to say.
///
/// Fields that other programs read have the names that they look for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) version: u32,
    pub(crate) id: String,
    /// `ociVersion` of the configuration.
    pub(crate) oci_version: String,
    pub(crate) bundle: PathBuf,
    pub(crate) rootfs: PathBuf,
    /// RFC 3339 with nanoseconds, UTC.
    pub(crate) created: String,
    /// 0 before there is an init.
    #[serde(rename = "init_process_pid")]
    pub(crate) pid: i32,
    /// In clock ticks since boot.
    #[serde(rename = "init_process_start")]
    pub(crate) start: u64,
    /// Controller to directory; cgroup v2 is the empty name.
    pub(crate) cgroup_paths: BTreeMap<String, String>,
    pub(crate) cgroup: CgroupRecord,
    /// Its group in resctrl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resctrl: Option<ResctrlRecord>,
    /// What its mounts lie on where they are among the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host_mount: Option<HostMount>,
    /// `memory.checkBeforeUpdate`, which holds for updates that do not name it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) check_before_update: bool,
    /// Whether the init is the first process of a pid namespace, so that all
    /// others end with it.
    pub(crate) own_pid_namespace: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) poststart: Vec<HookPlan>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) poststop: Vec<HookPlan>,
}

/// What of a container has to go when it is deleted. Kept a second time, beside
/// what `exec` needs, for the day on which nobody can read the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remains {
    pub(crate) pid: i32,
    pub(crate) start: u64,
    pub(crate) cgroup: CgroupRecord,
    pub(crate) resctrl: Option<ResctrlRecord>,
    pub(crate) host_mount: Option<HostMount>,
    pub(crate) own_pid_namespace: bool,
}

impl Remains {
    /// The init, when there is one.
    pub(crate) fn identity(&self) -> Option<Identity> {
        identity(self.pid, self.start)
    }
}

pub(super) fn identity(pid: i32, start: u64) -> Option<Identity> {
    (pid > 0).then_some(Identity { pid, start })
}

impl Record {
    /// The version to write.
    pub(crate) const fn newest() -> u32 {
        VERSION
    }

    /// The init, when there is one.
    pub(crate) fn identity(&self) -> Option<Identity> {
        identity(self.pid, self.start)
    }

    /// The cgroup as it was made.
    pub(crate) fn set_cgroup(&mut self, cgroup: CgroupRecord) {
        let paths = cgroup.paths();
        self.cgroup_paths = paths.map(|(name, path)| (name.to_owned(), path)).collect();
        self.cgroup = cgroup;
    }

    /// As much as it takes to clean up.
    pub(crate) fn remains(&self) -> Remains {
        Remains {
            pid: self.pid,
            start: self.start,
            cgroup: self.cgroup.clone(),
            resctrl: self.resctrl.clone(),
            host_mount: self.host_mount.clone(),
            own_pid_namespace: self.own_pid_namespace,
        }
    }

    /// The record as it is kept.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                format!("cannot write the state of container {}: {error}", self.id),
            )
        })
    }
}

/// What has a version that says whether it can be read.
pub(crate) trait Versioned: DeserializeOwned {
    fn version(&self) -> u32;

    /// Reads a record of this version.
    fn from_bytes(id: &str, bytes: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let broken = |reason: String| {
            Error::new(
                ErrorKind::Internal,
                format!("cannot read the state of container {id}: {reason}"),
            )
            .with_advice("delete --force removes the container")
        };
        let record = serde_json::from_slice::<Self>(bytes);
        if let Ok(record) = record
            && record.version() == VERSION
        {
            return Ok(record);
        }
        // Only then is it worth a second look.
        let version: Version =
            serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
        if version.version != VERSION {
            return Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "cannot read the state of container {id}: its version is {}, known is {VERSION}",
                    version.version
                ),
            )
            .with_advice("another version of lodge made this container; use that one for it"));
        }
        serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))
    }
}

impl Versioned for Record {
    fn version(&self) -> u32 {
        self.version
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Record, Versioned as _};

    fn record() -> Record {
        Record {
            version: Record::newest(),
            id: "c1".to_owned(),
            oci_version: "1.3.0".to_owned(),
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: "2026-01-01T00:00:00.000000000Z".to_owned(),
            pid: 7,
            start: 99,
            cgroup_paths: [(String::new(), "/sys/fs/cgroup/c1".to_owned())].into(),
            cgroup: crate::cgroups::CgroupRecord::default(),
            resctrl: None,
            host_mount: None,
            check_before_update: false,
            own_pid_namespace: true,
            annotations: [].into(),
            poststart: vec![],
            poststop: vec![],
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let record = record();
        let bytes = record.to_bytes().unwrap();
        assert_eq!(Record::from_bytes("c1", &bytes).unwrap(), record);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#""init_process_pid":7,"init_process_start":99"#));
    }

    #[test]
    fn what_came_later_is_not_missed_in_an_older_record() {
        let mut record = record();
        let older = record.to_bytes().unwrap();
        assert!(
            !String::from_utf8(older.clone())
                .unwrap()
                .contains("check_before")
        );
        assert!(
            !Record::from_bytes("c1", &older)
                .unwrap()
                .check_before_update
        );
        record.check_before_update = true;
        let newer = Record::from_bytes("c1", &record.to_bytes().unwrap()).unwrap();
        assert!(newer.check_before_update);
    }

    #[test]
    fn what_is_broken_or_newer_is_said() {
        let words = |bytes: &[u8]| Record::from_bytes("c1", bytes).unwrap_err().to_string();
        assert!(words(b"").starts_with("cannot read the state of container c1: "));
        assert!(words(b"{\"version\":1}").contains("missing field"));
        assert!(words(b"{\"version\":2}").contains("version is 2, known is 1"));
    }
}
