//! Device nodes: those that every container has, and the configuration's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::types::{DeviceKind, DeviceNode};
use crate::error::Findings;
use crate::spec::oci::{LinuxDevice, LinuxDeviceType};

/// What every container has (config-linux.md, "Default Devices"); `ptmx` and
/// `console` are made otherwise.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
];

/// The mode of a node that says none, and of the default ones.
const MODE: u32 = 0o666;

/// Judges the devices; one of a default's path takes its place.
pub(super) fn plan(devices: &[LinuxDevice], findings: &mut Findings) -> Vec<DeviceNode> {
    let mut nodes: Vec<DeviceNode> = DEFAULT
        .into_iter()
        .map(|(path, major, minor)| DeviceNode {
            path: PathBuf::from(path),
            kind: DeviceKind::Char { major, minor },
            mode: MODE,
            uid: 0,
            gid: 0,
        })
        .collect();
    let mut places: HashMap<PathBuf, usize> = nodes
        .iter()
        .enumerate()
        .map(|(place, node)| (node.path.clone(), place))
        .collect();
    for (index, device) in devices.iter().enumerate() {
        let field = format!("linux.devices[{index}]");
        let Some(node) = one(device, &field, findings) else {
            continue;
        };
        let place = *places.entry(node.path.clone()).or_insert(nodes.len());
        match nodes.get_mut(place) {
            Some(known) => *known = node,
            None => nodes.push(node),
        }
    }
    // A link to the container's own, whatever was listed.
    nodes.retain(|node| node.path != Path::new("/dev/ptmx"));
    nodes
}

fn one(device: &LinuxDevice, field: &str, findings: &mut Findings) -> Option<DeviceNode> {
    let path: PathBuf = device.path().components().collect();
    if !path.is_absolute() || path.file_name().is_none() {
        findings.error(
            format!("{field}.path"),
            format!(
                "{:?} is not an absolute path of a file",
                path.to_string_lossy()
            ),
        );
        return None;
    }
    let number = |name: &str, value: i64, findings: &mut Findings| {
        u32::try_from(value).ok().or_else(|| {
            findings.error(
                format!("{field}.{name}"),
                format!("{value} is no device number"),
            );
            None
        })
    };
    let kind = match device.typ() {
        LinuxDeviceType::P => DeviceKind::Fifo,
        LinuxDeviceType::B => DeviceKind::Block {
            major: number("major", device.major(), findings)?,
            minor: number("minor", device.minor(), findings)?,
        },
        LinuxDeviceType::C | LinuxDeviceType::U => DeviceKind::Char {
            major: number("major", device.major(), findings)?,
            minor: number("minor", device.minor(), findings)?,
        },
        LinuxDeviceType::A => {
            findings.error(format!("{field}.type"), "\"a\" is no type of a node");
            return None;
        }
    };
    Some(DeviceNode {
        path,
        kind,
        mode: device.file_mode().map_or(MODE, |mode| mode & 0o7777),
        uid: device.uid().unwrap_or_default(),
        gid: device.gid().unwrap_or_default(),
    })
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up fails the test"
)]
mod tests {
    use super::plan;
    use crate::error::Findings;
    use crate::plan::DeviceKind;
    use std::path::Path;

    #[test]
    fn a_listed_default_takes_its_place_once() {
        let devices: Vec<_> = serde_json::from_str(
            r#"[{"path":"/dev/null","type":"c","major":1,"minor":3,"fileMode":384,"uid":7},
                {"path":"/dev//sub/p","type":"p"},
                {"path":"/dev/ptmx","type":"c","major":5,"minor":2}]"#,
        )
        .unwrap();
        let mut findings = Findings::new();
        let nodes = plan(&devices, &mut findings);
        assert!(!findings.has_errors());
        assert_eq!(nodes.len(), 7);
        assert_eq!((nodes[0].mode, nodes[0].uid), (0o600, 7));
        assert_eq!(nodes[6].path, Path::new("/dev/sub/p"));
        assert_eq!(nodes[6].kind, DeviceKind::Fifo);
    }

    #[test]
    fn faults_name_their_field() {
        let devices: Vec<_> = serde_json::from_str(
            r#"[{"path":"dev/x","type":"c","major":1,"minor":1},
                {"path":"/dev/y","type":"c","major":-1,"minor":1}]"#,
        )
        .unwrap();
        let mut findings = Findings::new();
        plan(&devices, &mut findings);
        assert_eq!(
            findings.to_string(),
            "linux.devices[0].path: \"dev/x\" is not an absolute path of a file; \
             linux.devices[1].major: -1 is no device number"
        );
    }
}
