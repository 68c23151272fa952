//! `linux.resources` put to the hierarchies that have the controllers.

use super::plan::{CgroupPlan, Enable};
use super::write::Write;
use super::{common, v1, v2};
use crate::error::Findings;
use crate::spec::oci::{LinuxMemory, LinuxResources};

/// The version of the hierarchy that has a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// Adds limits to a plan.
pub(super) struct Limits<'a> {
    pub(super) plan: &'a mut CgroupPlan,
    pub(super) findings: &'a mut Findings,
    /// Whether the host has cgroup v2 alone.
    pub(super) unified: bool,
}

impl Limits<'_> {
    /// Adds every limit, in the order in which they are best written: what other
    /// values wear off comes first, raw values last, so that they win.
    pub(super) fn add_all(&mut self, resources: &LinuxResources) {
        if let Some(pids) = *resources.pids() {
            self.add("pids", "pids", "linux.resources.pids", |_, _| {
                common::pids(pids)
            });
        }
        if let Some(memory) = resources.memory() {
            self.add_memory(memory);
        }
        if let Some(io) = resources.block_io() {
            self.add(
                "blkio",
                "io",
                "linux.resources.blockIO",
                |version, findings| match version {
                    Version::V1 => v1::blkio::writes(io, findings),
                    Version::V2 => v2::io::writes(io, findings),
                },
            );
        }
        if let Some(cpu) = resources.cpu() {
            self.add(
                "cpu",
                "cpu",
                "linux.resources.cpu",
                |version, findings| match version {
                    Version::V1 => v1::cpu::writes(cpu, findings),
                    Version::V2 => v2::cpu::writes(cpu, findings),
                },
            );
            self.add("cpuset", "cpuset", "linux.resources.cpu", |_, _| {
                common::cpuset(cpu)
            });
        }
        if let Some(limits) = resources.hugepage_limits() {
            let field = "linux.resources.hugepageLimits";
            self.add("hugetlb", "hugetlb", field, |version, findings| {
                let suffix = match version {
                    Version::V1 => "limit_in_bytes",
                    Version::V2 => "max",
                };
                common::hugetlb(limits, suffix, findings)
            });
        }
        if let Some(devices) = resources.rdma() {
            self.add("rdma", "rdma", "linux.resources.rdma", |_, findings| {
                common::rdma(devices, findings)
            });
        }
        self.add_network(resources);
        self.add_unified(resources);
    }

    fn add_memory(&mut self, memory: &LinuxMemory) {
        for (field, value) in [
            ("linux.resources.memory.kernel", memory.kernel()),
            ("linux.resources.memory.kernelTCP", memory.kernel_tcp()),
        ] {
            if value.is_some() {
                self.findings
                    .warning(field, "kernel memory settings are ignored");
            }
        }
        self.add(
            "memory",
            "memory",
            "linux.resources.memory",
            |version, findings| match version {
                Version::V1 => v1::memory::writes(memory, findings),
                Version::V2 => v2::memory::writes(memory, findings),
            },
        );
        if memory.check_before_update() == Some(true)
            && let Some((index, Version::V2)) = self.place("memory", "memory")
            && let Some(tree) = self.plan.hierarchies.get_mut(index)
        {
            let limit = memory.limit().unwrap_or_default();
            tree.check_memory = Some((limit, memory.swap().unwrap_or_default()));
        }
    }

    fn add_network(&mut self, resources: &LinuxResources) {
        let Some(network) = resources.network() else {
            return;
        };
        let class = "linux.resources.network.classID";
        let priorities = "linux.resources.network.priorities";
        if self.unified {
            // Engines write the field whatever the host has.
            if network.class_id().is_some_and(|id| id != 0) {
                self.findings
                    .warning(class, "cgroup v2 has no network classes");
            }
            if network
                .priorities()
                .as_ref()
                .is_some_and(|list| !list.is_empty())
            {
                self.findings
                    .warning(priorities, "cgroup v2 has no network priorities");
            }
            return;
        }
        self.add("net_cls", "", class, |_, _| v1::network::class(network));
        self.add("net_prio", "", priorities, |_, findings| {
            v1::network::priorities(network, findings)
        });
    }

    fn add_unified(&mut self, resources: &LinuxResources) {
        let Some(unified) = resources.unified().as_ref().filter(|map| !map.is_empty()) else {
            return;
        };
        if !self.unified {
            self.findings.error(
                "linux.resources.unified",
                "invalid configuration: cgroup v1 has no unified resources",
            );
            return;
        }
        let writes = v2::unified::writes(unified, self.findings);
        if let Some(tree) = self.plan.hierarchies.first_mut() {
            tree.writes.extend(writes);
        }
        self.plan.limits.push("unified".to_owned());
    }

    /// Adds a controller's writes; `v2` is empty where v2 has no such thing.
    fn add(
        &mut self,
        v1: &str,
        v2: &str,
        field: &str,
        writes: impl FnOnce(Version, &mut Findings) -> Vec<Write>,
    ) {
        let place = self.place(v1, v2);
        let usual = if self.unified {
            Version::V2
        } else {
            Version::V1
        };
        let version = place.map_or(usual, |(_, version)| version);
        let mut writes = writes(version, self.findings);
        if writes.is_empty() {
            return;
        }
        let tree = place.and_then(|(index, _)| self.plan.hierarchies.get_mut(index));
        let Some(tree) = tree else {
            // Where the path is at fault there is no hierarchy, and that is said.
            if !self.plan.hierarchies.is_empty() {
                self.findings
                    .error(field, format!("the {v1} controller is not mounted"));
            }
            return;
        };
        if version == Version::V2
            && let Enable::Only(enable) = &mut tree.enable
        {
            enable.push(v2.to_owned());
        }
        tree.writes.append(&mut writes);
        self.plan.limits.push(v1.to_owned());
    }

    /// The hierarchy of a controller: v1's where that is mounted, else v2, which
    /// has the rest.
    fn place(&self, v1: &str, v2: &str) -> Option<(usize, Version)> {
        let trees = || self.plan.hierarchies.iter();
        if let Some(index) = trees().position(|tree| tree.controllers.iter().any(|c| c == v1)) {
            return Some((index, Version::V1));
        }
        let index = trees().position(|tree| tree.controllers.is_empty())?;
        (!v2.is_empty()).then_some((index, Version::V2))
    }
}
