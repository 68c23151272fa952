//! The mappings as the kernel takes them.

use serde::{Deserialize, Serialize};

use crate::error::{Finding, Findings};
use crate::spec::oci::LinuxIdMapping;
use crate::sys::process::page_size;

/// As many lines as a map may have (user_namespaces(7)).
const MAX_LINES: usize = 340;

/// One line of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// The first id inside.
    pub inside: u32,
    /// The first id outside.
    pub outside: u32,
    /// How many ids.
    pub size: u32,
}

/// The maps of a user namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMaps {
    /// User ids.
    pub users: Vec<IdMap>,
    /// Group ids.
    pub groups: Vec<IdMap>,
}

impl IdMaps {
    /// The id outside that stands for a user id inside.
    #[must_use]
    pub fn outside_user(&self, inside: u32) -> Option<u32> {
        outside(&self.users, inside)
    }

    /// The id outside that stands for a group id inside.
    #[must_use]
    pub fn outside_group(&self, inside: u32) -> Option<u32> {
        outside(&self.groups, inside)
    }

    /// Whether nothing is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

fn outside(map: &[IdMap], inside: u32) -> Option<u32> {
    map.iter().find_map(|line| {
        let offset = inside.checked_sub(line.inside)?;
        if offset < line.size {
            line.outside.checked_add(offset)
        } else {
            None
        }
    })
}

/// The text of a map file.
pub(super) fn text(map: &[IdMap]) -> String {
    use std::fmt::Write;
    map.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{} {} {}", line.inside, line.outside, line.size);
        text
    })
}

/// Judges the mappings of a new user namespace.
pub fn plan(
    users: Option<&[LinuxIdMapping]>,
    groups: Option<&[LinuxIdMapping]>,
    findings: &mut Findings,
) -> IdMaps {
    IdMaps {
        users: lines("linux.uidMappings", "uid", users, findings),
        groups: lines("linux.gidMappings", "gid", groups, findings),
    }
}

fn lines(
    field: &str,
    word: &str,
    mappings: Option<&[LinuxIdMapping]>,
    findings: &mut Findings,
) -> Vec<IdMap> {
    let mappings = mappings.unwrap_or_default();
    if mappings.is_empty() {
        findings.error(
            field,
            format!("user namespaces enabled, but no {word} mappings found"),
        );
    }
    lines_of(field, mappings, findings)
}

/// Judges a list of mappings, which may be empty.
pub(super) fn lines_of(
    field: &str,
    mappings: &[LinuxIdMapping],
    findings: &mut Findings,
) -> Vec<IdMap> {
    for (index, mapping) in mappings.iter().enumerate() {
        if mapping.size() == 0 {
            findings.error(format!("{field}[{index}].size"), "a mapping of size 0");
        }
    }
    let map = joined(mappings.iter().map(|mapping| IdMap {
        inside: mapping.container_id(),
        outside: mapping.host_id(),
        size: mapping.size(),
    }));
    check_length(field, &map, findings);
    map
}

/// What the kernel would refuse for its length alone.
pub(super) fn check_length(field: &str, map: &[IdMap], findings: &mut Findings) {
    let length = text(map).len();
    let max_bytes = page_size();
    if map.len() > MAX_LINES {
        findings.error(
            field,
            format!(
                "{} mappings are more than the kernel's limit of {MAX_LINES}",
                map.len()
            ),
        );
    } else if length >= max_bytes {
        findings.push(
            Finding::error(
                field,
                format!(
                    "{} mappings take {length} bytes, the kernel's limit for them is {}",
                    map.len(),
                    max_bytes.saturating_sub(1)
                ),
            )
            .with_advice("put ranges together that continue each other on both sides"),
        );
    }
}

/// The same map in fewer lines: one that continues the line before it, inside
/// and outside, becomes part of it.
pub(super) fn joined(lines: impl Iterator<Item = IdMap>) -> Vec<IdMap> {
    let mut map: Vec<IdMap> = Vec::new();
    for line in lines {
        let longer = map.last().and_then(|last| continued(last, &line));
        match (map.last_mut(), longer) {
            (Some(last), Some(size)) => last.size = size,
            _ => map.push(line),
        }
    }
    map
}

/// The size of both lines together, when the second continues the first.
fn continued(first: &IdMap, second: &IdMap) -> Option<u32> {
    let inside = first.inside.checked_add(first.size)?;
    let outside = first.outside.checked_add(first.size)?;
    if (inside, outside) == (second.inside, second.outside) {
        first.size.checked_add(second.size)
    } else {
        None
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up fails the test"
)]
mod tests {
    use super::{IdMap, IdMaps, plan, text};
    use crate::error::Findings;

    fn map(inside: u32, outside: u32, size: u32) -> IdMap {
        IdMap {
            inside,
            outside,
            size,
        }
    }

    #[test]
    fn ids_are_found_in_their_line() {
        let maps = IdMaps {
            users: vec![map(0, 1000, 1), map(1, 100_000, 10)],
            groups: vec![],
        };
        assert_eq!(maps.outside_user(0), Some(1000));
        assert_eq!(maps.outside_user(10), Some(100_009));
        assert_eq!(maps.outside_user(11), None);
        assert_eq!(maps.outside_group(0), None);
        assert_eq!(text(&maps.users), "0 1000 1\n1 100000 10\n");
    }

    #[test]
    fn too_many_lines_are_named() {
        let one = serde_json::from_str(r#"{"containerID":0,"hostID":0,"size":1}"#).unwrap();
        let many = vec![one; 341];
        let mut findings = Findings::new();
        plan(Some(&many), Some(&many[..340]), &mut findings);
        assert_eq!(
            findings.to_string(),
            "linux.uidMappings: 341 mappings are more than the kernel's limit of 340"
        );
    }

    fn mappings(lines: impl Iterator<Item = (u32, u32)>) -> Vec<crate::spec::oci::LinuxIdMapping> {
        lines
            .map(|(inside, outside)| {
                let json = format!(r#"{{"containerID":{inside},"hostID":{outside},"size":1}}"#);
                serde_json::from_str(&json).unwrap()
            })
            .collect()
    }

    #[test]
    fn neighbours_become_one_line() {
        // As many lines as one likes, when they are one range.
        let many = mappings((0..1000).map(|n| (n, 100_000 + n)));
        let gap = mappings([(0, 5), (1, 6), (2, 8), (4, 9)].into_iter());
        let mut findings = Findings::new();
        let maps = plan(Some(&many), Some(&gap), &mut findings);
        assert!(!findings.has_errors());
        assert_eq!(maps.users, [map(0, 100_000, 1000)]);
        assert_eq!(maps.groups, [map(0, 5, 2), map(2, 8, 1), map(4, 9, 1)]);
    }

    #[test]
    fn ids_at_the_end_of_their_range_join_nothing() {
        let end = mappings([(u32::MAX, 1), (0, 2)].into_iter());
        let mut findings = Findings::new();
        assert_eq!(plan(Some(&end), Some(&end), &mut findings).users.len(), 2);
    }

    #[test]
    fn a_text_longer_than_a_page_is_said_with_the_limit() {
        let apart = mappings((0..340).map(|n| (n * 2, 2_000_000_000 + n)));
        let mut findings = Findings::new();
        plan(Some(&apart), apart.get(..9), &mut findings);
        let text = findings.to_string();
        if crate::sys::process::page_size() == 4096 {
            let words = "linux.uidMappings: 340 mappings take 5725 bytes, \
                         the kernel's limit for them is 4095";
            assert_eq!(text, words);
        } else {
            assert!(!findings.has_errors(), "{text}");
        }
    }

    #[test]
    fn none_are_refused() {
        let mut findings = Findings::new();
        plan(None, None, &mut findings);
        assert!(findings.to_string().contains("no uid mappings found"));
    }
}
