//! Device rules: an ordered list, of which the last that matches holds.

use crate::error::Findings;
use crate::spec::oci::{LinuxDeviceCgroup, LinuxDeviceType};

/// What is done to a device, as the bits of `BPF_DEVCG_ACC_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access(u8);

impl Access {
    /// mknod(2).
    pub const MKNOD: Self = Self(1);
    /// Reading.
    pub const READ: Self = Self(2);
    /// Writing.
    pub const WRITE: Self = Self(4);
    /// All three.
    pub const ALL: Self = Self(7);
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// Reads a subset of `rwm`, which must not be empty.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut access = Self::NONE;
        for letter in text.chars() {
            access = access.with(match letter {
                'r' => Self::READ,
                'w' => Self::WRITE,
                'm' => Self::MKNOD,
                _ => return None,
            });
        }
        (access != Self::NONE).then_some(access)
    }

    /// The bits of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits that `other` lacks.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a bit is in both.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The number.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The letters, as cgroup v1 orders them.
    #[must_use]
    pub fn letters(self) -> String {
        [(Self::READ, 'r'), (Self::WRITE, 'w'), (Self::MKNOD, 'm')]
            .into_iter()
            .filter(|(bit, _)| self.meets(*bit))
            .map(|(_, letter)| letter)
            .collect()
    }
}

/// Sort of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// Block and character devices.
    Any,
    /// Block devices.
    Block,
    /// Character devices.
    Char,
}

/// One rule; a number that is absent is any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceRule {
    /// Allows, or denies.
    pub allow: bool,
    /// Sort of device.
    pub kind: DeviceKind,
    /// Major number.
    pub major: Option<u32>,
    /// Minor number.
    pub minor: Option<u32>,
    /// What is allowed or denied.
    pub access: Access,
}

impl DeviceRule {
    const fn char(major: Option<u32>, minor: Option<u32>, access: Access) -> Self {
        Self {
            allow: true,
            kind: DeviceKind::Char,
            major,
            minor,
            access,
        }
    }

    /// Whether the rule is of every device and every access.
    #[must_use]
    pub fn is_total(&self) -> bool {
        self.kind == DeviceKind::Any
            && self.major.is_none()
            && self.minor.is_none()
            && self.access == Access::ALL
    }
}

/// What every container gets after its own rules, and cannot turn off: making
/// any node (which alone opens nothing), and the devices of
/// config-linux.md#default-devices, terminals and TUN.
pub const DEFAULT: [DeviceRule; 11] = [
    DeviceRule::char(None, None, Access::MKNOD),
    DeviceRule {
        kind: DeviceKind::Block,
        ..DeviceRule::char(None, None, Access::MKNOD)
    },
    DeviceRule::char(Some(1), Some(3), Access::ALL), // null
    DeviceRule::char(Some(1), Some(8), Access::ALL), // random
    DeviceRule::char(Some(1), Some(7), Access::ALL), // full
    DeviceRule::char(Some(5), Some(0), Access::ALL), // tty
    DeviceRule::char(Some(1), Some(5), Access::ALL), // zero
    DeviceRule::char(Some(1), Some(9), Access::ALL), // urandom
    DeviceRule::char(Some(136), None, Access::ALL),  // pts/*
    DeviceRule::char(Some(5), Some(2), Access::ALL), // ptmx
    // Engines rely on it since the days before they could ask for it.
    DeviceRule::char(Some(10), Some(200), Access::ALL), // net/tun
];

const DENY_ALL: DeviceRule = DeviceRule {
    allow: false,
    kind: DeviceKind::Any,
    major: None,
    minor: None,
    access: Access::ALL,
};

/// The container's rules: nothing is allowed, then `linux.resources.devices`,
/// then [`DEFAULT`].
pub fn container_rules(
    devices: Option<&[LinuxDeviceCgroup]>,
    findings: &mut Findings,
) -> Vec<DeviceRule> {
    let devices = devices.unwrap_or_default();
    let mut rules = Vec::with_capacity(devices.len().saturating_add(DEFAULT.len() + 1));
    rules.push(DENY_ALL);
    for (index, device) in devices.iter().enumerate() {
        if let Some(rule) = rule(index, device, findings) {
            rules.push(rule);
        }
    }
    rules.extend(DEFAULT);
    rules
}

fn rule(index: usize, device: &LinuxDeviceCgroup, findings: &mut Findings) -> Option<DeviceRule> {
    let field = |name: &str| format!("linux.resources.devices[{index}].{name}");
    let kind = match device.typ() {
        None | Some(LinuxDeviceType::A) => Some(DeviceKind::Any),
        Some(LinuxDeviceType::B) => Some(DeviceKind::Block),
        Some(LinuxDeviceType::C) => Some(DeviceKind::Char),
        Some(LinuxDeviceType::U | LinuxDeviceType::P) => None,
    };
    if kind.is_none() {
        findings.error(field("type"), "invalid cgroup device type; known: a, b, c");
    }
    let access = match device.access().as_deref() {
        None | Some("") => {
            findings.error(
                field("access"),
                format!("device access at {index} field cannot be empty"),
            );
            None
        }
        Some(text) => {
            // runc takes other letters and does nothing about them.
            let letters: String = text.chars().filter(|it| "rwm".contains(*it)).collect();
            let access = Access::parse(&letters);
            if access.is_some() && letters.len() < text.len() {
                findings.warning(
                    field("access"),
                    format!("device access {text:?} is taken for {letters:?}"),
                );
            }
            if access.is_none() {
                findings.error(
                    field("access"),
                    format!("invalid device access {text:?}; known: r, w, m"),
                );
            }
            access
        }
    };
    let major = number(device.major(), &field("major"), findings);
    let minor = number(device.minor(), &field("minor"), findings);
    Some(DeviceRule {
        allow: device.allow(),
        kind: kind?,
        major: major.ok()?,
        minor: minor.ok()?,
        access: access?,
    })
}

/// A number of a kind of device that there is not.
struct NoNumber;

/// A device number; engines write -1 for any.
fn number(
    value: Option<i64>,
    field: &str,
    findings: &mut Findings,
) -> Result<Option<u32>, NoNumber> {
    match value {
        None | Some(-1) => Ok(None),
        Some(value) => u32::try_from(value).map(Some).map_err(|_| {
            findings.error(field, format!("invalid device number {value}"));
            NoNumber
        }),
    }
}

/// Whether the rules allow everything, so that a host that cannot enforce them
/// loses nothing.
#[must_use]
pub fn allow_all(rules: &[DeviceRule]) -> bool {
    let total = rules.iter().rposition(DeviceRule::is_total);
    total.is_some_and(|at| rules.iter().skip(at).all(|rule| rule.allow))
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test stops where its ground is missing"
    )]

    use proptest::prelude::*;

    use super::*;
    use crate::spec::oci::LinuxDeviceCgroupBuilder;

    /// What the rules say, read plainly: for each thing done the last rule that
    /// matches holds.
    pub(crate) fn allowed(
        rules: &[DeviceRule],
        kind: DeviceKind,
        (major, minor): (u32, u32),
        access: Access,
    ) -> bool {
        [Access::MKNOD, Access::READ, Access::WRITE]
            .into_iter()
            .filter(|bit| access.meets(*bit))
            .all(|bit| {
                rules
                    .iter()
                    .rev()
                    .find(|rule| {
                        (rule.kind == DeviceKind::Any || rule.kind == kind)
                            && rule.major.is_none_or(|number| number == major)
                            && rule.minor.is_none_or(|number| number == minor)
                            && rule.access.meets(bit)
                    })
                    .is_some_and(|rule| rule.allow)
            })
    }

    pub(crate) fn any_rule() -> impl Strategy<Value = DeviceRule> {
        let number = || prop::option::of(prop_oneof![0_u32..4, Just(u32::MAX)]);
        (any::<bool>(), any_kind(true), number(), number(), 1_u8..8).prop_map(
            |(allow, kind, major, minor, access)| DeviceRule {
                allow,
                kind,
                major,
                minor,
                access: Access(access),
            },
        )
    }

    pub(crate) fn any_kind(all: bool) -> impl Strategy<Value = DeviceKind> {
        prop_oneof![
            Just(DeviceKind::Block),
            Just(DeviceKind::Char),
            Just(if all {
                DeviceKind::Any
            } else {
                DeviceKind::Char
            }),
        ]
    }

    pub(crate) fn any_access() -> impl Strategy<Value = Access> {
        (1_u8..8).prop_map(Access)
    }

    fn device(typ: Option<LinuxDeviceType>, access: &str) -> LinuxDeviceCgroup {
        let mut builder = LinuxDeviceCgroupBuilder::default()
            .allow(true)
            .access(access);
        if let Some(typ) = typ {
            builder = builder.typ(typ);
        }
        builder.build().unwrap()
    }

    #[test]
    fn nothing_asked_is_the_default_on_top_of_nothing() {
        let rules = container_rules(None, &mut Findings::new());
        assert_eq!(rules.first(), Some(&DENY_ALL));
        assert_eq!(rules.get(1..), Some(DEFAULT.as_slice()));
        let null = (DeviceKind::Char, (1, 3), Access::ALL);
        assert!(allowed(&rules, null.0, null.1, null.2));
        assert!(allowed(&rules, DeviceKind::Block, (8, 0), Access::MKNOD));
        assert!(!allowed(&rules, DeviceKind::Block, (8, 0), Access::READ));
        assert!(!allow_all(&rules));
    }

    #[test]
    fn the_default_cannot_be_turned_off() {
        let deny = LinuxDeviceCgroupBuilder::default()
            .allow(false)
            .access("rwm")
            .build()
            .unwrap();
        let rules = container_rules(Some(&[deny]), &mut Findings::new());
        assert!(allowed(&rules, DeviceKind::Char, (1, 3), Access::ALL));
    }

    #[test]
    fn a_privileged_container_is_seen_as_one() {
        let rules = container_rules(Some(&[device(None, "rwm")]), &mut Findings::new());
        assert!(allow_all(&rules));
    }

    #[test]
    fn faults_name_their_field() {
        let mut findings = Findings::new();
        let devices = [
            device(Some(LinuxDeviceType::P), "r"),
            device(None, ""),
            device(None, "x"),
            device(None, "rxa"),
        ];
        let rules = container_rules(Some(&devices), &mut findings);
        let known = rules.iter().filter(|rule| rule.access == Access::READ);
        assert_eq!(known.count(), 1);
        let warning = findings.warnings().next().map(ToString::to_string);
        assert_eq!(
            warning.as_deref(),
            Some("linux.resources.devices[3].access: device access \"rxa\" is taken for \"r\"")
        );
        let said: Vec<String> = findings.errors().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "linux.resources.devices[0].type: invalid cgroup device type; known: a, b, c",
                "linux.resources.devices[1].access: device access at 1 field cannot be empty",
                "linux.resources.devices[2].access: invalid device access \"x\"; known: r, w, m",
            ]
        );
    }
}
