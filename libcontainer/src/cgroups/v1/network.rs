//! `linux.resources.network`, which only cgroup v1 has.

use crate::cgroups::write::Write;
use crate::error::Findings;
use crate::spec::oci::LinuxNetwork;

/// The writes of the `net_cls` controller.
pub(in crate::cgroups) fn class(network: &LinuxNetwork) -> Vec<Write> {
    network
        .class_id()
        .filter(|class| *class != 0)
        .map(|class| Write::new("net_cls.classid", class))
        .into_iter()
        .collect()
}

/// The writes of the `net_prio` controller.
pub(in crate::cgroups) fn priorities(
    network: &LinuxNetwork,
    findings: &mut Findings,
) -> Vec<Write> {
    let mut writes = Vec::new();
    for (index, entry) in network.priorities().iter().flatten().enumerate() {
        let name = entry.name();
        // dev_valid_name() of the kernel.
        if name.is_empty()
            || name.len() > 15
            || name.contains(|letter: char| letter == '/' || letter.is_whitespace())
            || name.contains('\0')
        {
            findings.error(
                format!("linux.resources.network.priorities[{index}].name"),
                format!("invalid interface name {name:?}"),
            );
        }
        let value = format!("{name} {}", entry.priority());
        writes.push(Write::new("net_prio.ifpriomap", value));
    }
    writes
}
