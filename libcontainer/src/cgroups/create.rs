//! Making the cgroup, and unmaking what was made when that fails.

use super::fs;
use super::parse;
use super::plan::{CgroupPlan, HierarchyPlan};
use super::record::{Cgroup, CgroupRecord, RecordedHierarchy};
use super::v1::cpuset;
use super::v2::enable;
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// How often an ancestor may vanish under our hands (another container's undo)
/// before we say so.
const ATTEMPTS: usize = 8;

impl Cgroup {
    /// Makes the cgroup in every hierarchy, ready to be joined. When a step fails
    /// nothing of it is left.
    ///
    /// A cgroup that was there must be empty and not frozen.
    pub fn create(plan: &CgroupPlan) -> Result<Self, StepError> {
        let mut made = CgroupRecord {
            hierarchies: Vec::with_capacity(plan.hierarchies.len()),
        };
        for hierarchy in &plan.hierarchies {
            let mut tree = RecordedHierarchy {
                controllers: hierarchy.controllers.clone(),
                mount: hierarchy.mount.clone(),
                path: hierarchy.path.clone(),
                made_parents: Vec::new(),
                made: false,
            };
            let result = make(hierarchy, &mut tree);
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

    /// Takes back [`create`](Self::create): removes the cgroups and ancestors that
    /// it made and that are empty, and leaves what it found.
    pub fn undo(&self) {
        self.record.hierarchies.iter().rev().for_each(undo);
    }

    /// Writes the limits and device rules.
    pub fn apply_limits(&self, plan: &CgroupPlan) -> Result<(), StepError> {
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
            if let Some(check) = hierarchy.check_memory {
                super::v2::memory::check(&tree.folder(), check)?;
            }
            fs::write_all(&tree.folder(), &hierarchy.writes).or_else(|error| {
                if tree.has("devices") && is_forbidden(&error) && in_user_namespace() {
                    // Nobody but the first user namespace rules over devices,
                    // and there mknod(2) is refused anyway.
                    log::debug!("device rules are left out: {error}");
                    return Ok(());
                }
                Err(error)
            })?;
            if let Some(program) = &hierarchy.program
                && let Some(fd) = self.unified_fd()?
            {
                let untouched = self.fresh && tree.made;
                let result = super::program::install(fd, program, untouched);
                result.or_else(|errno| {
                    if errno == Errno::EPERM && (!program.required || in_user_namespace()) {
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

/// Makes one hierarchy's cgroup; what was made stands in `tree` also when a
/// later step failed.
fn make(plan: &HierarchyPlan, tree: &mut RecordedHierarchy) -> Result<(), StepError> {
    let folder = plan.folder();
    let fail = |errno| StepError::new("create cgroup", folder.clone(), errno);
    for _ in 0..ATTEMPTS {
        match small_file::make_folder(&folder) {
            Ok(()) => {
                tree.made = true;
                break;
            }
            Err(Errno::EEXIST) => {
                check_unused(&folder, tree)?;
                break;
            }
            Err(Errno::ENOENT) => make_parents(plan, tree).map_err(fail)?,
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
        if let Err(errno) = small_file::remove_folder(folder) {
            log::debug!("{}", StepError::new("remove cgroup", folder, errno));
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

/// Whether we are in a user namespace other than the first.
fn in_user_namespace() -> bool {
    small_file::read_proc("/proc/self/uid_map").is_ok_and(|map| {
        let whole = [b"0".as_slice(), b"0", b"4294967295"];
        let fields = map.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
        !fields.eq(whole)
    })
}
