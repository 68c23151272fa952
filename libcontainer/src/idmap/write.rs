//! Writing the maps of a process that waits in its new user namespace.

use std::fs;

use super::IdMaps;
use super::plan::text;
use crate::error::StepError;
use crate::sys::Errno;

/// Writes `uid_map` and `gid_map` of `/proc/<pid>`. A caller who may not map
/// groups at will has to give up setgroups(2) inside first
/// (user_namespaces(7)).
pub(crate) fn write(
    pid: libc::pid_t,
    maps: &IdMaps,
    deny_setgroups: bool,
) -> Result<(), StepError> {
    if deny_setgroups {
        put(pid, "setgroups", "deny")?;
    }
    put(pid, "gid_map", &text(&maps.groups))?;
    put(pid, "uid_map", &text(&maps.users))
}

fn put(pid: libc::pid_t, file: &str, text: &str) -> Result<(), StepError> {
    let path = format!("/proc/{pid}/{file}");
    // One write(2): the kernel takes a map whole or not at all.
    fs::write(&path, text).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        StepError::new("write", path, errno).with_detail(shown(text))
    })
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
    use super::shown;

    #[test]
    fn a_long_map_is_counted() {
        assert_eq!(shown("0 1 1\n5 6 1\n"), "0 1 1, 5 6 1");
        assert_eq!(shown(&"0 1 1\n".repeat(300)), "300 mappings");
    }
}
