//! Making the cgroup, and unmaking what was made when that fails.

use std::time::{Duration, Instant};

use super::below::descend;
use super::fs;
use super::parse;
use super::plan::{CgroupPlan, HierarchyPlan};
use super::record::{Cgroup, CgroupRecord, RecordedHierarchy, RecordedUnit};
use super::systemd::{self, UnitPlan};
use super::v1::cpuset;
use super::v2::enable;
use crate::error::StepError;
use crate::sys::ns::in_user_namespace;
use crate::sys::{Errno, small_file};

/// How often an ancestor may vanish under our hands (another container's undo)
/// before we say so.
const ATTEMPTS: usize = 8;

/// How long systemd has to stop the unit of a container that could not be made.
const UNIT_PATIENCE: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Makes the cgroup in every hierarchy, ready to be joined. When a step fails
    /// nothing of it is left.
    ///
    /// A cgroup that was there must be empty and not frozen. systemd makes it for
    /// a process, `pid`, and with that in it; nobody else needs one.
    pub fn create(plan: &CgroupPlan, pid: Option<i32>) -> Result<Self, StepError> {
        if let (Some(unit), Some(pid)) = (&plan.unit, pid) {
            return Self::start_unit(plan, unit, pid);
        }
        let mut made = CgroupRecord {
            hierarchies: Vec::with_capacity(plan.hierarchies.len()),
            unit: None,
        };
        for hierarchy in &plan.hierarchies {
            let mut tree = planned(hierarchy);
            let result = make(hierarchy, &mut tree, Found::Unused);
            if let Err(error) = result {
                if plan.optional && is_forbidden(&error) {
                    undo(&tree);
                    if let Some(error) = wanted(plan, &tree, error) {
                        made.hierarchies.iter().rev().for_each(undo);
                        return Err(error);
                    }
                    continue;
                }
                undo(&tree);
                made.hierarchies.iter().rev().for_each(undo);
                return Err(error);
            }
            made.hierarchies.push(tree);
        }
        Ok(Self {
            fresh: true,
            ..Self::from_record(made)
        })
    }

    /// Has systemd start the unit, and makes its cgroup where systemd makes none.
    fn start_unit(plan: &CgroupPlan, unit: &UnitPlan, pid: i32) -> Result<Self, StepError> {
        let trees: Vec<RecordedHierarchy> = plan.hierarchies.iter().map(planned).collect();
        let mut cgroup = Self::from_record(CgroupRecord {
            hierarchies: trees,
            unit: Some(RecordedUnit {
                manager: unit.manager,
                name: unit.name.clone(),
                invocation: None,
            }),
        });
        cgroup.fresh = true;
        // Without the sub-cgroup that is ours to make.
        let subgroup = plan.subgroup.as_deref().unwrap_or_default();
        let units = |path: &str| path.strip_suffix(subgroup).unwrap_or(path).to_owned();
        let folder = cgroup.kept_by_systemd().map(RecordedHierarchy::folder);
        let folder = folder.map(|folder| units(&folder));
        let folder = folder.ok_or_else(|| {
            let reason = "neither cgroup v2 nor systemd's own hierarchy is mounted";
            StepError::refused("start unit", unit.name.as_str(), reason)
        })?;
        // systemd would take over what it finds, and tell less.
        for tree in &cgroup.record.hierarchies {
            check_unused(&units(&tree.folder()), tree)?;
        }
        let invocation = systemd::start(unit, &folder, pid)?;
        if let Some(unit) = &mut cgroup.record.unit {
            unit.invocation = Some(invocation);
        }
        let trees = plan.hierarchies.iter().zip(&mut cgroup.record.hierarchies);
        for (hierarchy, tree) in trees {
            let made = if subgroup.is_empty() {
                make(hierarchy, tree, Found::Systemds)
            } else {
                descend(hierarchy, tree, &units(&hierarchy.path), pid)
            };
            if let Err(error) = made {
                if let Some(unit) = &cgroup.record.unit
                    && let Err(error) =
                        systemd::stop(unit, Some(pid), Instant::now() + UNIT_PATIENCE)
                {
                    log::warn!("{error}");
                }
                cgroup.undo();
                return Err(error);
            }
        }
        Ok(cgroup)
    }

    /// Takes back [`create`](Self::create): removes the cgroups and ancestors that
    /// it made and that are empty, and leaves what it found.
    pub fn undo(&self) {
        self.record.hierarchies.iter().rev().for_each(undo);
    }

    /// Refuses a limit of memory that is not above what is in use, where the plan
    /// asks for that.
    pub(super) fn check_memory(plan: &CgroupPlan) -> Result<(), StepError> {
        plan.hierarchies.iter().try_for_each(|hierarchy| {
            let check = hierarchy.check_memory;
            check.map_or(Ok(()), |check| {
                super::v2::memory::check(&hierarchy.folder(), check)
            })
        })
    }

    /// Writes the limits and device rules.
    pub fn apply_limits(&self, plan: &CgroupPlan) -> Result<(), StepError> {
        Self::check_memory(plan)?;
        for hierarchy in &plan.hierarchies {
            let known = self
                .record
                .hierarchies
                .iter()
                .find(|tree| tree.mount == hierarchy.mount && tree.path == hierarchy.path);
            let Some(tree) = known else {
                // Left out by an optional plan, which checked that no limit is
                // among the writes but device rules.
                continue;
            };
            fs::write_all(&tree.folder(), &hierarchy.writes).or_else(|error| {
                if tree.has("devices")
                    && is_forbidden(&error)
                    && (plan.rootless || in_user_namespace())
                {
                    // Nobody but the first user namespace rules over devices,
                    // and elsewhere mknod(2) is refused anyway.
                    log::debug!("device rules are left out: {error}");
                    return Ok(());
                }
                Err(error)
            })?;
            if let Some(program) = &hierarchy.program
                && let Some(fd) = self.unified_fd()?
            {
                // systemd's program stays beside ours: it is the same, or allows
                // all, and systemd puts it back whenever it is reloaded.
                let untouched = self.fresh && (tree.made || self.record.unit.is_some());
                let result = super::program::install(fd, program, untouched);
                result.or_else(|errno| {
                    if errno == Errno::EPERM
                        && (!program.required || plan.rootless || in_user_namespace())
                    {
                        log::debug!("device rules are left out: bpf(2) is not permitted");
                        return Ok(());
                    }
                    let object = tree.folder();
                    Err(StepError::new(
                        "attach the device program to",
                        object,
                        errno,
                    ))
                })?;
            }
        }
        Ok(())
    }
}

/// What to think of a cgroup that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It must not be in use.
    Unused,
    /// systemd has made it for us.
    Systemds,
}

fn planned(hierarchy: &HierarchyPlan) -> RecordedHierarchy {
    RecordedHierarchy {
        controllers: hierarchy.controllers.clone(),
        mount: hierarchy.mount.clone(),
        path: hierarchy.path.clone(),
        made_parents: Vec::new(),
        made: false,
    }
}

/// Makes one hierarchy's cgroup; what was made stands in `tree` also when a
/// later step failed.
fn make(plan: &HierarchyPlan, tree: &mut RecordedHierarchy, found: Found) -> Result<(), StepError> {
    let folder = plan.folder();
    let fail = |errno| StepError::new("create cgroup", folder.clone(), errno);
    let mut attempts = 0;
    loop {
        match small_file::make_folder(&folder) {
            Ok(()) => {
                tree.made = true;
                break;
            }
            Err(Errno::EEXIST) => {
                if found == Found::Unused {
                    check_unused(&folder, tree)?;
                }
                break;
            }
            Err(Errno::ENOENT) if attempts < ATTEMPTS => {
                attempts += 1;
                make_parents(plan, tree).map_err(fail)?;
            }
            Err(errno) => return Err(fail(errno)),
        }
    }
    if tree.is_v2() {
        enable::enable(plan)
    } else if tree.has("cpuset") {
        cpuset::fill(&plan.mount, &plan.path, &plan.writes)
    } else {
        Ok(())
    }
}

fn make_parents(plan: &HierarchyPlan, tree: &mut RecordedHierarchy) -> Result<(), Errno> {
    for (at, _) in plan.path.match_indices('/').skip(1) {
        let parent = plan.path.get(..at).unwrap_or_default();
        match small_file::make_folder(&format!("{}{parent}", plan.mount)) {
            Ok(()) => tree.made_parents.push(parent.to_owned()),
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    // With no ancestor missing the hierarchy itself is gone.
    if tree.path.matches('/').count() < 2 {
        return Err(Errno::ENOENT);
    }
    Ok(())
}

/// Refuses a cgroup that somebody uses: limits would fight, and deleting one
/// container would kill another. Frozen, it would never start.
fn check_unused(folder: &str, tree: &RecordedHierarchy) -> Result<(), StepError> {
    let refuse = |reason: String| Err(StepError::refused("use cgroup", folder, reason));
    let processes = super::kill::processes_below(folder)
        .map_err(|errno| StepError::new("list the processes of", folder, errno))?;
    if !processes.is_empty() {
        return refuse(format!(
            "container's cgroup is not empty: {} process(es) found",
            processes.len()
        ));
    }
    let frozen = if tree.is_v2() {
        fs::read(folder, "cgroup.freeze").is_ok_and(|text| parse::word(&text) == "1")
    } else if tree.has("freezer") {
        fs::read(folder, "freezer.state").is_ok_and(|text| parse::word(&text) != "THAWED")
    } else {
        false
    };
    if frozen {
        return refuse("container's cgroup unexpectedly frozen".to_owned());
    }
    Ok(())
}

/// Removes what was made; what is in use by now is somebody's, and stays.
fn undo(tree: &RecordedHierarchy) {
    let mut folders: Vec<String> = tree
        .made_parents
        .iter()
        .map(|parent| format!("{}{parent}", tree.mount))
        .collect();
    if tree.made {
        folders.push(tree.folder());
    }
    for folder in folders.iter().rev() {
        match small_file::remove_folder(folder) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => log::debug!("{}", StepError::new("remove cgroup", folder, errno)),
        }
    }
}

/// Whether the kernel's reason is one of power, not of the request.
fn is_forbidden(error: &StepError) -> bool {
    matches!(
        error.errno(),
        Some(Errno::EACCES | Errno::EPERM | Errno::EROFS)
    )
}

/// The error after all, when a limit needs the hierarchy.
fn wanted(plan: &CgroupPlan, tree: &RecordedHierarchy, error: StepError) -> Option<StepError> {
    if tree.is_v2() {
        let reason = "rootless needs no limits + no cgrouppath when no permission is granted for \
                      cgroups";
        return (!plan.limits.is_empty()).then(|| error.with_detail(reason));
    }
    let limit = plan.limits.iter().find(|limit| tree.has(limit))?;
    Some(error.with_detail(format!(
        "cannot set {limit} limit: container could not join or create cgroup"
    )))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

    use std::path::Path;

    use super::super::plan::Enable;
    use super::*;

    /// A plan over folders that stand for mounts of named v1 hierarchies, which
    /// need no files to be made.
    fn plan(root: &Path, mounts: &[&str], path: &str) -> CgroupPlan {
        let hierarchies = mounts
            .iter()
            .map(|mount| HierarchyPlan {
                controllers: vec![format!("name={mount}")],
                mount: root.join(mount).to_str().unwrap().to_owned(),
                path: path.to_owned(),
                enable: Enable::Only(Vec::new()),
                writes: Vec::new(),
                program: None,
                check_memory: None,
            })
            .collect();
        CgroupPlan {
            hierarchies,
            ..CgroupPlan::default()
        }
    }

    fn root(mounts: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for mount in mounts {
            std::fs::create_dir(root.join(mount)).unwrap();
        }
        (dir, root)
    }

    #[test]
    fn a_failure_leaves_nothing_that_was_made() {
        let (_dir, root) = root(&["a", "b"]);
        std::fs::create_dir(root.join("b/there")).unwrap();
        let error = Cgroup::create(&plan(&root, &["a", "b", "gone"], "/there/new/c1"), None);
        assert_eq!(error.unwrap_err().errno(), Some(Errno::ENOENT));
        assert!(!root.join("a/there").exists());
        assert!(root.join("b/there").exists());
        assert!(!root.join("b/there/new").exists());
    }

    #[test]
    fn undo_takes_back_what_create_made_and_no_more() {
        let (_dir, root) = root(&["a"]);
        std::fs::create_dir(root.join("a/there")).unwrap();
        let cgroup = Cgroup::create(&plan(&root, &["a"], "/there/new/c1"), None).unwrap();
        let tree = cgroup.record().hierarchies.first().unwrap();
        assert_eq!(tree.made_parents, ["/there/new"]);
        assert!(tree.made);
        assert!(root.join("a/there/new/c1").exists());
        cgroup.undo();
        assert!(root.join("a/there").exists());
        assert!(!root.join("a/there/new").exists());
    }

    #[test]
    fn a_cgroup_in_use_is_refused_and_stays() {
        let (_dir, root) = root(&["a", "b"]);
        std::fs::create_dir_all(root.join("b/c1/sub")).unwrap();
        std::fs::write(root.join("b/c1/cgroup.procs"), "").unwrap();
        std::fs::write(root.join("b/c1/sub/cgroup.procs"), "7\n").unwrap();
        let error = Cgroup::create(&plan(&root, &["a", "b"], "/c1"), None).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("container's cgroup is not empty: 1 process(es) found"),
            "{error}"
        );
        assert!(root.join("b/c1/sub").exists());
        assert!(!root.join("a/c1").exists());
    }

    #[test]
    fn a_record_comes_back_but_not_with_a_path_that_leaves() {
        let (_dir, root) = root(&["a"]);
        let cgroup = Cgroup::create(&plan(&root, &["a"], "/c1"), None).unwrap();
        let text = serde_json::to_string(cgroup.record()).unwrap();
        let mut record: CgroupRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(&record, cgroup.record());
        assert!(record.open().is_ok());
        for path in ["/../x", "x", "", "/"] {
            record.hierarchies.first_mut().unwrap().path = path.to_owned();
            assert!(record.open().is_err(), "{path:?}");
        }
    }

    #[test]
    fn no_cgroup_is_no_hierarchies() {
        let cgroup = Cgroup::create(&CgroupPlan::disabled(), None).unwrap();
        assert!(cgroup.is_disabled());
        assert_eq!(cgroup.join(1), Ok(()));
        assert_eq!(cgroup.is_frozen(), Ok(false));
        assert_eq!(
            cgroup.processes().unwrap_err().to_string(),
            "cannot list the container's processes: the container has no cgroup"
        );
    }
}
