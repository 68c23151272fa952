//! Limits that cgroup v1 and v2 write alike, and words both use.

use std::collections::HashMap;

use super::write::Write;
use crate::error::Findings;
use crate::spec::oci::{
    LinuxBlockIo, LinuxCpu, LinuxHugepageLimit, LinuxPids, LinuxRdma, LinuxThrottleDevice,
};

/// A limit of memory: absent and 0 are no wish, -1 is no limit.
pub(super) fn limit(field: &str, value: Option<i64>, findings: &mut Findings) -> Option<i64> {
    let value = value.filter(|value| *value != 0)?;
    if value < -1 {
        findings.error(field, format!("invalid memory value: {value}"));
        return None;
    }
    Some(value)
}

/// `linux.resources.cpu.idle`.
pub(super) fn idle(cpu: &LinuxCpu, findings: &mut Findings) -> Option<bool> {
    match cpu.idle()? {
        0 => Some(false),
        1 => Some(true),
        other => {
            findings.error(
                "linux.resources.cpu.idle",
                format!("invalid argument {other}; known: 0, 1"),
            );
            None
        }
    }
}

/// `linux.resources.pids`. 0 is a limit, and the first process has to live: 1.
pub(super) fn pids(pids: LinuxPids) -> Vec<Write> {
    let value = match pids.limit() {
        0 => "1".to_owned(),
        limit if limit < 0 => "max".to_owned(),
        limit => limit.to_string(),
    };
    vec![Write::new("pids.max", value)]
}

/// The cpuset part of `linux.resources.cpu`.
pub(super) fn cpuset(cpu: &LinuxCpu) -> Vec<Write> {
    [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())]
        .into_iter()
        .filter_map(|(file, value)| {
            let value = value.as_deref().filter(|value| !value.is_empty())?;
            Some(Write::new(file, value))
        })
        .collect()
}

/// `linux.resources.hugepageLimits`, with the version's word for a limit. The
/// reservation limits (kernel 5.7) hold the same.
pub(super) fn hugetlb(
    limits: &[LinuxHugepageLimit],
    suffix: &str,
    findings: &mut Findings,
) -> Vec<Write> {
    let mut writes = Vec::new();
    for (index, entry) in limits.iter().enumerate() {
        let size = entry.page_size();
        if !is_page_size(size) {
            findings.error(
                format!("linux.resources.hugepageLimits[{index}].pageSize"),
                format!("invalid page size {size:?}; as in 64KB, 2MB, 1GB"),
            );
            continue;
        }
        // A limit past 2^63 is none; v1 spells that -1.
        let value = match (entry.limit(), suffix) {
            (..0, "max") => "max".to_owned(),
            (..0, _) => "-1".to_owned(),
            (limit, _) => limit.to_string(),
        };
        writes.push(Write::new(format!("hugetlb.{size}.{suffix}"), &value));
        writes.push(Write::new(format!("hugetlb.{size}.rsvd.{suffix}"), value).or_skip());
    }
    writes
}

/// What the kernel names sizes like; whether it has this one shows the file.
fn is_page_size(text: &str) -> bool {
    ["KB", "MB", "GB"].iter().any(|unit| {
        text.strip_suffix(unit).is_some_and(|number| {
            !number.is_empty()
                && !number.starts_with('0')
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

/// `linux.resources.rdma`, in the order of the devices' names.
pub(super) fn rdma(devices: &HashMap<String, LinuxRdma>, findings: &mut Findings) -> Vec<Write> {
    let mut names: Vec<&String> = devices.keys().collect();
    names.sort_unstable();
    let mut writes = Vec::new();
    for name in names {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            findings.error(
                format!("linux.resources.rdma[{name:?}]"),
                "invalid device name",
            );
            continue;
        }
        let Some(limits) = devices.get(name) else {
            continue;
        };
        let handles = limits
            .hca_handles()
            .map(|count| format!("hca_handle={count}"));
        let objects = limits
            .hca_objects()
            .map(|count| format!("hca_object={count}"));
        let asked: Vec<String> = handles.into_iter().chain(objects).collect();
        if !asked.is_empty() {
            let value = format!("{name} {}", asked.join(" "));
            writes.push(Write::new("rdma.max", value));
        }
    }
    writes
}

/// `MAJOR:MINOR` of a block device.
pub(super) fn device(
    major: i64,
    minor: i64,
    field: &str,
    findings: &mut Findings,
) -> Option<String> {
    if let (Ok(major), Ok(minor)) = (u32::try_from(major), u32::try_from(minor)) {
        return Some(format!("{major}:{minor}"));
    }
    findings.error(field, format!("invalid device number {major}:{minor}"));
    None
}

/// One of the four limits of a block device's throughput.
pub(super) struct Throttle {
    /// The spec's field.
    pub(super) field: &'static str,
    /// The v1 file.
    pub(super) v1: &'static str,
    /// The key in v2's `io.max`.
    pub(super) v2: &'static str,
    /// The field's entries.
    pub(super) entries: fn(&LinuxBlockIo) -> &[LinuxThrottleDevice],
}

/// All four, in the order of the spec.
pub(super) const THROTTLES: [Throttle; 4] = [
    Throttle {
        field: "throttleReadBpsDevice",
        v1: "blkio.throttle.read_bps_device",
        v2: "rbps",
        entries: |io| io.throttle_read_bps_device().as_deref().unwrap_or_default(),
    },
    Throttle {
        field: "throttleWriteBpsDevice",
        v1: "blkio.throttle.write_bps_device",
        v2: "wbps",
        entries: |io| {
            io.throttle_write_bps_device()
                .as_deref()
                .unwrap_or_default()
        },
    },
    Throttle {
        field: "throttleReadIOPSDevice",
        v1: "blkio.throttle.read_iops_device",
        v2: "riops",
        entries: |io| {
            io.throttle_read_iops_device()
                .as_deref()
                .unwrap_or_default()
        },
    },
    Throttle {
        field: "throttleWriteIOPSDevice",
        v1: "blkio.throttle.write_iops_device",
        v2: "wiops",
        entries: |io| {
            io.throttle_write_iops_device()
                .as_deref()
                .unwrap_or_default()
        },
    },
];

#[cfg(test)]
mod tests {
    use super::is_page_size;

    #[test]
    fn page_sizes_are_the_kernels_words() {
        for size in ["64KB", "2MB", "1GB", "16GB"] {
            assert!(is_page_size(size), "{size}");
        }
        for size in [
            "../memory.x",
            "MB",
            "2mb",
            "02MB",
            "2 MB",
            "2MB/..",
            "",
            "2MB.max",
        ] {
            assert!(!is_page_size(size), "{size}");
        }
    }
}
