//! What is to be made and written, settled before anything is.

use serde::{Deserialize, Serialize};

use super::layout::{Hierarchy, Layout};
use super::limits::Limits;
use super::path::CgroupPath;
use super::systemd::{self, Manager, UnitName, UnitPlan, UnitRequest};
use super::write::Write;
use crate::ebpf::Program;
use crate::error::Findings;
use crate::spec::oci::LinuxResources;

/// What planning goes by.
#[derive(Debug)]
pub struct CgroupRequest<'a> {
    /// The container's id: the cgroup's name where the configuration has none.
    pub id: &'a str,
    /// `linux.cgroupsPath`.
    pub path: Option<&'a str>,
    /// `linux.resources`.
    pub resources: Option<&'a LinuxResources>,
    /// `linux.resources.devices` as this host enforces it.
    pub devices: DeviceControl,
    /// Whether we have no power over the host's cgroups.
    pub rootless: bool,
    /// The unit, where systemd is to make the cgroup.
    pub unit: Option<UnitRequest<'a>>,
    /// The cgroup's place below its unit's, `/container`.
    pub subgroup: Option<String>,
}

/// Device rules in the form that [`Layout::device_enforcement`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceControl {
    /// Leave devices alone.
    Untouched,
    /// File and value of each write, for v1.
    Files(Vec<(&'static str, String)>),
    /// A program, for v2.
    Program(DeviceProgram),
}

/// A device program for a v2 cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceProgram {
    /// The program.
    pub program: Program,
    /// Whether it refuses anything, so that it cannot be done without.
    pub required: bool,
}

/// The container's cgroup in every hierarchy; none when it has no cgroup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPlan {
    /// One for each hierarchy, in the order in which they are made.
    pub hierarchies: Vec<HierarchyPlan>,
    /// Whether a hierarchy that may not be written is gone without: rootless,
    /// no path asked for.
    pub optional: bool,
    /// Whether we have no power over the host's devices, so that their rules are
    /// kept only where we may: without that power nobody makes device nodes.
    pub rootless: bool,
    /// The limits asked for, `pids` or `memory`: with one of them [`optional`]
    /// ends where its hierarchy may not be written.
    ///
    /// [`optional`]: Self::optional
    pub limits: Vec<String>,
    /// The unit that makes the cgroup, where systemd does; for an update, the
    /// properties that change.
    pub unit: Option<UnitPlan>,
    /// The way from the unit's own cgroup to the container's, `/container`; none
    /// where they are the same.
    pub subgroup: Option<String>,
    /// The process's cgroup, where it is below the container's.
    pub delegated: Option<DelegatedPlan>,
}

/// A cgroup for the container to rule, without limits of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedPlan {
    /// The way there from the container's cgroup, `/payload`.
    pub path: String,
    /// The host's user who is given it.
    pub owner: Option<u32>,
}

/// The container's cgroup in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HierarchyPlan {
    /// The v1 controllers; none for v2.
    pub controllers: Vec<String>,
    /// The mount point.
    pub mount: String,
    /// The cgroup, from the mount point, `/a/b`.
    pub path: String,
    /// The v2 controllers to be enabled on the way there.
    pub enable: Enable,
    /// The values, in the order in which they are written.
    pub writes: Vec<Write>,
    /// The device program, on v2.
    pub program: Option<DeviceProgram>,
    /// `memory.limit` and `memory.swap` when they must not be below what is in
    /// use (`memory.checkBeforeUpdate`), on v2.
    pub check_memory: Option<(i64, i64)>,
}

/// Controllers to be enabled for a v2 cgroup by its ancestors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enable {
    /// All that there are.
    All,
    /// These.
    Only(Vec<String>),
}

impl CgroupPlan {
    /// No cgroup: the container stays in its creator's.
    #[must_use]
    pub fn disabled() -> Self {
        Self::default()
    }
}

impl HierarchyPlan {
    /// The cgroup's path in the file system.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{}{}", self.mount, self.path)
    }
}

/// Plans the container's cgroup. The plan holds only when `findings` has no
/// errors after it.
#[must_use]
pub fn plan(layout: &Layout, request: &CgroupRequest<'_>, findings: &mut Findings) -> CgroupPlan {
    let mut plan = CgroupPlan {
        hierarchies: Vec::with_capacity(layout.hierarchies.len()),
        optional: request.unit.is_none()
            && request.rootless
            && request.path.is_none_or(str::is_empty),
        rootless: request.rootless,
        limits: Vec::new(),
        unit: None,
        subgroup: request.subgroup.clone(),
        delegated: None,
    };
    if layout.hierarchies.is_empty() {
        findings.error("", "no cgroup file system is mounted");
    }
    let held = match &request.unit {
        Some(_) => request.resources.map(systemd::rounded),
        None => None,
    };
    let resources = held.as_ref().or(request.resources);
    if let Some(unit) = &request.unit {
        place_unit(layout, request, unit, resources, &mut plan, findings);
    } else if let Some(path) = CgroupPath::read(request.path, request.id, findings) {
        for hierarchy in &layout.hierarchies {
            place(hierarchy, &path, layout.is_unified(), &mut plan, findings);
        }
    }
    let mut limits = Limits {
        plan: &mut plan,
        findings,
        unified: layout.is_unified(),
    };
    if let Some(resources) = resources {
        limits.add_all(resources);
    }
    devices(&mut plan, &request.devices);
    plan
}

/// The unit, and its cgroup in every hierarchy.
fn place_unit(
    layout: &Layout,
    request: &CgroupRequest<'_>,
    unit: &UnitRequest<'_>,
    resources: Option<&LinuxResources>,
    plan: &mut CgroupPlan,
    findings: &mut Findings,
) {
    let alone = layout.is_unified();
    let slice = match unit.systemd.manager {
        Manager::System => "system.slice",
        Manager::User => "user.slice",
    };
    if unit.systemd.manager == Manager::User && !alone {
        findings.error(
            "",
            "the user's systemd rules cgroup v2 alone, which this host has not",
        );
    }
    let Some(name) = UnitName::read(request.path, request.id, slice, findings) else {
        return;
    };
    let subgroup = request.subgroup.as_deref().unwrap_or_default();
    let path = format!("{}{}{subgroup}", unit.systemd.control_group, name.path);
    for hierarchy in &layout.hierarchies {
        plan.hierarchies.push(at(hierarchy, path.clone(), alone));
    }
    let legacy = !alone;
    plan.unit = Some(systemd::unit(
        name, request.id, unit, resources, legacy, findings,
    ));
}

fn place(
    hierarchy: &Hierarchy,
    path: &CgroupPath,
    alone: bool,
    plan: &mut CgroupPlan,
    findings: &mut Findings,
) {
    let Some(path) = path.within(hierarchy.own.as_deref(), alone) else {
        findings.error(
            "linux.cgroupsPath",
            format!("our own cgroup is not below {}", hierarchy.mount),
        );
        return;
    };
    plan.hierarchies.push(at(hierarchy, path, alone));
}

fn at(hierarchy: &Hierarchy, path: String, alone: bool) -> HierarchyPlan {
    HierarchyPlan {
        controllers: hierarchy.controllers.clone(),
        mount: hierarchy.mount.clone(),
        path,
        enable: if alone {
            Enable::All
        } else {
            Enable::Only(Vec::new())
        },
        writes: Vec::new(),
        program: None,
        check_memory: None,
    }
}

/// Gives the device rules to the hierarchy that enforces them.
fn devices(plan: &mut CgroupPlan, control: &DeviceControl) {
    match control {
        DeviceControl::Untouched => {}
        DeviceControl::Files(files) => {
            let tree = plan
                .hierarchies
                .iter_mut()
                .find(|tree| tree.controllers.iter().any(|name| name == "devices"));
            if let Some(tree) = tree {
                let writes = files.iter().map(|(file, value)| Write::new(*file, value));
                tree.writes.extend(writes);
            }
        }
        DeviceControl::Program(program) => {
            let tree = plan
                .hierarchies
                .iter_mut()
                .find(|tree| tree.controllers.is_empty());
            if let Some(tree) = tree {
                tree.program = Some(program.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
