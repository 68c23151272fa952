//! `linux.resources.memory` on cgroup v1.

use crate::cgroups::common::limit;
use crate::cgroups::write::Write;
use crate::error::Findings;
use crate::spec::oci::LinuxMemory;

/// The writes of the memory controller.
pub(in crate::cgroups) fn writes(memory: &LinuxMemory, findings: &mut Findings) -> Vec<Write> {
    let mut writes = Vec::new();
    let size = limit("linux.resources.memory.limit", memory.limit(), findings);
    let mut swap = limit("linux.resources.memory.swap", memory.swap(), findings);
    let mut swap_is_implied = false;
    if size == Some(-1) && swap.is_none() {
        // No limit of memory means none of memory and swap together.
        swap = Some(-1);
        swap_is_implied = true;
    }
    // The kernel holds limit <= memory+swap after each single write, so going up
    // needs swap first and going down memory first: the one that comes too
    // early is written again.
    if let Some(size) = size {
        writes.push(Write::new("memory.limit_in_bytes", size).or_later());
    }
    if let Some(swap) = swap {
        let write = Write::new("memory.memsw.limit_in_bytes", swap);
        writes.push(if swap_is_implied {
            write.or_skip()
        } else {
            write
        });
    }
    let field = "linux.resources.memory.reservation";
    if let Some(reservation) = limit(field, memory.reservation(), findings) {
        writes.push(Write::new("memory.soft_limit_in_bytes", reservation));
    }
    if memory.disable_oom_killer() == Some(true) {
        writes.push(Write::new("memory.oom_control", 1));
    }
    match memory.swappiness() {
        // Engines write the 64-bit -1 for "leave it".
        None | Some(u64::MAX) => {}
        Some(swappiness @ 0..=100) => writes.push(Write::new("memory.swappiness", swappiness)),
        Some(swappiness) => findings.error(
            "linux.resources.memory.swappiness",
            format!("invalid memory swappiness value: {swappiness} (valid range is 0-100)"),
        ),
    }
    writes
}
