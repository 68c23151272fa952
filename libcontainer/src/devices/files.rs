//! Device rules as writes to cgroup v1's `devices.allow` and `devices.deny`.
//!
//! The kernel keeps a default and a list of exceptions to it
//! (Documentation/admin-guide/cgroup-v1/devices.rst): an access is judged by one
//! exception, and a write that takes back a part of a wider exception is ignored
//! silently. So the rules are reduced here to what it can hold, and what it
//! cannot is refused.

use super::rules::{Access, DeviceKind, DeviceRule};
use crate::error::Findings;

/// The file of what is allowed.
pub const ALLOW: &str = "devices.allow";
/// The file of what is denied.
pub const DENY: &str = "devices.deny";

/// An exception to the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exception {
    kind: DeviceKind,
    major: Option<u32>,
    minor: Option<u32>,
    access: Access,
}

impl Exception {
    fn is_of_same_devices(&self, other: &Self) -> bool {
        (self.kind, self.major, self.minor) == (other.kind, other.major, other.minor)
    }

    fn covers_devices_of(&self, other: &Self) -> bool {
        let covers = |wide: Option<u32>, narrow| wide.is_none() || wide == narrow;
        self.kind == other.kind
            && covers(self.major, other.major)
            && covers(self.minor, other.minor)
    }

    fn shares_devices_with(&self, other: &Self) -> bool {
        let meet =
            |one: Option<u32>, two: Option<u32>| one.is_none() || two.is_none() || one == two;
        self.kind == other.kind && meet(self.major, other.major) && meet(self.minor, other.minor)
    }

    fn text(&self) -> String {
        let kind = if self.kind == DeviceKind::Block {
            'b'
        } else {
            'c'
        };
        let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |n| n.to_string());
        format!(
            "{kind} {}:{} {}",
            number(self.major),
            number(self.minor),
            self.access.letters()
        )
    }
}

/// The writes, file and value, that turn a cgroup's list into the rules.
pub fn writes(rules: &[DeviceRule], findings: &mut Findings) -> Vec<(&'static str, String)> {
    let (default, exceptions) = reduce(rules, findings);
    let (base, other) = if default {
        (ALLOW, DENY)
    } else {
        (DENY, ALLOW)
    };
    std::iter::once((base, "a".to_owned()))
        .chain(exceptions.iter().map(|exception| (other, exception.text())))
        .collect()
}

fn reduce(rules: &[DeviceRule], findings: &mut Findings) -> (bool, Vec<Exception>) {
    let mut default = false;
    let mut exceptions: Vec<Exception> = Vec::new();
    for rule in rules {
        if rule.is_total() {
            default = rule.allow;
            exceptions.clear();
            continue;
        }
        let kinds: &[DeviceKind] = match rule.kind {
            DeviceKind::Any => &[DeviceKind::Block, DeviceKind::Char],
            DeviceKind::Block => &[DeviceKind::Block],
            DeviceKind::Char => &[DeviceKind::Char],
        };
        for kind in kinds {
            let exception = Exception {
                kind: *kind,
                major: rule.major,
                minor: rule.minor,
                access: rule.access,
            };
            if rule.allow == default {
                take_back(&mut exceptions, &exception, findings);
            } else {
                add(&mut exceptions, exception);
            }
        }
    }
    (default, exceptions)
}

fn add(exceptions: &mut Vec<Exception>, exception: Exception) {
    match exceptions
        .iter_mut()
        .find(|known| known.is_of_same_devices(&exception))
    {
        Some(known) => known.access = known.access.with(exception.access),
        None => exceptions.push(exception),
    }
}

fn take_back(exceptions: &mut Vec<Exception>, rule: &Exception, findings: &mut Findings) {
    for exception in exceptions.iter_mut() {
        if rule.covers_devices_of(exception) {
            exception.access = exception.access.without(rule.access);
        } else if rule.shares_devices_with(exception) && rule.access.meets(exception.access) {
            findings.error(
                "linux.resources.devices",
                format!(
                    "cgroup v1 cannot take {:?} out of the wider rule {:?}",
                    rule.text(),
                    exception.text()
                ),
            );
        }
    }
    exceptions.retain(|exception| exception.access != Access::NONE);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rules::container_rules;
    use super::super::rules::tests::{allowed, any_kind, any_rule};
    use super::*;

    /// What the kernel answers, given the default and the exceptions, to one
    /// thing done (open asks for reading and writing at once, mknod alone).
    fn kernel(
        (default, exceptions): &(bool, Vec<Exception>),
        kind: DeviceKind,
        (major, minor): (u32, u32),
        access: Access,
    ) -> bool {
        let asked = Exception {
            kind,
            major: Some(major),
            minor: Some(minor),
            access,
        };
        let hit = exceptions
            .iter()
            .any(|known| known.covers_devices_of(&asked) && known.access.meets(access));
        *default != hit
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_not_refused_is_what_the_rules_say(
            rules in prop::collection::vec(any_rule(), 0..8),
            kind in any_kind(false),
            device in (0_u32..4, 0_u32..4),
            access in prop_oneof![
                Just(Access::READ), Just(Access::WRITE), Just(Access::MKNOD)
            ],
        ) {
            let mut findings = Findings::new();
            let reduced = reduce(&rules, &mut findings);
            if !findings.has_errors() {
                prop_assert_eq!(
                    kernel(&reduced, kind, device, access),
                    allowed(&rules, kind, device, access)
                );
            }
        }
    }

    #[test]
    fn the_default_is_a_deny_and_its_exceptions() {
        let rules = container_rules(None, &mut Findings::new());
        let said: Vec<String> = writes(&rules, &mut Findings::new())
            .iter()
            .map(|(file, value)| format!("{file} {value}"))
            .collect();
        assert_eq!(
            said,
            [
                "devices.deny a",
                "devices.allow c *:* m",
                "devices.allow b *:* m",
                "devices.allow c 1:3 rwm",
                "devices.allow c 1:8 rwm",
                "devices.allow c 1:7 rwm",
                "devices.allow c 5:0 rwm",
                "devices.allow c 1:5 rwm",
                "devices.allow c 1:9 rwm",
                "devices.allow c 136:* rwm",
                "devices.allow c 5:2 rwm",
                "devices.allow c 10:200 rwm",
            ]
        );
    }

    #[test]
    fn a_hole_in_a_wider_rule_is_refused() {
        let allow = |minor, allow| DeviceRule {
            allow,
            kind: DeviceKind::Char,
            major: Some(10),
            minor,
            access: Access::ALL,
        };
        let mut findings = Findings::new();
        writes(&[allow(None, true), allow(Some(1), false)], &mut findings);
        assert_eq!(
            findings.to_string(),
            "linux.resources.devices: cgroup v1 cannot take \"c 10:1 rwm\" out of the wider rule \"c 10:* rwm\""
        );
    }
}
