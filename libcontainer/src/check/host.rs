//! What the host has mounted and switched on.

use std::path::Path;

use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};

use super::{Ability, Need, Question};
use crate::cgroups::{DeviceEnforcement, Hierarchy, Layout};
use crate::security::lsm;

/// In the order of the table.
const QUESTIONS: [Question; 7] = [
    Question {
        name: "procfs",
        need: Need::Required,
        otherwise: "nothing is known of any process",
        ask: procfs,
    },
    Question {
        name: "cgroups",
        need: Need::Required,
        otherwise: "containers have no limits, and run only with --cgroup-manager disabled",
        ask: layout,
    },
    Question {
        name: "device rules",
        need: Need::Protection,
        otherwise: "a container with CAP_MKNOD reaches every device of the host",
        ask: devices,
    },
    Question {
        name: "cgroup.kill",
        need: Need::Protection,
        otherwise: "processes are killed one by one, again and again until none is new",
        ask: kill,
    },
    Question {
        name: "systemd",
        need: Need::Optional,
        otherwise: "--systemd-cgroup is refused",
        ask: systemd,
    },
    Question {
        name: "AppArmor",
        need: Need::Optional,
        otherwise: "a configuration that names a profile is refused",
        ask: || switched_on(lsm::apparmor_enabled()),
    },
    Question {
        name: "SELinux",
        need: Need::Optional,
        otherwise: "a configuration that names a label is refused",
        ask: || switched_on(lsm::selinux_enabled()),
    },
];

pub(super) fn probe() -> Vec<Ability> {
    QUESTIONS.iter().map(Question::answer).collect()
}

fn procfs() -> Result<String, String> {
    let found = statfs("/proc").map_err(crate::error::reason)?;
    if found.filesystem_type() == PROC_SUPER_MAGIC {
        Ok("at /proc".to_owned())
    } else {
        Err("another file system is at /proc".to_owned())
    }
}

fn hierarchies() -> Result<Layout, String> {
    let layout = Layout::probe(None).map_err(|failed| failed.to_string())?;
    if layout.hierarchies.is_empty() {
        return Err("none is mounted".to_owned());
    }
    Ok(layout)
}

fn layout() -> Result<String, String> {
    let layout = hierarchies()?;
    let v2 = layout.hierarchies.iter().any(Hierarchy::is_v2);
    let kind = match (layout.is_unified(), v2) {
        (true, _) => "version 2",
        (false, true) => "version 1, and 2 beside it",
        (false, false) => "version 1",
    };
    Ok(kind.to_owned())
}

fn devices() -> Result<String, String> {
    match hierarchies()?.device_enforcement() {
        DeviceEnforcement::Files => Ok("by the devices controller".to_owned()),
        DeviceEnforcement::Program => Ok("by programs".to_owned()),
        DeviceEnforcement::Nothing => Err("no controller".to_owned()),
    }
}

/// The file is in every cgroup of version 2 but the root (Linux 5.14).
fn kill() -> Result<String, String> {
    let layout = hierarchies()?;
    let tree = layout.hierarchies.iter().find(|tree| tree.is_v2());
    let tree = tree.ok_or("there is no cgroup v2")?;
    let own = tree.own.as_deref().unwrap_or_default();
    let own = Path::new(&tree.mount).join(own.trim_start_matches('/'));
    let inner = std::fs::read_dir(&own).into_iter().flatten().flatten();
    let mut folders = inner.map(|entry| entry.path()).chain([own.clone()]);
    if folders.any(|folder| folder.join("cgroup.kill").exists()) {
        Ok("there".to_owned())
    } else {
        Err("no cgroup that could be looked at has it".to_owned())
    }
}

fn systemd() -> Result<String, String> {
    // As sd_booted(3) asks.
    if Path::new("/run/systemd/system").is_dir() {
        Ok("runs".to_owned())
    } else {
        Err("it does not run here".to_owned())
    }
}

fn switched_on(on: bool) -> Result<String, String> {
    if on {
        Ok("switched on".to_owned())
    } else {
        Err("not in this kernel, or off".to_owned())
    }
}
