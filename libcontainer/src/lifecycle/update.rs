//! `update`.

use super::load::Loaded;
use super::set_up::warn;
use crate::Result;
use crate::container::{StateRoot, Status};
use crate::error::{Error, ErrorKind, Findings};
use crate::intelrdt;
use crate::spec::oci::LinuxResources;

/// What `update` is asked for. What is not named keeps its value.
#[derive(Debug, Clone, Default)]
pub struct UpdateRequest {
    /// The limits, as `linux.resources` has them; device rules in it are left
    /// alone.
    pub resources: LinuxResources,
    /// The L3 cache's part for the container (`--l3-cache-schema`).
    pub l3_cache_schema: Option<String>,
    /// The memory bandwidth's part for the container (`--mem-bw-schema`).
    pub mem_bw_schema: Option<String>,
}

/// Changes limits of a container that is created, running or paused: all that
/// were asked for, or none.
///
/// # Errors
/// `NotFound`, `WrongStatus`, `InvalidConfig` with everything that stands against
/// the limits, or the file, value and reason of what the kernel refused.
pub fn update(root: &StateRoot, id: &str, request: &UpdateRequest) -> Result<()> {
    let mut loaded = Loaded::find_to_change(root, id)?;
    let cache = request.l3_cache_schema.as_deref();
    let bandwidth = request.mem_bw_schema.as_deref();
    let shares = cache.or(bandwidth).and(loaded.record.resctrl.as_ref());
    if cache.or(bandwidth).is_some() && shares.is_none() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "updating a non-existent Intel RDT configuration is not supported",
        )
        .with_advice("the container has no linux.intelRdt"));
    }
    match loaded.status {
        Status::Created | Status::Running | Status::Paused => {}
        Status::Stopped => return refuse("container not running"),
        Status::Creating => return refuse("cannot update a container that is being created"),
    }
    let mut resources = request.resources.clone();
    let mut check = loaded.record.check_before_update;
    if let Some(memory) = resources.memory_mut() {
        check = memory.check_before_update().unwrap_or(check);
        memory.set_check_before_update(Some(check));
    }
    let cgroup = loaded.cgroup()?;
    let mut findings = Findings::new();
    let plan = cgroup.plan_update(&resources, &mut findings)?;
    if findings.has_errors() {
        return Err(findings.into());
    }
    warn(&findings);
    let before = cgroup.apply_update(&plan)?;
    if let Some(record) = shares {
        intelrdt::update(record, cache, bandwidth).inspect_err(|_| before.put_back())?;
    }
    if check != loaded.record.check_before_update {
        loaded.record.check_before_update = check;
        loaded.dir.write_record(&loaded.record)?;
    }
    Ok(())
}

fn refuse(text: &str) -> Result<()> {
    Err(Error::new(ErrorKind::WrongStatus, text))
}
