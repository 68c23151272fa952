//! `linux.resources.unified` as properties, as far as systemd has them.

use std::collections::HashMap;

use super::properties::{INFINITY, OOM_POLICY, Properties};
use crate::dbus::Value;
use crate::error::Findings;

/// Files of which the value is one number of bytes.
const BYTES: [(&str, &str); 5] = [
    ("memory.high", "MemoryHigh"),
    ("memory.low", "MemoryLow"),
    ("memory.max", "MemoryMax"),
    ("memory.min", "MemoryMin"),
    ("memory.swap.max", "MemorySwapMax"),
];

/// Adds the properties, in the order of the files' names.
pub(super) fn add(
    map: &HashMap<String, String>,
    properties: &mut Properties,
    findings: &mut Findings,
) {
    let mut files: Vec<(&str, &str)> = map
        .iter()
        .map(|(file, value)| (file.as_str(), value.trim()))
        .collect();
    // `cpu.idle` comes before `cpu.weight`, which it rules out.
    files.sort_unstable();
    for (file, value) in files {
        if let Err(reason) = one(file, value, properties, findings) {
            findings.error(
                format!("linux.resources.unified[{file:?}]"),
                format!("value conversion error: {value:?}: {reason}"),
            );
        }
    }
}

fn one(
    file: &str,
    value: &str,
    properties: &mut Properties,
    findings: &mut Findings,
) -> Result<(), String> {
    if let Some((_, name)) = BYTES.iter().find(|(known, _)| *known == file) {
        let bytes = bytes(value).ok_or("no number of bytes")?;
        properties.set(name, Value::U64(bytes));
        return Ok(());
    }
    match file {
        "cpu.idle" if value == "1" => properties.set_idle(),
        "cpu.max" => {
            let (quota, period) = cpu_max(value)?;
            properties.set_quota(quota, period);
        }
        "cpu.weight" => {
            let weight = value.parse().map_err(|_| "no number")?;
            properties.set_weight(weight, findings);
        }
        "cpuset.cpus" if !value.is_empty() => properties.set_cpuset("AllowedCPUs", value)?,
        "cpuset.mems" if !value.is_empty() => properties.set_cpuset("AllowedMemoryNodes", value)?,
        "pids.max" => {
            let most = match value {
                "max" => INFINITY,
                number => number.parse::<u64>().map_err(|_| "no number")?.max(1),
            };
            properties.set("TasksMax", Value::U64(most));
        }
        _ => log::debug!("systemd has no property for {file}; the file is written"),
    }
    Ok(())
}

/// What to do when the kernel kills for want of memory. A unit that runs cannot
/// change it.
pub(super) fn oom_policy(map: &HashMap<String, String>, properties: &mut Properties) {
    match map.get("memory.oom.group").map(|value| value.trim()) {
        Some("0") => properties.set_since(OOM_POLICY, "OOMPolicy", Value::text("continue")),
        Some("1") => properties.set_since(OOM_POLICY, "OOMPolicy", Value::text("kill")),
        _ => {}
    }
}

/// Quota (-1 is none) and period of a value for `cpu.max`.
pub(super) fn cpu_max(value: &str) -> Result<(i64, u64), String> {
    let mut words = value.split_whitespace();
    let (quota, period) = match (words.next(), words.next(), words.next()) {
        (Some(quota), period, None) => (quota, period.unwrap_or("100000")),
        _ => return Err("as in \"50000 100000\"".to_owned()),
    };
    let quota = match quota {
        "max" => -1,
        number => number.parse().map_err(|_| "no quota")?,
    };
    Ok((quota, period.parse().map_err(|_| "no period")?))
}

/// A number of bytes as the kernel reads it, with K, M or G after it.
fn bytes(value: &str) -> Option<u64> {
    if value == "max" {
        return Some(INFINITY);
    }
    let (digits, shift) = match value.chars().last()? {
        'k' | 'K' => (value.get(..value.len().checked_sub(1)?)?, 10),
        'm' | 'M' => (value.get(..value.len().checked_sub(1)?)?, 20),
        'g' | 'G' => (value.get(..value.len().checked_sub(1)?)?, 30),
        _ => (value, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
