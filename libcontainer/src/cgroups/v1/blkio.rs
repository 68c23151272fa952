//! `linux.resources.blockIO` on cgroup v1.

use crate::cgroups::common::{THROTTLES, device};
use crate::cgroups::write::Write;
use crate::error::Findings;
use crate::spec::oci::LinuxBlockIo;

/// The writes of the blkio controller. The weights have their own file only
/// with the CFQ scheduler (kernel before 5.0); after it BFQ took them over.
pub(in crate::cgroups) fn writes(io: &LinuxBlockIo, findings: &mut Findings) -> Vec<Write> {
    let mut writes = Vec::new();
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        writes.push(Write::new("blkio.weight", weight).or_instead("blkio.bfq.weight", weight));
    }
    if let Some(weight) = io.leaf_weight().filter(|weight| *weight != 0) {
        writes.push(Write::new("blkio.leaf_weight", weight));
    }
    for (index, entry) in io.weight_device().iter().flatten().enumerate() {
        let field = format!("linux.resources.blockIO.weightDevice[{index}]");
        let Some(device) = device(entry.major(), entry.minor(), &field, findings) else {
            continue;
        };
        if let Some(weight) = entry.weight().filter(|weight| *weight != 0) {
            let value = format!("{device} {weight}");
            writes.push(
                Write::new("blkio.weight_device", &value)
                    .or_instead("blkio.bfq.weight_device", &value),
            );
        }
        if let Some(weight) = entry.leaf_weight().filter(|weight| *weight != 0) {
            let value = format!("{device} {weight}");
            writes.push(Write::new("blkio.leaf_weight_device", value));
        }
    }
    for throttle in THROTTLES {
        for (index, entry) in (throttle.entries)(io).iter().enumerate() {
            let field = format!("linux.resources.blockIO.{}[{index}]", throttle.field);
            if let Some(device) = device(entry.major(), entry.minor(), &field, findings) {
                writes.push(Write::new(
                    throttle.v1,
                    format!("{device} {}", entry.rate()),
                ));
            }
        }
    }
    writes
}
