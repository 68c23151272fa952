//! New limits for a container that is there.

use std::time::{Duration, Instant};

use super::limits::Limits;
use super::parse::word;
use super::plan::{CgroupPlan, Enable, HierarchyPlan};
use super::record::Cgroup;
use super::restore::OldValues;
use super::systemd::{self, UnitPlan};
use super::v2::enable;
use crate::error::{Findings, StepError};
use crate::spec::oci::LinuxResources;
use crate::sys::small_file;

/// How long the processes have to stand still.
const FREEZING: Duration = Duration::from_secs(2);

/// The limits as they were before an update.
#[derive(Debug)]
pub struct Before {
    files: Vec<OldValues>,
    unit: Option<UnitPlan>,
}

impl Before {
    /// Takes the update back. What cannot be set back is said in the log.
    pub fn put_back(&self) {
        if let Some(unit) = &self.unit
            && let Err(error) = systemd::set_properties(unit)
        {
            log::warn!("{error}");
        }
        self.files.iter().rev().for_each(OldValues::put_back);
    }
}

impl Cgroup {
    /// Plans the writes of an update, for [`apply_update`](Self::apply_update).
    /// What is not named keeps its value; where one file holds two values the
    /// other is read from it. Device rules are left alone.
    pub fn plan_update(
        &self,
        resources: &LinuxResources,
        findings: &mut Findings,
    ) -> Result<CgroupPlan, StepError> {
        let mut plan = CgroupPlan {
            hierarchies: self
                .record
                .hierarchies
                .iter()
                .map(|tree| HierarchyPlan {
                    controllers: tree.controllers.clone(),
                    mount: tree.mount.clone(),
                    path: tree.path.clone(),
                    enable: Enable::Only(Vec::new()),
                    writes: Vec::new(),
                    program: None,
                    check_memory: None,
                })
                .collect(),
            ..CgroupPlan::default()
        };
        if *resources == LinuxResources::default() {
            return Ok(plan);
        }
        if self.is_disabled() {
            findings.error("linux.resources", "the container has no cgroup");
            return Ok(plan);
        }
        let mut resources = resources.clone();
        if self.is_unified() {
            self.complete(&mut resources)?;
        } else if self.record.unit.is_some() {
            Self::complete_quota(&mut resources, || self.v1_quota())?;
        }
        if let Some(unit) = &self.record.unit {
            resources = systemd::rounded(&resources);
            let host =
                systemd::probe(unit.manager).map_err(|error| StepError::said(error.to_string()))?;
            plan.unit = Some(UnitPlan {
                manager: unit.manager,
                name: unit.name.clone(),
                properties: systemd::resources(
                    &resources,
                    host.version,
                    !self.is_unified(),
                    findings,
                ),
            });
        }
        Limits {
            plan: &mut plan,
            findings,
            unified: self.is_unified(),
        }
        .add_all(&resources);
        Ok(plan)
    }

    /// Writes the limits of an update, of which systemd is told when the cgroup is
    /// its unit's: when one is refused, those before it get
    /// their old values back. Gives what was there before, for a caller who has
    /// more to do that may fail.
    pub fn apply_update(&self, plan: &CgroupPlan) -> Result<Before, StepError> {
        let changed = || plan.hierarchies.iter().filter(|it| !it.writes.is_empty());
        for tree in changed().filter(|tree| tree.controllers.is_empty()) {
            enable::enable(tree)?;
        }
        Self::check_memory(plan)?;
        let (old, new) = match plan.unit.as_ref().map(systemd::changes).transpose()? {
            Some((old, new)) => (Some(old), Some(new)),
            None => (None, None),
        };
        let before = Before {
            files: changed()
                .map(|tree| OldValues::read(&tree.folder(), &tree.writes))
                .collect(),
            unit: old,
        };
        // systemd first: it writes what it knows to the files too.
        let told = new.as_ref().map_or(Ok(()), |unit| self.tell_systemd(unit));
        match told.and_then(|()| self.apply_limits(plan)) {
            Ok(()) => Ok(before),
            Err(error) => {
                before.put_back();
                Err(error)
            }
        }
    }

    /// Adds the values that v2 needs beside those named.
    fn complete(&self, resources: &mut LinuxResources) -> Result<(), StepError> {
        Self::complete_quota(resources, || Ok(cpu_max(&self.read_v2("cpu.max")?)))?;
        if let Some(memory) = resources.memory_mut()
            && memory.limit().is_none_or(|limit| limit == 0)
            && memory.swap().is_some_and(|swap| swap > 0)
        {
            let limit = self.read_v2("memory.max")?;
            memory.set_limit(Some(limit.parse().unwrap_or(-1)));
        }
        Ok(())
    }

    /// Adds the quota to a period, and the period to a quota, from what is set.
    fn complete_quota(
        resources: &mut LinuxResources,
        set: impl FnOnce() -> Result<(i64, Option<u64>), StepError>,
    ) -> Result<(), StepError> {
        let Some(cpu) = resources.cpu_mut() else {
            return Ok(());
        };
        let has_quota = cpu.quota().is_some_and(|quota| quota != 0);
        let has_period = cpu.period().is_some_and(|period| period != 0);
        if has_quota != has_period {
            let (quota, period) = set()?;
            if has_period {
                cpu.set_quota(Some(quota));
            } else {
                cpu.set_period(period);
            }
        }
        Ok(())
    }

    /// The same of v1, where there is a limit of CPU time.
    fn v1_quota(&self) -> Result<(i64, Option<u64>), StepError> {
        let Some(tree) = self.v1("cpu") else {
            return Ok((-1, None));
        };
        let read = |file| {
            let path = tree.file(file);
            small_file::read(&path)
                .map(|text| word(&text).to_owned())
                .map_err(|errno| StepError::new("read", path, errno))
        };
        let quota = read("cpu.cfs_quota_us")?.parse().unwrap_or(-1);
        Ok((quota, read("cpu.cfs_period_us")?.parse().ok()))
    }

    /// Sets the unit's properties. On v1 systemd takes all devices away before it
    /// gives them back, so the processes are held meanwhile.
    fn tell_systemd(&self, unit: &UnitPlan) -> Result<(), StepError> {
        if unit.properties.is_empty() {
            return Ok(());
        }
        let holds = !self.is_unified() && !self.is_frozen()?;
        if holds && let Err(error) = self.freeze(Instant::now() + FREEZING) {
            log::debug!("{error}");
        }
        let set = systemd::set_properties(unit);
        if holds && let Err(error) = self.thaw() {
            log::warn!("{error}");
        }
        set
    }

    fn read_v2(&self, file: &str) -> Result<String, StepError> {
        let path = self.v2().map(|tree| tree.file(file)).unwrap_or_default();
        small_file::read(&path)
            .map(|text| word(&text).to_owned())
            .map_err(|errno| StepError::new("read", path, errno))
    }
}

/// Quota (-1 is none) and period of `cpu.max`.
fn cpu_max(text: &str) -> (i64, Option<u64>) {
    let (quota, period) = text.split_once(' ').unwrap_or((text, ""));
    (quota.parse().unwrap_or(-1), period.parse().ok())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

    use super::super::record::{CgroupRecord, RecordedHierarchy};
    use super::*;

    /// A v2 cgroup in a temporary folder, and the writes of an update of it.
    fn writes(files: &[(&str, &str)], resources: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("c1")).unwrap();
        for (file, value) in files {
            std::fs::write(root.join("c1").join(file), value).unwrap();
        }
        let cgroup = Cgroup::from_record(CgroupRecord {
            hierarchies: vec![RecordedHierarchy {
                controllers: Vec::new(),
                mount: root.to_str().unwrap().to_owned(),
                path: "/c1".to_owned(),
                made_parents: Vec::new(),
                made: true,
            }],
            unit: None,
        });
        let mut findings = Findings::new();
        let resources = serde_json::from_str(resources).unwrap();
        let plan = cgroup.plan_update(&resources, &mut findings).unwrap();
        assert_eq!(findings.to_string(), "");
        plan.hierarchies
            .first()
            .unwrap()
            .writes
            .iter()
            .map(|write| format!("{} = {}", write.file, write.value))
            .collect()
    }

    #[test]
    fn quota_and_period_keep_each_other() {
        let set = [("cpu.max", "5000 20000\n")];
        let unset = [("cpu.max", "max 100000\n")];
        let quota = r#"{"cpu": {"quota": 3000}}"#;
        let period = r#"{"cpu": {"period": 10000}}"#;
        assert_eq!(writes(&set, quota), ["cpu.max = 3000 20000"]);
        assert_eq!(writes(&set, period), ["cpu.max = 5000 10000"]);
        assert_eq!(writes(&unset, quota), ["cpu.max = 3000 100000"]);
        assert_eq!(writes(&unset, period), ["cpu.max = max 10000"]);
    }

    #[test]
    fn memory_alone_leaves_swap_and_swap_alone_goes_by_memory() {
        let files = [("memory.max", "1000\n"), ("memory.swap.max", "500\n")];
        assert_eq!(
            writes(&files, r#"{"memory": {"limit": 2000}}"#),
            ["memory.max = 2000"]
        );
        assert_eq!(
            writes(&files, r#"{"memory": {"swap": 1800}}"#),
            ["memory.swap.max = 800", "memory.max = 1000"]
        );
    }

    #[test]
    fn nothing_named_writes_nothing() {
        assert_eq!(writes(&[], r#"{"cpu": {}, "memory": {}}"#), [""; 0]);
    }
}
