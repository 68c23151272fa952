//! The request of a restore.

use std::path::Path;

use super::dump::NULL;
use super::messages::{CgroupRoot, ExternalMount, InheritFd, JoinNamespace, Options};
use super::settings::{Files, Settings, common};

/// What a restore goes by.
#[derive(Debug)]
pub(crate) struct Restore<'a> {
    pub(crate) files: Files<'a>,
    pub(crate) settings: &'a Settings,
    /// The root file system, as a mount point.
    pub(crate) root: String,
    /// Mount points of what is mounted from outside, and its source.
    pub(crate) mounts: Vec<(String, String)>,
    /// Whether files are masked.
    pub(crate) masks: bool,
    /// Descriptors of CRIU's in place of some in the images.
    pub(crate) inherited: Vec<InheritFd>,
    /// Namespaces to join: CRIU's name of the kind, and the file.
    pub(crate) joined: Vec<(String, String)>,
    /// Where the cgroups of the images go.
    pub(crate) cgroups: Vec<CgroupRoot>,
    pub(crate) tcp_close: bool,
    pub(crate) lsm_profile: Option<&'a str>,
    pub(crate) lsm_mount_context: Option<&'a str>,
}

impl Restore<'_> {
    pub(crate) fn options(&self) -> Options {
        let null = (NULL.to_owned(), NULL.to_owned());
        let mounts = self.mounts.iter().chain(self.masks.then_some(&null));
        Options {
            root: Some(self.root.clone()),
            // The first process becomes our child, not CRIU's.
            rst_sibling: Some(true),
            // Nodes whose names are gone are opened by their numbers.
            evasive_devices: Some(true),
            ext_mnt: mounts
                .map(|(key, val)| ExternalMount {
                    key: key.clone(),
                    val: val.clone(),
                })
                .collect(),
            inherit_fd: self.inherited.clone(),
            join_ns: self
                .joined
                .iter()
                .map(|(ns, ns_file)| JoinNamespace {
                    ns: ns.clone(),
                    ns_file: ns_file.clone(),
                })
                .collect(),
            cg_root: self.cgroups.clone(),
            tcp_close: self.tcp_close.then_some(true),
            lsm_profile: self.lsm_profile.map(str::to_owned),
            lsm_mount_context: self.lsm_mount_context.map(str::to_owned),
            ..common(&self.files, self.settings)
        }
    }
}

/// A descriptor in place of a namespace in the images.
pub(crate) fn inherit(key: String, fd: std::os::fd::RawFd) -> InheritFd {
    InheritFd { key, fd }
}

/// The cgroups that CRIU itself was put into are the roots of those in the images.
pub(crate) fn cgroup_roots(pid: i32) -> Vec<CgroupRoot> {
    let path = format!("/proc/{pid}/cgroup");
    roots(&std::fs::read_to_string(Path::new(&path)).unwrap_or_default())
}

/// A root for each controller; cgroup v2 has an empty name (cgroups(7),
/// `/proc/[pid]/cgroup`).
fn roots(memberships: &str) -> Vec<CgroupRoot> {
    let lines = memberships.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        rest.split_once(':')
    });
    lines
        .flat_map(|(controllers, path)| {
            controllers.split(',').map(|controller| CgroupRoot {
                ctrl: Some(controller.to_owned()),
                path: path.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Restore, inherit, roots};
    use crate::criu::settings::{Files, Settings};

    #[test]
    fn each_controller_has_a_root() {
        let found: Vec<(String, String)> = roots("4:cpu,cpuacct:/c\n1:name=systemd:/a:b\n0::/c\n")
            .into_iter()
            .map(|root| (root.ctrl.unwrap_or_default(), root.path))
            .collect();
        let wanted = [
            ("cpu", "/c"),
            ("cpuacct", "/c"),
            ("name=systemd", "/a:b"),
            ("", "/c"),
        ];
        assert_eq!(found, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn what_is_outside_is_given() {
        let restore = Restore {
            files: Files {
                images: 3,
                work: Some(4),
                log: "restore.log",
                config: None,
            },
            settings: &Settings::default(),
            root: "/r".to_owned(),
            mounts: vec![("/data".to_owned(), "/srv/data".to_owned())],
            masks: true,
            inherited: vec![inherit("extRootNetNS".to_owned(), 9)],
            joined: vec![("ipc".to_owned(), "/n/ipc".to_owned())],
            cgroups: Vec::new(),
            tcp_close: false,
            lsm_profile: Some("apparmor:p"),
            lsm_mount_context: None,
        };
        let options = restore.options();
        let mounts: Vec<(&str, &str)> = options
            .ext_mnt
            .iter()
            .map(|mount| (mount.key.as_str(), mount.val.as_str()))
            .collect();
        assert_eq!(mounts, [("/data", "/srv/data"), ("/dev/null", "/dev/null")]);
        assert_eq!(options.rst_sibling, Some(true));
        assert_eq!(options.evasive_devices, Some(true));
        assert_eq!(options.lsm_profile.as_deref(), Some("apparmor:p"));
        assert_eq!(options.tcp_close, None);
        assert_eq!(options.inherit_fd.len(), 1);
        assert_eq!(
            options
                .join_ns
                .first()
                .map(|it| (it.ns.as_str(), it.ns_file.as_str())),
            Some(("ipc", "/n/ipc"))
        );
    }
}
