//! The request of a dump.

use super::messages::{ExternalMount, Options, PageServerAddress};
use super::settings::{Files, Settings, common};

/// Where memory pages are sent to in place of the images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageServer {
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
}

/// What a dump goes by.
#[derive(Debug)]
pub(crate) struct Dump<'a> {
    pub(crate) files: Files<'a>,
    pub(crate) settings: &'a Settings,
    /// The first of the processes.
    pub(crate) pid: i32,
    /// The root file system's directory.
    pub(crate) root: String,
    /// The cgroup that holds them still meanwhile.
    pub(crate) freezer: Option<String>,
    /// Mount points of what is mounted from outside.
    pub(crate) mounts: Vec<String>,
    /// Files that `/dev/null` is mounted on.
    pub(crate) masked: Vec<String>,
    /// Namespaces that are not the container's: their word for CRIU.
    pub(crate) namespaces: Vec<String>,
    /// Directory of older images of the same processes, from that of the images.
    pub(crate) parent: Option<String>,
    pub(crate) leave_running: bool,
    pub(crate) tcp_skip_in_flight: bool,
    pub(crate) link_remap: bool,
    pub(crate) page_server: Option<&'a PageServer>,
}

/// What masks files, on any host.
pub(super) const NULL: &str = "/dev/null";

impl Dump<'_> {
    pub(crate) fn options(&self) -> Options {
        let mounts = self.mounts.iter().map(|point| (point, point.as_str()));
        let masked = self.masked.iter().map(|point| (point, NULL));
        Options {
            pid: Some(self.pid),
            root: Some(self.root.clone()),
            freeze_cgroup: self.freezer.clone(),
            ext_mnt: mounts
                .chain(masked)
                .map(|(key, val)| ExternalMount {
                    key: key.clone(),
                    val: val.to_owned(),
                })
                .collect(),
            external: self.namespaces.clone(),
            // What has changed since then is all that is written.
            track_mem: self.parent.is_some().then_some(true),
            parent_img: self.parent.clone(),
            leave_running: Some(self.leave_running),
            tcp_skip_in_flight: Some(self.tcp_skip_in_flight),
            link_remap: Some(self.link_remap),
            page_server: self.page_server.map(|server| PageServerAddress {
                address: Some(server.address.clone()),
                port: Some(server.port.into()),
            }),
            ..common(&self.files, self.settings)
        }
    }
}

/// How CRIU is told of a namespace that it is to leave alone. The name stands in
/// the images, and is the same whichever runtime wrote them.
pub(crate) fn external_namespace(kind: &str, inode: u64) -> String {
    format!("{kind}[{inode}]:{}", external_name(kind))
}

/// The name of such a namespace in the images: `net` is `extRootNetNS`.
pub(crate) fn external_name(kind: &str) -> String {
    let mut letters = kind.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters).collect();
    format!("extRoot{name}NS")
}

#[cfg(test)]
mod tests {
    use super::{Dump, PageServer, external_name, external_namespace};
    use crate::criu::settings::{Files, Settings};

    #[test]
    fn namespaces_have_the_names_of_other_runtimes() {
        assert_eq!(external_namespace("net", 7), "net[7]:extRootNetNS");
        assert_eq!(external_name("pid"), "extRootPidNS");
    }

    #[test]
    fn what_is_outside_is_named() {
        let server = PageServer {
            address: "::1".to_owned(),
            port: 27,
        };
        let dump = Dump {
            files: Files {
                images: 3,
                work: None,
                log: "dump.log",
                config: None,
            },
            settings: &Settings::default(),
            pid: 9,
            root: "/b/rootfs".to_owned(),
            freezer: Some("/sys/fs/cgroup/c".to_owned()),
            mounts: vec!["/data".to_owned()],
            masked: vec!["/proc/kcore".to_owned()],
            namespaces: vec![external_namespace("pid", 5)],
            parent: Some("../p".to_owned()),
            leave_running: true,
            tcp_skip_in_flight: false,
            link_remap: true,
            page_server: Some(&server),
        };
        let options = dump.options();
        let mounts: Vec<(&str, &str)> = options
            .ext_mnt
            .iter()
            .map(|mount| (mount.key.as_str(), mount.val.as_str()))
            .collect();
        assert_eq!(mounts, [("/data", "/data"), ("/proc/kcore", "/dev/null")]);
        assert_eq!(options.external, ["pid[5]:extRootPidNS"]);
        assert_eq!(options.track_mem, Some(true));
        assert_eq!(options.parent_img.as_deref(), Some("../p"));
        assert_eq!(options.page_server.and_then(|it| it.port), Some(27));
        assert_eq!(options.freeze_cgroup.as_deref(), Some("/sys/fs/cgroup/c"));
        assert_eq!((options.pid, options.leave_running), (Some(9), Some(true)));
        let plain = Dump {
            parent: None,
            ..dump
        };
        assert_eq!(plain.options().track_mem, None);
    }
}
