//! Id-mapped mounts: which mounts have other owners than on their file system,
//! and by which maps (runtime-spec, "Mounts", `uidMappings`, `idmap`, `ridmap`).

use crate::error::{Finding, Findings};
use crate::idmap::{self, IdMaps};
use crate::mounts::{IdMapping, MapNamespace, Options};
use crate::spec::oci::{Linux, Mount};

/// What they are judged by.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Whether the container has a user namespace, new or joined.
    pub(super) user_namespace: bool,
    /// Its maps, when it is new.
    pub(super) new: Option<&'a IdMaps>,
    /// The maps that are said of a joined one.
    pub(super) linux: &'a Linux,
    /// Whether the caller has power over no file system.
    pub(super) ordinary_user: bool,
}

/// What the list comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MappedMounts {
    /// The mounts with a mapping, by their number in the list.
    pub(super) of: Vec<(usize, IdMapping)>,
    /// The maps that a user namespace is made for, each once.
    pub(super) maps: Vec<IdMaps>,
}

/// Judges the mappings of the list.
pub(super) fn plan(mounts: &[Mount], facts: &Facts<'_>, findings: &mut Findings) -> MappedMounts {
    let mut planned = MappedMounts::default();
    for (index, mount) in mounts.iter().enumerate().filter(|(_, mount)| asks(mount)) {
        let field = format!("mounts[{index}]");
        if facts.ordinary_user {
            findings.push(
                Finding::error(
                    field,
                    "id-mapped mounts are not supported for rootless containers",
                )
                .with_advice("it takes root in the user namespace that the file system belongs to"),
            );
            continue;
        }
        let options = Options::parse(mount.options().as_deref().unwrap_or_default());
        if let Some(maps) = maps(mount, &options, &field, facts, findings) {
            let mapping = IdMapping {
                namespace: planned.namespace(maps, facts.new),
                recursive: options.id_map.unwrap_or_default(),
            };
            planned.of.push((index, mapping));
        }
    }
    planned
}

impl MappedMounts {
    /// The user namespace with these maps; without any they are the container's.
    fn namespace(&mut self, maps: Option<IdMaps>, container: Option<&IdMaps>) -> MapNamespace {
        let Some(maps) = maps.filter(|maps| container != Some(maps)) else {
            return MapNamespace::Container;
        };
        let number = self.maps.iter().position(|known| *known == maps);
        MapNamespace::Made(number.unwrap_or_else(|| {
            self.maps.push(maps);
            self.maps.len().saturating_sub(1)
        }))
    }
}

/// Whether a mount says anything of a mapping.
fn asks(mount: &Mount) -> bool {
    let fields = [mount.uid_mappings(), mount.gid_mappings()];
    let has_field = |field: &Option<Vec<_>>| field.as_ref().is_some_and(|list| !list.is_empty());
    let options = mount.options().as_deref().unwrap_or_default();
    fields.into_iter().any(has_field)
        || options.iter().any(|option| {
            let name = option.split('=').next().unwrap_or_default();
            matches!(name, "idmap" | "ridmap")
        })
}

/// The maps of one mount, `Some(None)` being the container's own.
#[expect(clippy::option_option, reason = "refused, the container's, or its own")]
fn maps(
    mount: &Mount,
    options: &Options,
    field: &str,
    facts: &Facts<'_>,
    findings: &mut Findings,
) -> Option<Option<IdMaps>> {
    let users = mount.uid_mappings().as_deref().unwrap_or_default();
    let groups = mount.gid_mappings().as_deref().unwrap_or_default();
    let has_fields = !(users.is_empty() && groups.is_empty());
    match &options.id_map_value {
        Some(_) if has_fields => {
            findings.error(
                format!("{field}.options"),
                "idmap= names mappings, and so do uidMappings and gidMappings",
            );
            None
        }
        Some(value) => {
            let container = container_maps(facts);
            idmap::of_option(field, value, container.as_ref(), findings).map(Some)
        }
        None if has_fields => Some(Some(idmap::of_fields(field, users, groups, findings))),
        None if facts.user_namespace => Some(None),
        None => {
            findings.error(
                format!("{field}.options"),
                "idmap without uidMappings and gidMappings of the mount needs a user namespace",
            );
            None
        }
    }
}

/// What relative ids go by: of a joined namespace, what the configuration says.
fn container_maps(facts: &Facts<'_>) -> Option<IdMaps> {
    if let Some(new) = facts.new {
        return Some(new.clone());
    }
    let list = |list: &Option<Vec<_>>| list.clone().unwrap_or_default();
    let users = list(facts.linux.uid_mappings());
    let groups = list(facts.linux.gid_mappings());
    (facts.user_namespace && !users.is_empty() && !groups.is_empty()).then(|| {
        // Judged where they are written; here they are only read.
        idmap::plan(Some(&users), Some(&groups), &mut Findings::new())
    })
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up fails the test"
)]
mod tests {
    use super::{Facts, MappedMounts, plan};
    use crate::error::Findings;
    use crate::idmap::{IdMap, IdMaps};
    use crate::mounts::{IdMapping, MapNamespace};
    use crate::spec::oci::{Linux, Mount};
    use serde_json::{Value, json};

    fn maps(outside: u32) -> IdMaps {
        let line = IdMap {
            inside: 0,
            outside,
            size: 10,
        };
        IdMaps {
            users: vec![line],
            groups: vec![line],
        }
    }

    fn planned(
        mounts: Value,
        user_namespace: Option<&IdMaps>,
        ordinary_user: bool,
    ) -> Result<MappedMounts, String> {
        let mounts: Vec<Mount> = serde_json::from_value(mounts).unwrap();
        let linux: Linux = serde_json::from_value(json!({})).unwrap();
        let facts = Facts {
            user_namespace: user_namespace.is_some(),
            new: user_namespace,
            linux: &linux,
            ordinary_user,
        };
        let mut findings = Findings::new();
        let planned = plan(&mounts, &facts, &mut findings);
        if findings.has_errors() {
            return Err(findings.to_string());
        }
        Ok(planned)
    }

    fn mount(options: &[&str], host: Option<u32>) -> Value {
        let mut mount = json!({"destination": "/d", "source": "/s", "options": options});
        if let Some(host) = host {
            let map = json!([{"containerID": 0, "hostID": host, "size": 10}]);
            mount["uidMappings"] = map.clone();
            mount["gidMappings"] = map;
        }
        mount
    }

    fn mapping(namespace: MapNamespace, recursive: bool) -> IdMapping {
        IdMapping {
            namespace,
            recursive,
        }
    }

    #[test]
    fn a_namespace_is_made_for_each_map_but_the_containers() {
        let mounts = json!([
            mount(&["bind"], Some(5)),
            mount(&["bind"], None),
            mount(&["bind", "ridmap"], Some(7)),
            mount(&["bind", "idmap"], Some(5)),
            mount(&["bind"], Some(100)),
            mount(&["rbind", "ridmap"], None),
            mount(&["bind", "idmap=uids=0-7-10;gids=0-7-10"], None),
            mount(&["bind", "idmap=uids=@0-0-10;gids=@0-0-10"], None),
        ]);
        let container = maps(100);
        let planned = planned(mounts, Some(&container), false).unwrap();
        assert_eq!(planned.maps, [maps(5), maps(7)]);
        let (made, own) = (MapNamespace::Made, MapNamespace::Container);
        assert_eq!(
            planned.of,
            [
                (0, mapping(made(0), false)),
                (2, mapping(made(1), true)),
                (3, mapping(made(0), false)),
                (4, mapping(own, false)),
                (5, mapping(own, true)),
                (6, mapping(made(1), false)),
                (7, mapping(own, false)),
            ]
        );
    }

    #[test]
    fn without_a_mapping_nothing_is_planned() {
        let mounts = json!([mount(&["bind", "ro"], None), mount(&[], None)]);
        assert_eq!(planned(mounts, None, true), Ok(MappedMounts::default()));
    }

    #[test]
    fn what_cannot_be_mapped_is_said() {
        let mut half = mount(&["bind"], Some(5));
        half.as_object_mut().unwrap().remove("gidMappings");
        for (mount, words) in [
            (mount(&["bind", "idmap"], None), "needs a user namespace"),
            (half, "must have both uid and gid mappings"),
            (
                mount(&["bind", "idmap=uids=0-0-1;gids=0-0-1"], Some(5)),
                "and so do uidMappings",
            ),
        ] {
            let said = planned(json!([mount]), None, false).unwrap_err();
            assert!(said.starts_with("mounts[0]."), "{said}");
            assert!(said.contains(words), "{said}");
        }
        let said = planned(json!([mount(&["bind"], Some(5))]), None, true).unwrap_err();
        assert!(said.contains("rootless"), "{said}");
    }
}
