//! A record at a glance: what `state` and `list` print of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::Identity;
use super::record::{Versioned, identity};

/// As much of a [`Record`](super::Record) as says what a container is. To list many,
/// keeping the rest of each would cost more than to ask the kernel of them.
#[derive(Debug, Deserialize)]
pub(crate) struct Glance {
    version: u32,
    pub(crate) id: String,
    pub(crate) oci_version: String,
    pub(crate) bundle: PathBuf,
    pub(crate) rootfs: PathBuf,
    pub(crate) created: String,
    #[serde(rename = "init_process_pid")]
    pub(crate) pid: i32,
    #[serde(rename = "init_process_start")]
    start: u64,
    cgroup_paths: Freezers,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The folders in which a freezer may be.
#[derive(Debug, Default, Deserialize)]
struct Freezers {
    #[serde(default)]
    freezer: Option<String>,
    #[serde(default, rename = "")]
    unified: Option<String>,
}

impl Versioned for Glance {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Glance {
    /// The init, when there is one.
    pub(crate) fn identity(&self) -> Option<Identity> {
        identity(self.pid, self.start)
    }

    /// The folders of the cgroup in v1's freezer and in v2.
    pub(crate) fn freezers(&self) -> (Option<&str>, Option<&str>) {
        let Freezers { freezer, unified } = &self.cgroup_paths;
        (freezer.as_deref(), unified.as_deref())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Glance, Versioned as _};

    fn text(paths: &str) -> String {
        format!(
            r#"{{"version":1,"id":"c","oci_version":"1.3.0","bundle":"/b","rootfs":"/r","created":"t",
            "init_process_pid":7,"init_process_start":9,"cgroup_paths":{{{paths}}},"cgroup":null}}"#
        )
    }

    #[test]
    fn the_freezer_is_found_in_both_layouts() {
        for (paths, wanted) in [
            ("", (None, None)),
            (
                r#""cpu":"/c","freezer":"/f","":"/u""#,
                (Some("/f"), Some("/u")),
            ),
            (r#""":"/u""#, (None, Some("/u"))),
        ] {
            let glance = Glance::from_bytes("c", text(paths).as_bytes()).unwrap();
            assert_eq!(glance.freezers(), wanted);
            assert_eq!(glance.pid, 7);
        }
    }

    #[test]
    fn another_version_is_told() {
        let newer = text("").replace("\"version\":1", "\"version\":2");
        let error = Glance::from_bytes("c", newer.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("its version is 2"), "{error}");
    }
}
