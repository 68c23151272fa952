//! Which devices are moved, and how they are called then.

use serde::{Deserialize, Serialize};

use crate::error::Findings;
use crate::spec::oci::Linux;

const FIELD: &str = "linux.netDevices";

/// A device of the host for the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetDevice {
    /// Its name on the host.
    pub host: String,
    /// Its name in the container; with `%d` in it the kernel finds a free number.
    pub name: String,
}

/// What the list is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Whether the container has a network namespace of its own, or joins one.
    pub network_namespace: bool,
    /// Whether that is the runtime's.
    pub is_the_hosts: bool,
    /// Whether we have no power over the host.
    pub rootless: bool,
}

/// Judges the list, which is sorted by the names on the host.
pub fn plan(linux: &Linux, facts: Facts, findings: &mut Findings) -> Vec<NetDevice> {
    let devices = linux.net_devices().as_ref();
    let Some(devices) = devices.filter(|devices| !devices.is_empty()) else {
        return Vec::new();
    };
    if !facts.network_namespace {
        findings.error(
            FIELD,
            "unable to move network devices without a private NET namespace",
        );
    } else if facts.is_the_hosts {
        findings.error(
            FIELD,
            "the network namespace to move them to is the runtime's own",
        );
    }
    if facts.rootless {
        findings.error(
            FIELD,
            "network devices are not supported for rootless containers",
        );
    }
    let mut planned: Vec<NetDevice> = devices
        .iter()
        .map(|(host, device)| {
            let name = device.name().clone().filter(|name| !name.is_empty());
            NetDevice {
                host: host.clone(),
                name: name.unwrap_or_else(|| host.clone()),
            }
        })
        .collect();
    planned.sort_by(|a, b| a.host.cmp(&b.host));
    for (index, device) in planned.iter().enumerate() {
        let field = format!("{FIELD}.{}", device.host);
        check(device, &field, findings);
        let earlier = planned.get(..index).unwrap_or_default();
        let same = earlier.iter().find(|other| other.name == device.name);
        if let Some(other) = same.filter(|_| !is_pattern(&device.name)) {
            findings.error(
                format!("{field}.name"),
                format!("{:?} is what {} is called, too", device.name, other.host),
            );
        }
    }
    planned
}

fn check(device: &NetDevice, field: &str, findings: &mut Findings) {
    if !is_name(&device.host) {
        findings.error(
            field,
            format!("invalid network device name {:?}", device.host),
        );
    } else if device.host == "lo" {
        findings.error(
            field,
            "the loopback device belongs to its network namespace",
        );
    }
    if device.name == device.host {
        return;
    }
    let field = format!("{field}.name");
    if !is_name(&device.name) || (device.name.contains('%') && !is_pattern(&device.name)) {
        findings.error(
            field,
            format!("invalid network device name {:?}", device.name),
        );
    } else if device.name == "lo" {
        findings.error(field, "is the name of the loopback device");
    }
}

/// As the kernel has it (`dev_valid_name`).
fn is_name(name: &str) -> bool {
    const LONGEST: usize = 15;
    let forbidden =
        |byte: u8| matches!(byte, b'/' | b':' | 0 | b'\x0b') || byte.is_ascii_whitespace();
    !name.is_empty()
        && name.len() <= LONGEST
        && !matches!(name, "." | "..")
        && !name.bytes().any(forbidden)
}

/// A name whose number the kernel finds.
pub(super) fn is_pattern(name: &str) -> bool {
    name.matches('%').count() == 1 && name.contains("%d")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Facts, NetDevice, plan};
    use crate::error::Findings;

    const GOOD: Facts = Facts {
        network_namespace: true,
        is_the_hosts: false,
        rootless: false,
    };

    fn planned(json: &str, facts: Facts) -> Result<Vec<NetDevice>, String> {
        let linux = format!(r#"{{"netDevices":{json}}}"#);
        let linux = serde_json::from_str(&linux).unwrap();
        let mut findings = Findings::new();
        let planned = plan(&linux, facts, &mut findings);
        if findings.has_errors() {
            return Err(findings.to_string());
        }
        Ok(planned)
    }

    fn device(host: &str, name: &str) -> NetDevice {
        NetDevice {
            host: host.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_device_keeps_its_name_or_gets_another() {
        let json = r#"{"eth2":{"name":"net%d"},"eth1":{"name":"net%d"},"eth0":{},"eth3":{"name":"eth4"},"eth5":{"name":""}}"#;
        assert_eq!(
            planned(json, GOOD).unwrap(),
            [
                device("eth0", "eth0"),
                device("eth1", "net%d"),
                device("eth2", "net%d"),
                device("eth3", "eth4"),
                device("eth5", "eth5"),
            ]
        );
        assert_eq!(
            planned(
                "{}",
                Facts {
                    rootless: true,
                    ..GOOD
                }
            ),
            Ok(Vec::new())
        );
    }

    #[test]
    fn names_that_the_kernel_refuses_are_said() {
        for (json, field) in [
            (r#"{"a/b":{}}"#, "linux.netDevices.a/b: "),
            (r#"{"":{}}"#, "linux.netDevices.: "),
            (r#"{"..":{}}"#, "linux.netDevices...: "),
            (r#"{"abcdefghijklmnop":{}}"#, "linux.netDevices.abcdef"),
            (r#"{"eth0":{"name":"a b"}}"#, "linux.netDevices.eth0.name: "),
            (r#"{"eth0":{"name":"a%s"}}"#, "linux.netDevices.eth0.name: "),
            (
                r#"{"eth0":{"name":"%d%d"}}"#,
                "linux.netDevices.eth0.name: ",
            ),
            (r#"{"eth0":{"name":"lo"}}"#, "linux.netDevices.eth0.name: "),
            (r#"{"lo":{}}"#, "linux.netDevices.lo: "),
        ] {
            let said = planned(json, GOOD).unwrap_err();
            assert!(said.starts_with(field), "{json}: {said}");
        }
        assert!(planned(r#"{"abcdefghijklmno":{}}"#, GOOD).is_ok());
    }

    #[test]
    fn one_name_for_two_is_refused() {
        let said = planned(r#"{"eth1":{"name":"eth0"},"eth0":{}}"#, GOOD).unwrap_err();
        assert_eq!(
            said,
            "linux.netDevices.eth1.name: \"eth0\" is what eth0 is called, too"
        );
    }

    #[test]
    fn there_must_be_another_network_namespace_and_power_over_both() {
        for (facts, words) in [
            (
                Facts {
                    network_namespace: false,
                    ..GOOD
                },
                "without a private NET namespace",
            ),
            (
                Facts {
                    is_the_hosts: true,
                    ..GOOD
                },
                "the runtime's own",
            ),
            (
                Facts {
                    rootless: true,
                    ..GOOD
                },
                "rootless",
            ),
        ] {
            let said = planned(r#"{"eth0":{}}"#, facts).unwrap_err();
            assert!(
                said.starts_with("linux.netDevices: ") && said.contains(words),
                "{said}"
            );
        }
    }
}
