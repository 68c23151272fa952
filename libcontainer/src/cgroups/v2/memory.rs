//! `linux.resources.memory` on cgroup v2.

use crate::cgroups::common::limit;
use crate::cgroups::fs;
use crate::cgroups::parse::word;
use crate::cgroups::write::Write;
use crate::error::{Findings, StepError};
use crate::spec::oci::LinuxMemory;

/// The writes of the memory controller.
pub(in crate::cgroups) fn writes(memory: &LinuxMemory, findings: &mut Findings) -> Vec<Write> {
    let mut writes = Vec::new();
    let size = limit("linux.resources.memory.limit", memory.limit(), findings);
    if let Some(swap) = swap(size, memory, findings) {
        let write = Write::new("memory.swap.max", text(swap));
        // Without swap accounting there is no swap to forbid or to free.
        writes.push(if swap <= 0 { write.or_skip() } else { write });
    }
    if let Some(size) = size {
        writes.push(Write::new("memory.max", text(size)));
    }
    let field = "linux.resources.memory.reservation";
    if let Some(reservation) = limit(field, memory.reservation(), findings) {
        writes.push(Write::new("memory.low", text(reservation)));
    }
    if memory.swappiness().is_some_and(|value| value != u64::MAX) {
        findings.error(
            "linux.resources.memory.swappiness",
            "cgroup v2 has no swappiness",
        );
    }
    if memory.disable_oom_killer() == Some(true) {
        findings.error(
            "linux.resources.memory.disableOOMKiller",
            "cgroup v2 cannot disable the OOM killer",
        );
    }
    writes
}

/// The limit of swap alone, of the spec's limit of memory and swap together; -1
/// is none.
pub(in crate::cgroups) fn swap(
    size: Option<i64>,
    memory: &LinuxMemory,
    findings: &mut Findings,
) -> Option<i64> {
    let field = "linux.resources.memory.swap";
    let swap = limit(field, memory.swap(), findings);
    match (size, swap) {
        // As on v1: no limit of memory means none of both together.
        (Some(-1), None) | (_, Some(-1)) => Some(-1),
        (_, None) => None,
        (Some(-1), Some(swap)) => Some(swap),
        (None, Some(_)) => {
            findings.error(field, "unable to set swap limit without memory limit");
            None
        }
        (Some(size), Some(swap)) if swap < size => {
            findings.error(field, "memory+swap limit should be >= memory limit");
            None
        }
        (Some(size), Some(swap)) => swap.checked_sub(size),
    }
}

fn text(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

/// Refuses limits of memory, and of memory and swap, that are not above what is
/// in use.
pub(in crate::cgroups) fn check(folder: &str, (limit, swap): (i64, i64)) -> Result<(), StepError> {
    // Without the number there is nothing to compare with; the kernel has the
    // last word anyway.
    let Ok(text) = fs::read(folder, "memory.current") else {
        return Ok(());
    };
    let Ok(usage) = word(&text).parse::<i64>() else {
        return Ok(());
    };
    for (name, limit) in [("memory+swap", swap), ("memory", limit)] {
        if limit > 0 && limit <= usage {
            return Err(StepError::refused(
                "set limits of cgroup",
                folder,
                format!("rejecting {name} limit {limit} <= usage {usage}"),
            ));
        }
    }
    Ok(())
}
