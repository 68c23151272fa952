//! Any configuration: read, and made a plan of.

use std::path::Path;

use super::{Host, Input, StartGate, build};
use crate::cgroups::{Hierarchy, Layout, Manager, Systemd};
use crate::spec::{read_process, read_resources, read_spec};

fn hierarchy(controllers: &[&str], mount: &str) -> Hierarchy {
    Hierarchy {
        controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
        mount: mount.to_owned(),
        own: Some("/".to_owned()),
    }
}

fn hosts() -> [Host; 3] {
    let v1 = [
        "memory", "cpu", "cpuset", "pids", "devices", "blkio", "freezer", "hugetlb",
    ];
    let v1 = v1.map(|name| hierarchy(&[name], &format!("/sys/fs/cgroup/{name}")));
    let v2 = || vec![hierarchy(&[], "/sys/fs/cgroup")];
    let host = |hierarchies, systemd, ordinary| Host {
        resctrl: None,
        cgroups: Some(Layout { hierarchies }),
        seen_cgroups: None,
        systemd,
        rootless: ordinary,
        ordinary_user: ordinary,
        network_is_the_hosts: ordinary,
    };
    let systemd = Systemd {
        manager: Manager::System,
        version: 257,
        control_group: String::new(),
    };
    [
        host(v1.to_vec(), None, false),
        host(v2(), None, true),
        host(v2(), Some(systemd), false),
    ]
}

/// A configuration is refused or has a plan, on every kind of host, and a plan can
/// be shown. An error says something, on one line.
pub(crate) fn config(data: &[u8]) {
    let document = match read_spec("config.json", data) {
        Ok(document) => document,
        Err(error) => return said(&error.to_string()),
    };
    let input = Input {
        id: "fuzz",
        bundle: Path::new("/bundle"),
        no_pivot: false,
        no_new_keyring: false,
        listen_fds: 0,
        preserve_fds: 0,
        environment: Vec::new(),
        gate: StartGate::Fifo,
    };
    for host in hosts() {
        match build(&document.content, &input, &host) {
            Ok((plan, _)) => assert!(serde_json::to_string(&plan).is_ok(), "no text of a plan"),
            Err(findings) => said(&findings.to_string()),
        }
    }
}

fn said(error: &str) {
    assert!(!error.trim().is_empty(), "an error without words");
}

/// The two other documents that a command takes.
pub(crate) fn documents(data: &[u8]) {
    let process = read_process("process", data).err();
    let resources = read_resources("resources", data).err();
    for error in [process, resources].into_iter().flatten() {
        said(&error.to_string());
    }
}
