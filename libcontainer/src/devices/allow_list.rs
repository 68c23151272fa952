//! Device rules as the list of what is allowed that systemd takes
//! (`DeviceAllow=`, systemd.resource-control(5)).

use super::rules::{Access, DeviceKind, DeviceRule, allow_all};

/// What systemd can hold of the rules. A pair is the devices, `/dev/char/1:3`,
/// `char-136` or `char-*`, and the access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowList {
    /// All are allowed.
    All,
    /// These and no others.
    Only(Vec<(String, String)>),
    /// These are allowed, but what else is cannot be said.
    Beyond(Vec<(String, String)>),
}

/// The devices of an entry: a kind, and numbers of which any may be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Devices {
    block: bool,
    major: Option<u32>,
    minor: Option<u32>,
}

impl Devices {
    fn covers(self, other: Self) -> bool {
        let covers = |wide: Option<u32>, narrow| wide.is_none() || wide == narrow;
        self.block == other.block
            && covers(self.major, other.major)
            && covers(self.minor, other.minor)
    }

    fn specifier(self) -> String {
        let kind = if self.block { "block" } else { "char" };
        match (self.major, self.minor) {
            (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
            (Some(major), None) => format!("{kind}-{major}"),
            (None, _) => format!("{kind}-*"),
        }
    }
}

/// The list for rules of which the last that matches holds.
#[must_use]
pub fn allow_list(rules: &[DeviceRule]) -> AllowList {
    if allow_all(rules) {
        return AllowList::All;
    }
    let last_denial = rules.iter().rposition(|rule| !rule.allow);
    let after = last_denial.map_or(0, |at| at.saturating_add(1));
    let mut exact = last_denial
        .and_then(|at| rules.get(at))
        .is_none_or(DeviceRule::is_total);
    let mut entries: Vec<(Devices, Access)> = Vec::new();
    for rule in rules.iter().skip(after) {
        let kinds: &[bool] = match rule.kind {
            DeviceKind::Any => &[true, false],
            DeviceKind::Block => &[true],
            DeviceKind::Char => &[false],
        };
        for &block in kinds {
            let devices = Devices {
                block,
                major: rule.major,
                minor: rule.minor,
            };
            if devices.major.is_none() && devices.minor.is_some() {
                exact = false;
                continue;
            }
            match entries.iter_mut().find(|(known, _)| *known == devices) {
                Some((_, access)) => *access = access.with(rule.access),
                None => entries.push((devices, rule.access)),
            }
        }
    }
    let list = entries
        .iter()
        .map(|(devices, _)| {
            // An access is judged by one entry, so each has what wider ones give.
            let access = entries
                .iter()
                .filter(|(wider, _)| wider.covers(*devices))
                .fold(Access::NONE, |sum, (_, access)| sum.with(*access));
            (devices.specifier(), access.letters())
        })
        .collect();
    if exact {
        AllowList::Only(list)
    } else {
        AllowList::Beyond(list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rules::container_rules;
    use super::super::rules::tests::{allowed, any_access, any_kind, any_rule};
    use super::*;
    use crate::error::Findings;

    /// What systemd's own program answers: one entry has to allow all that is
    /// asked.
    fn systemd_allows(
        list: &[(String, String)],
        kind: DeviceKind,
        (major, minor): (u32, u32),
        access: Access,
    ) -> bool {
        let kind = if kind == DeviceKind::Block {
            "block"
        } else {
            "char"
        };
        let names = [
            format!("/dev/{kind}/{major}:{minor}"),
            format!("{kind}-{major}"),
            format!("{kind}-*"),
        ];
        list.iter().any(|(name, letters)| {
            let granted = Access::parse(letters).unwrap_or(Access::NONE);
            names.contains(name) && access.without(granted) == Access::NONE
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn systemd_allows_what_the_rules_allow(
            asked in prop::collection::vec(any_rule(), 0..8),
            allow_only in any::<bool>(),
            kind in any_kind(false),
            device in (0_u32..4, 0_u32..4),
            access in any_access(),
        ) {
            let mut rules = container_rules(None, &mut Findings::new());
            let asked = asked.into_iter().map(|rule| DeviceRule { allow: rule.allow || allow_only, ..rule });
            rules.splice(1..1, asked);
            let really = allowed(&rules, kind, device, access);
            match allow_list(&rules) {
                AllowList::All => prop_assert!(really),
                AllowList::Only(list) => {
                    prop_assert_eq!(systemd_allows(&list, kind, device, access), really);
                }
                // No more than the rules.
                AllowList::Beyond(list) => {
                    prop_assert!(really || !systemd_allows(&list, kind, device, access));
                }
            }
        }
    }

    #[test]
    fn the_default_has_the_terminals() {
        let rules = container_rules(None, &mut Findings::new());
        let AllowList::Only(list) = allow_list(&rules) else {
            unreachable!("the default can be held");
        };
        for entry in [
            ("char-136", "rwm"),
            ("/dev/char/5:2", "rwm"),
            ("/dev/char/1:3", "rwm"),
            ("char-*", "m"),
            ("block-*", "m"),
        ] {
            assert!(
                list.contains(&(entry.0.to_owned(), entry.1.to_owned())),
                "{entry:?}"
            );
        }
    }
}
