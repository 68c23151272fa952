//! `linux.resources.blockIO` on cgroup v2.

use crate::cgroups::common::{THROTTLES, device};
use crate::cgroups::write::Write;
use crate::error::Findings;
use crate::spec::oci::LinuxBlockIo;

/// The writes of the io controller. Where a kernel has BFQ's weights they take
/// the numbers as they are, and `io.weight` takes them converted.
pub(in crate::cgroups) fn writes(io: &LinuxBlockIo, findings: &mut Findings) -> Vec<Write> {
    let mut writes = Vec::new();
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        check(weight, "linux.resources.blockIO.weight", findings);
        writes.push(Write::new("io.bfq.weight", weight).or_instead("io.weight", converted(weight)));
    }
    let no_leaf = "cgroup v2 has no leaf weights";
    if io.leaf_weight().is_some_and(|weight| weight != 0) {
        findings.error("linux.resources.blockIO.leafWeight", no_leaf);
    }
    for (index, entry) in io.weight_device().iter().flatten().enumerate() {
        let field = format!("linux.resources.blockIO.weightDevice[{index}]");
        if entry.leaf_weight().is_some_and(|weight| weight != 0) {
            findings.error(format!("{field}.leafWeight"), no_leaf);
        }
        let Some(device) = device(entry.major(), entry.minor(), &field, findings) else {
            continue;
        };
        if let Some(weight) = entry.weight().filter(|weight| *weight != 0) {
            check(weight, &format!("{field}.weight"), findings);
            writes.push(
                Write::new("io.bfq.weight", format!("{device} {weight}"))
                    .or_instead("io.weight", format!("{device} {}", converted(weight))),
            );
        }
    }
    for throttle in THROTTLES {
        for (index, entry) in (throttle.entries)(io).iter().enumerate() {
            let field = format!("linux.resources.blockIO.{}[{index}]", throttle.field);
            if let Some(device) = device(entry.major(), entry.minor(), &field, findings) {
                let rate = match entry.rate() {
                    0 => "max".to_owned(),
                    rate => rate.to_string(),
                };
                writes.push(Write::new(
                    "io.max",
                    format!("{device} {}={rate}", throttle.v2),
                ));
            }
        }
    }
    writes
}

fn check(weight: u16, field: &str, findings: &mut Findings) {
    if !(10..=1000).contains(&weight) {
        findings.error(
            field,
            format!("invalid block I/O weight {weight} (valid range is 10-1000)"),
        );
    }
}

/// 10 to 1000 as 1 to 10000.
fn converted(weight: u16) -> u64 {
    1 + u64::from(weight).saturating_sub(10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::converted;

    #[test]
    fn weights_are_stretched() {
        assert_eq!([10, 750, 1000].map(converted), [1, 7475, 10_000]);
    }
}
