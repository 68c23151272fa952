//! `linux.resources.cpu` on cgroup v2, without the cpuset.

use crate::cgroups::common::idle;
use crate::cgroups::write::Write;
use crate::error::Findings;
use crate::spec::oci::LinuxCpu;

/// What the kernel starts a cgroup with (Documentation/admin-guide/cgroup-v2.rst).
const DEFAULT_PERIOD: u64 = 100_000;

/// The writes of the cpu controller.
pub(in crate::cgroups) fn writes(cpu: &LinuxCpu, findings: &mut Findings) -> Vec<Write> {
    let mut writes = Vec::new();
    let idle = idle(cpu, findings);
    let weight = cpu.shares().and_then(weight);
    // The weight of an idle group cannot be set, so idle is left first and
    // entered last; systemd may have made it so already.
    if idle == Some(false) || (idle.is_some() && weight.is_some()) {
        writes.push(Write::new("cpu.idle", 0));
    }
    if let Some(weight) = weight {
        writes.push(Write::new("cpu.weight", weight));
    }
    let quota = cpu.quota().filter(|quota| *quota != 0);
    let period = cpu.period().filter(|period| *period != 0);
    if let Some(burst) = cpu.burst() {
        // A burst above the old quota comes too early.
        let write = Write::new("cpu.max.burst", burst);
        writes.push(if quota.is_some() {
            write.or_later()
        } else {
            write
        });
    }
    if quota.is_some() || period.is_some() {
        let quota = quota
            .filter(|quota| *quota > 0)
            .map_or_else(|| "max".to_owned(), |quota| quota.to_string());
        let period = period.unwrap_or(DEFAULT_PERIOD);
        writes.push(Write::new("cpu.max", format!("{quota} {period}")));
    }
    if idle == Some(true) {
        writes.push(Write::new("cpu.idle", 1));
    }
    for (field, is_set) in [
        (
            "linux.resources.cpu.realtimeRuntime",
            cpu.realtime_runtime().is_some_and(|runtime| runtime != 0),
        ),
        (
            "linux.resources.cpu.realtimePeriod",
            cpu.realtime_period().is_some_and(|period| period != 0),
        ),
    ] {
        if is_set {
            findings.error(field, "cgroup v2 has no real-time limits");
        }
    }
    writes
}

/// Shares (2 to 262144, 1024 in the middle) as a weight (1 to 10000, 100 in the
/// middle): the parabola through these three, in the logarithms. 0 is no wish.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the numbers are below 2^18 before, and from 1 to 10000 after"
)]
pub(in crate::cgroups) fn weight(shares: u64) -> Option<u64> {
    match shares {
        0 => None,
        1..=2 => Some(1),
        3..262_144 => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            Some(10_f64.powf(exponent).ceil() as u64)
        }
        262_144.. => Some(10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::weight;

    #[test]
    fn shares_become_weights() {
        let known = [
            (0, None),
            (1, Some(1)),
            (2, Some(1)),
            (3, Some(2)),
            (512, Some(59)),
            (1024, Some(100)),
            (2048, Some(174)),
            (262_143, Some(10_000)),
            (262_144, Some(10_000)),
            (u64::MAX, Some(10_000)),
        ];
        for (shares, expected) in known {
            assert_eq!(weight(shares), expected, "{shares}");
        }
        assert!(
            (2..262_144)
                .step_by(97)
                .all(|shares| weight(shares) <= weight(shares + 1))
        );
    }
}
