//! Writing the maps of a process that waits in its new user namespace.

use std::fs;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

use super::IdMaps;
use super::plan::{IdMap, text};
use crate::error::StepError;
use crate::sys::{Errno, process};

/// Writes `uid_map` and `gid_map` of `/proc/<pid>`.
///
/// `ordinary_group` is the caller's group where it is not root: it may map that
/// one itself, when it gives up setgroups(2) inside first (user_namespaces(7)),
/// and for more than that its system may have set-user-id programs that know its
/// ranges (newuidmap(1), newgidmap(1)).
pub(crate) fn write(
    pid: libc::pid_t,
    maps: &IdMaps,
    ordinary_group: Option<u32>,
) -> Result<(), StepError> {
    if ordinary_group.is_some_and(|group| is_only(&maps.groups, group)) {
        put(pid, "setgroups", "deny").map_err(|errno| failed(pid, "setgroups", "deny", errno))?;
    }
    for (file, tool, map) in [
        ("gid_map", "newgidmap", &maps.groups),
        ("uid_map", "newuidmap", &maps.users),
    ] {
        let text = text(map);
        match put(pid, file, &text) {
            Err(Errno::EPERM) if ordinary_group.is_some() => by_tool(pid, file, tool, map)?,
            done => done.map_err(|errno| failed(pid, file, &text, errno))?,
        }
    }
    Ok(())
}

/// Whether this id alone is mapped.
fn is_only(map: &[IdMap], id: u32) -> bool {
    matches!(map, [only] if only.outside == id && only.size == 1)
}

/// One write(2): the kernel takes a map whole or not at all.
fn put(pid: libc::pid_t, file: &str, text: &str) -> Result<(), Errno> {
    fs::write(format!("/proc/{pid}/{file}"), text)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
}

fn failed(pid: libc::pid_t, file: &str, text: &str, errno: Errno) -> StepError {
    StepError::new("write", format!("/proc/{pid}/{file}"), errno).with_detail(shown(text))
}

fn by_tool(pid: libc::pid_t, file: &str, tool: &str, map: &[IdMap]) -> Result<(), StepError> {
    let mut command = Command::new(tool);
    command.arg(pid.to_string());
    for line in map {
        command.args([line.inside, line.outside, line.size].map(|number| number.to_string()));
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    process::start_clean(&mut command);
    let refused = |reason: String| {
        Err(StepError::refused(
            "write",
            format!("/proc/{pid}/{file}"),
            format!("{reason} ({})", shown(&text(map))),
        ))
    };
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => refused(format!(
            "{tool}: {}",
            String::from_utf8_lossy(&output.stderr)
                .trim()
                .replace('\n', "; ")
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => refused(format!(
            "more ids than your own need the program {tool}, which is not in $PATH"
        )),
        Err(error) => refused(format!("{tool}: {error}")),
    }
}

/// The map as a message shows it: one of a few lines, else how many there are.
fn shown(text: &str) -> String {
    const FEW: usize = 5;
    match text.lines().count() {
        count if count > FEW => format!("{count} mappings"),
        _ => text.trim_end().replace('\n', ", "),
    }
}

#[cfg(test)]
mod tests {
    use super::{IdMap, is_only, shown};

    #[test]
    fn a_long_map_is_counted() {
        assert_eq!(shown("0 1 1\n5 6 1\n"), "0 1 1, 5 6 1");
        assert_eq!(shown(&"0 1 1\n".repeat(300)), "300 mappings");
    }

    #[test]
    fn setgroups_is_given_up_for_ones_own_group_alone() {
        let line = |inside, outside, size| IdMap {
            inside,
            outside,
            size,
        };
        assert!(is_only(&[line(0, 1000, 1)], 1000));
        assert!(is_only(&[line(7, 1000, 1)], 1000));
        assert!(!is_only(&[line(0, 1000, 2)], 1000));
        assert!(!is_only(&[line(0, 100_000, 1)], 1000));
        assert!(!is_only(&[line(0, 1000, 1), line(1, 100_000, 10)], 1000));
    }
}
