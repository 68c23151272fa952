//! The mappings of one mount: from its fields, or from the value of its option
//! `idmap`, as in `idmap=uids=0-1000-10#10-2000-5;gids=@0-0-10`.
//!
//! A triple is the first id on the file system, the first id on the mount, and
//! how many. After `@` the second is an id of the container.

use super::plan::{check_length, joined, lines_of};
use super::{IdMap, IdMaps};
use crate::error::Findings;
use crate::spec::oci::LinuxIdMapping;

/// The mappings of a mount's fields, of which one alone is refused.
pub fn of_fields(
    field: &str,
    users: &[LinuxIdMapping],
    groups: &[LinuxIdMapping],
    findings: &mut Findings,
) -> IdMaps {
    for (list, missing) in [(users, "uidMappings"), (groups, "gidMappings")] {
        if list.is_empty() {
            findings.error(
                format!("{field}.{missing}"),
                "missing: id-mapped mounts must have both uid and gid mappings specified",
            );
        }
    }
    IdMaps {
        users: lines_of(&format!("{field}.uidMappings"), users, findings),
        groups: lines_of(&format!("{field}.gidMappings"), groups, findings),
    }
}

/// The mappings of an option's value. `container` are those of the container's
/// user namespace, which relative ids go by.
pub fn of_option(
    field: &str,
    value: &str,
    container: Option<&IdMaps>,
    findings: &mut Findings,
) -> Option<IdMaps> {
    let read = || -> Result<IdMaps, String> {
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for part in value.split(';').filter(|part| !part.is_empty()) {
            let (into, list, outer) = match part.split_once('=') {
                Some(("uids", list)) => (&mut users, list, container.map(|it| &it.users)),
                Some(("gids", list)) => (&mut groups, list, container.map(|it| &it.groups)),
                _ => return Err(format!("{part:?} is neither uids= nor gids=")),
            };
            for triple in list.split('#').filter(|triple| !triple.is_empty()) {
                lines(triple, outer.map(Vec::as_slice), into)?;
            }
        }
        if users.is_empty() || groups.is_empty() {
            return Err("id-mapped mounts must have both uids= and gids=".to_owned());
        }
        Ok(IdMaps {
            users: joined(users.into_iter()),
            groups: joined(groups.into_iter()),
        })
    };
    let field = format!("{field}.options");
    match read() {
        Ok(maps) => {
            check_length(&field, &maps.users, findings);
            check_length(&field, &maps.groups, findings);
            Some(maps)
        }
        Err(why) => {
            findings.error(field, format!("idmap={value}: {why}"));
            None
        }
    }
}

/// The lines that one triple stands for: a relative one may reach over several
/// ranges of the container.
fn lines(triple: &str, outer: Option<&[IdMap]>, into: &mut Vec<IdMap>) -> Result<(), String> {
    let (relative, numbers) = match triple.strip_prefix('@') {
        Some(numbers) => (true, numbers),
        None => (false, triple),
    };
    let line = parse(numbers).ok_or_else(|| format!("{triple:?} is no mapping"))?;
    if !relative {
        into.push(line);
        return Ok(());
    }
    let outer = outer
        .filter(|outer| !outer.is_empty())
        .ok_or_else(|| format!("{triple:?} is relative to a user namespace that is not there"))?;
    let mut rest = line;
    while rest.size > 0 {
        let part = first_part(&rest, outer)
            .ok_or_else(|| format!("{triple:?} has an id {} of no mapping", rest.outside))?;
        into.push(part);
        rest.inside = rest.inside.saturating_add(part.size);
        rest.outside = rest.outside.saturating_add(part.size);
        rest.size = rest.size.saturating_sub(part.size);
    }
    Ok(())
}

/// The beginning of a line of container ids that lies in one range of the
/// container, with the ids outside of it.
fn first_part(line: &IdMap, outer: &[IdMap]) -> Option<IdMap> {
    outer.iter().find_map(|range| {
        let offset = line.outside.checked_sub(range.inside)?;
        let left = range.size.checked_sub(offset).filter(|left| *left > 0)?;
        Some(IdMap {
            inside: line.inside,
            outside: range.outside.checked_add(offset)?,
            size: line.size.min(left),
        })
    })
}

fn parse(numbers: &str) -> Option<IdMap> {
    let mut numbers = numbers.split('-').map(|number| number.parse::<u32>().ok());
    let line = IdMap {
        inside: numbers.next()??,
        outside: numbers.next()??,
        size: numbers.next()??,
    };
    let last = |first: u32| first.checked_add(line.size.checked_sub(1)?);
    last(line.inside)?;
    last(line.outside)?;
    numbers.next().is_none().then_some(line)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{of_fields, of_option};
    use crate::error::Findings;
    use crate::idmap::{IdMap, IdMaps};

    fn map(inside: u32, outside: u32, size: u32) -> IdMap {
        IdMap {
            inside,
            outside,
            size,
        }
    }

    fn container() -> IdMaps {
        IdMaps {
            users: vec![map(0, 0, 1), map(1, 2, 1000), map(2000, 9000, 5)],
            groups: vec![map(0, 100_000, 10)],
        }
    }

    fn read(value: &str, container: Option<&IdMaps>) -> Result<IdMaps, String> {
        let mut findings = Findings::new();
        let maps = of_option("mounts[2]", value, container, &mut findings);
        maps.ok_or_else(|| findings.to_string())
    }

    #[test]
    fn absolute_triples_are_taken_as_they_are() {
        let maps = read("uids=0-1-10#20-11-10;gids=0-100-10", None).unwrap();
        assert_eq!(maps.users, [map(0, 1, 10), map(20, 11, 10)]);
        assert_eq!(maps.groups, [map(0, 100, 10)]);
    }

    #[test]
    fn relative_triples_go_by_the_container() {
        let container = container();
        let maps = read("uids=@1-3-10;gids=@0-0-10", Some(&container)).unwrap();
        assert_eq!(maps.users, [map(1, 4, 10)]);
        assert_eq!(maps.groups, [map(0, 100_000, 10)]);
    }

    #[test]
    fn a_relative_triple_over_two_ranges_is_split() {
        let container = container();
        let maps = read("uids=@50-0-3;gids=0-0-1", Some(&container)).unwrap();
        assert_eq!(maps.users, [map(50, 0, 1), map(51, 2, 2)]);
    }

    #[test]
    fn what_is_no_mapping_is_said() {
        let container = container();
        for (value, words) in [
            ("", "both uids= and gids="),
            ("uids=0-0-1", "both uids= and gids="),
            ("users=0-0-1", "neither uids= nor gids="),
            ("uids=0-0", "\"0-0\" is no mapping"),
            ("uids=0-0-0", "is no mapping"),
            ("uids=0-0-1-2", "is no mapping"),
            ("uids=0-4294967295-2", "is no mapping"),
            ("uids=@0-999-5", "an id 1001 of no mapping"),
        ] {
            let said = read(value, Some(&container)).unwrap_err();
            assert!(said.starts_with("mounts[2].options: idmap="), "{said}");
            assert!(said.contains(words), "{value}: {said}");
        }
        let said = read("uids=@0-0-1", None).unwrap_err();
        assert!(said.contains("relative to a user namespace"), "{said}");
    }

    #[test]
    fn one_field_alone_is_refused() {
        let one = serde_json::from_str(r#"{"containerID":0,"hostID":5,"size":1}"#).unwrap();
        let mut findings = Findings::new();
        of_fields("mounts[0]", &[one], &[], &mut findings);
        assert_eq!(
            findings.to_string(),
            "mounts[0].gidMappings: missing: id-mapped mounts must have both uid and gid mappings specified"
        );
    }
}
