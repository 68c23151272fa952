//! `linux.resources.unified`: raw values for files of cgroup v2.

use std::collections::HashMap;

use crate::cgroups::write::Write;
use crate::error::Findings;

/// Files that move, kill or stop processes are no resources.
const NO_RESOURCES: [&str; 4] = [
    "cgroup.procs",
    "cgroup.threads",
    "cgroup.kill",
    "cgroup.freeze",
];

const IDLE: &str = "cpu.idle";

/// The writes, in the order of the names; a value of several lines is written
/// line by line, as the kernel takes it.
///
/// An idle group takes no weight, so with both the group is first not idle, and
/// idle, if it shall be, last.
pub(in crate::cgroups) fn writes(
    unified: &HashMap<String, String>,
    findings: &mut Findings,
) -> Vec<Write> {
    let mut names: Vec<&String> = unified.keys().collect();
    let mut writes = Vec::new();
    let weighs = |name: &str| matches!(name, "cpu.weight" | "cpu.weight.nice");
    if unified.contains_key(IDLE) && names.iter().any(|name| weighs(name)) {
        writes.push(Write::new(IDLE, 0));
    }
    names.sort_unstable_by_key(|name| (*name == IDLE, *name));
    for name in names {
        let field = format!("linux.resources.unified[{name:?}]");
        if let Err(reason) = check(name) {
            findings.error(field, reason);
            continue;
        }
        let value = unified.get(name).map(String::as_str).unwrap_or_default();
        if value.is_empty() {
            writes.push(Write::new(name, "\n"));
        }
        for line in value.lines() {
            writes.push(Write::new(name, line));
        }
    }
    writes
}

fn check(name: &str) -> Result<(), String> {
    if name.contains('/') {
        return Err(format!(
            "unified resource {name:?} must be a file name (no slashes)"
        ));
    }
    let mut parts = name.split('.');
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    if parts.clone().count() < 2 || !parts.all(plain) {
        return Err(format!(
            "unified resource {name:?} must be in the form CONTROLLER.PARAMETER"
        ));
    }
    if NO_RESOURCES.contains(&name) {
        return Err(format!("{name} is not a resource"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_one_by_one_in_the_order_of_names() {
        let unified = [("memory.high", "1"), ("io.max", "8:0 rbps=1\n8:1 rbps=2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(
            writes(&unified, &mut Findings::new()),
            [
                Write::new("io.max", "8:0 rbps=1"),
                Write::new("io.max", "8:1 rbps=2"),
                Write::new("memory.high", "1"),
            ]
        );
    }

    #[test]
    fn a_group_is_idle_after_it_has_its_weight() {
        let unified = [("cpu.idle", "1"), ("cpu.weight", "7"), ("pids.max", "9")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(
            writes(&unified, &mut Findings::new()),
            [
                Write::new("cpu.idle", 0),
                Write::new("cpu.weight", 7),
                Write::new("pids.max", 9),
                Write::new("cpu.idle", 1),
            ]
        );
        let unified = [("cpu.idle".to_owned(), "1".to_owned())].into();
        assert_eq!(
            writes(&unified, &mut Findings::new()),
            [Write::new("cpu.idle", 1)]
        );
    }

    #[test]
    fn names_that_leave_the_cgroup_or_move_processes_are_refused() {
        for name in [
            "../memory.max",
            "a/b.c",
            "..",
            ".",
            "memory",
            "memory.",
            "a. b",
            "a.b\n",
            "cgroup.procs",
            "cgroup.kill",
            "",
            "a..b",
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
        for name in [
            "hugetlb.2MB.max",
            "memory.swap.max",
            "cgroup.max.depth",
            "io.bfq.weight",
        ] {
            assert_eq!(check(name), Ok(()));
        }
    }
}
