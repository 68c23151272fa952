//! The container's cgroup: what is made, whose it is, and what is seen of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::annotations::{self, DELEGATED, SUBGROUP};
use super::build::Host;
use super::types::InitPlan;
use crate::cgroups::{
    self, CgroupPlan, CgroupRequest, DelegatedPlan, DeviceControl, DeviceEnforcement,
    DeviceProgram, Layout, Manager, Systemd, UnitDevices, UnitRequest,
};
use crate::devices as device_rules;
use crate::error::Findings;
use crate::idmap::IdMaps;
use crate::mounts::{CgroupMount, LegacyHierarchy};
use crate::namespaces::{Kind, NamespacePlan};
use crate::spec::oci::{Linux, Mount, Spec};

/// The cgroup with its limits and device rules.
pub(super) fn plan(
    spec: &Spec,
    linux: &Linux,
    id: &str,
    host: &Host,
    id_maps: Option<&IdMaps>,
    findings: &mut Findings,
) -> CgroupPlan {
    let Some(layout) = &host.cgroups else {
        for name in [SUBGROUP, DELEGATED] {
            if annotations::value(spec, name).is_some() {
                findings.warning(annotations::place(name), "ignored: there is no cgroup");
            }
        }
        return CgroupPlan::disabled();
    };
    let mut subgroup = below(spec, SUBGROUP, layout, findings);
    if subgroup.is_some() && host.systemd.is_none() {
        let reason = "ignored: the cgroup is not one of systemd's";
        findings.warning(annotations::place(SUBGROUP), reason);
        subgroup = None;
    }
    let delegated = below(spec, DELEGATED, layout, findings).map(|path| DelegatedPlan {
        path,
        owner: id_maps.and_then(|maps| maps.outside_user(0)),
    });
    let resources = linux.resources().as_ref();
    let path = linux
        .cgroups_path()
        .as_ref()
        .map(|path| path.to_string_lossy());
    let rules = resources.and_then(|resources| resources.devices().as_deref());
    let devices = device_control(rules.unwrap_or_default(), layout, host.rootless, findings);
    let none = HashMap::new();
    let unit = host.systemd.as_ref().map(|systemd| UnitRequest {
        systemd,
        devices: unit_devices(rules.unwrap_or_default(), systemd, &devices),
        annotations: spec.annotations().as_ref().unwrap_or(&none),
    });
    let request = CgroupRequest {
        id,
        path: path.as_deref().filter(|path| !path.is_empty()),
        resources,
        devices,
        rootless: host.rootless,
        unit,
        subgroup,
    };
    CgroupPlan {
        delegated,
        ..cgroups::plan(layout, &request, findings)
    }
}

/// The way to a cgroup below another, as an annotation has it: `/a` for `a`.
fn below(spec: &Spec, name: &str, layout: &Layout, findings: &mut Findings) -> Option<String> {
    let path = annotations::value(spec, name)?;
    let place = annotations::place(name);
    if !layout.is_unified() {
        findings.error(
            place,
            "it needs cgroup v2 alone: version 1 cannot be delegated",
        );
        return None;
    }
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    if !path.split('/').all(plain) {
        findings.error(
            place,
            format!("{path:?} does not lead below the container's cgroup"),
        );
        return None;
    }
    Some(format!("/{path}"))
}

/// The device rules as systemd keeps them. Its own program is beside ours, so
/// where it cannot hold them it allows all; the files of v1 are one list for
/// both, which is then as strict as it may be. A user's systemd has no power
/// over devices.
fn unit_devices(
    rules: &[crate::spec::oci::LinuxDeviceCgroup],
    systemd: &Systemd,
    control: &DeviceControl,
) -> UnitDevices {
    use device_rules::allow_list::{AllowList, allow_list};

    if systemd.manager == Manager::User || *control == DeviceControl::Untouched {
        return UnitDevices::Untouched;
    }
    // What is wrong with the rules is told by whoever enforces them.
    let rules = device_rules::rules::container_rules(Some(rules), &mut Findings::new());
    match (allow_list(&rules), control) {
        (AllowList::All, _) | (AllowList::Beyond(_), DeviceControl::Program(_)) => {
            UnitDevices::Open
        }
        (AllowList::Only(list) | AllowList::Beyond(list), _) => UnitDevices::Strict(list),
    }
}

fn device_control(
    rules: &[crate::spec::oci::LinuxDeviceCgroup],
    layout: &Layout,
    rootless: bool,
    findings: &mut Findings,
) -> DeviceControl {
    if rootless && rules.is_empty() {
        return DeviceControl::Untouched;
    }
    let enforcement = layout.device_enforcement();
    let rules = device_rules::rules::container_rules(Some(rules), findings);
    if enforcement == DeviceEnforcement::Nothing {
        if !rootless && !device_rules::rules::allow_all(&rules) {
            findings.error(
                "linux.resources.devices",
                "this host has neither the devices controller of cgroup v1 nor cgroup v2 to enforce them",
            );
        }
        return DeviceControl::Untouched;
    }
    match enforcement {
        DeviceEnforcement::Nothing => DeviceControl::Untouched,
        DeviceEnforcement::Files => {
            DeviceControl::Files(device_rules::files::writes(&rules, findings))
        }
        DeviceEnforcement::Program => DeviceControl::Program(DeviceProgram {
            program: device_rules::program::program(&rules),
            required: !device_rules::rules::allow_all(&rules),
        }),
    }
}

/// Who is given the cgroup: the program's user, where it sees a cgroup2 of its own
/// that it may write (config-linux.md, "Cgroup ownership").
pub(super) fn owner(
    spec: &Spec,
    init: &InitPlan,
    id_maps: Option<&IdMaps>,
    host: &Host,
) -> Option<u32> {
    let namespaces = &init.namespaces;
    let unified = host.cgroups.as_ref().is_some_and(Layout::is_unified);
    if !unified || !namespaces.is_new(Kind::Cgroup) {
        return None;
    }
    let writable = |mount: &Mount| {
        let source = mount.source().as_ref();
        let options = mount.options().as_deref().unwrap_or_default();
        source.is_some_and(|source| source == Path::new("cgroup"))
            && mount.destination() == Path::new("/sys/fs/cgroup")
            && !options.iter().any(|option| option == "ro")
    };
    if !spec.mounts().iter().flatten().any(writable) {
        return None;
    }
    let inside = init.process.user.uid;
    match id_maps {
        Some(maps) => maps.outside_user(inside),
        // Of a namespace that is joined we do not know the maps.
        None if namespaces.has(Kind::User) => None,
        None => (inside != 0).then_some(inside),
    }
}

/// The container's own view of its cgroups, for a mount of that type.
pub(super) fn view(
    cgroup: &CgroupPlan,
    host: &Host,
    namespaces: &NamespacePlan,
) -> Option<CgroupMount> {
    let own_namespace = namespaces.has(Kind::Cgroup);
    if let Some(layout) = &host.seen_cgroups {
        return of_the_creator(layout, own_namespace);
    }
    let layout = host.cgroups.as_ref();
    let trees = &cgroup.hierarchies;
    let first = trees.first()?;
    if trees.iter().all(|tree| tree.controllers.is_empty()) {
        return Some(unified(&first.mount, own_namespace));
    }
    let hierarchies = trees
        .iter()
        .map(|tree| {
            // Gone without, the container stays in the cgroup of its creator.
            let own = layout.filter(|_| cgroup.optional).and_then(|layout| {
                let mut mounted = layout.hierarchies.iter();
                let own = mounted
                    .find(|other| other.mount == tree.mount)?
                    .own
                    .as_ref()?;
                Some(PathBuf::from(format!("{}{own}", tree.mount)))
            });
            LegacyHierarchy {
                otherwise: own,
                ..legacy(&tree.controllers, &tree.mount, tree.folder().into())
            }
        })
        .collect();
    Some(CgroupMount::Legacy {
        hierarchies,
        fresh: own_namespace,
    })
}

/// What a container sees that stays in its creator's cgroups.
fn of_the_creator(layout: &Layout, own_namespace: bool) -> Option<CgroupMount> {
    let first = layout.hierarchies.first()?;
    if layout.is_unified() {
        return Some(unified(&first.mount, own_namespace));
    }
    let hierarchies = layout.hierarchies.iter().filter_map(|tree| {
        let source = format!("{}{}", tree.mount, tree.own.as_deref()?);
        Some(legacy(&tree.controllers, &tree.mount, source.into()))
    });
    Some(CgroupMount::Legacy {
        hierarchies: hierarchies.collect(),
        fresh: own_namespace,
    })
}

fn unified(mount: &str, own_namespace: bool) -> CgroupMount {
    if own_namespace {
        CgroupMount::Unified {
            parameters: Vec::new(),
        }
    } else {
        // What /proc/self/cgroup names is there: monitors of a whole host go without a
        // cgroup namespace for that.
        CgroupMount::UnifiedBind {
            source: PathBuf::from(mount),
        }
    }
}

/// A hierarchy by the name of its mount point, with links by the names of its
/// controllers where it has several.
fn legacy(controllers: &[String], mount: &str, source: PathBuf) -> LegacyHierarchy {
    let name = mount.rsplit('/').next().unwrap_or_default().to_owned();
    let links = controllers
        .iter()
        .filter(|controller| {
            controllers.len() > 1 && **controller != name && !controller.contains('=')
        })
        .cloned()
        .collect();
    LegacyHierarchy {
        options: options(controllers),
        source,
        otherwise: None,
        name,
        links,
    }
}

/// The mount options that name a v1 hierarchy; none for cgroup2.
fn options(controllers: &[String]) -> Option<String> {
    if controllers.is_empty() {
        return None;
    }
    let named = controllers.iter().all(|name| name.starts_with("name="));
    let list = controllers.join(",");
    Some(if named { format!("none,{list}") } else { list })
}
