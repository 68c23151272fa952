//! `linux.resources.cpu` on cgroup v1, without the cpuset.

use crate::cgroups::common::idle;
use crate::cgroups::write::Write;
use crate::error::Findings;
use crate::spec::oci::LinuxCpu;

/// The bounds to which the kernel silently cuts shares (`MIN_SHARES`,
/// `MAX_SHARES` in kernel/sched/core.c).
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// The writes of the cpu controller.
pub(in crate::cgroups) fn writes(cpu: &LinuxCpu, findings: &mut Findings) -> Vec<Write> {
    let mut writes = Vec::new();
    let idle = idle(cpu, findings);
    // Shares of an idle group cannot be set, so idle is left first and entered
    // last.
    if idle == Some(false) {
        writes.push(Write::new("cpu.idle", 0));
    }
    if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
        let field = "linux.resources.cpu.shares";
        if shares < *SHARES.start() {
            findings.error(
                field,
                format!("the minimum allowed cpu-shares is {}", SHARES.start()),
            );
        } else if shares > *SHARES.end() {
            findings.error(
                field,
                format!("the maximum allowed cpu-shares is {}", SHARES.end()),
            );
        }
        writes.push(Write::new("cpu.shares", shares));
    }
    let quota = cpu.quota().filter(|quota| *quota != 0);
    // Each is checked against the old state of the others and the parent's
    // quota, so a value may come too early.
    if let Some(period) = cpu.period().filter(|period| *period != 0) {
        let write = Write::new("cpu.cfs_period_us", period);
        writes.push(if quota.is_some() {
            write.or_later()
        } else {
            write
        });
    }
    if let Some(burst) = cpu.burst() {
        // Kernels before 5.14 have no burst.
        let write = Write::new("cpu.cfs_burst_us", burst).or_skip();
        writes.push(if quota.is_some() {
            write.or_later()
        } else {
            write
        });
    }
    if let Some(quota) = quota {
        writes.push(Write::new("cpu.cfs_quota_us", quota));
    }
    let runtime = cpu.realtime_runtime().filter(|runtime| *runtime != 0);
    if let Some(period) = cpu.realtime_period().filter(|period| *period != 0) {
        let write = Write::new("cpu.rt_period_us", period);
        writes.push(if runtime.is_some() {
            write.or_later()
        } else {
            write
        });
    }
    if let Some(runtime) = runtime {
        writes.push(Write::new("cpu.rt_runtime_us", runtime));
    }
    if idle == Some(true) {
        writes.push(Write::new("cpu.idle", 1));
    }
    writes
}
