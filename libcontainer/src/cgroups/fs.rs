//! Files of a cgroup: errors that name file, value and reason.

use std::os::fd::OwnedFd;

use super::write::{IfMissing, Write};
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// Reads a file of a cgroup.
pub(super) fn read(folder: &str, file: &str) -> Result<Vec<u8>, Errno> {
    small_file::read(&format!("{folder}/{file}"))
}

/// Writes all values to a cgroup, in their order. The file stays open from one
/// value to the next, for several in a row go to the same.
pub(super) fn write_all(folder: &str, writes: &[Write]) -> Result<(), StepError> {
    let mut open: Option<(&str, OwnedFd)> = None;
    let mut later = Vec::new();
    for write in writes {
        match put(folder, &write.file, &write.value, &mut open) {
            Err(Errno::EINVAL) if write.retry => later.push(write),
            Err(Errno::ENOENT) => match &write.if_missing {
                IfMissing::Fail => {
                    return Err(refused(folder, &write.file, &write.value, Errno::ENOENT));
                }
                IfMissing::Skip => {}
                IfMissing::Instead { file, value } => put(folder, file, value, &mut open)
                    .map_err(|errno| refused(folder, file, value, errno))?,
            },
            result => {
                result.map_err(|errno| refused(folder, &write.file, &write.value, errno))?;
            }
        }
    }
    for write in later {
        put(folder, &write.file, &write.value, &mut open)
            .map_err(|errno| refused(folder, &write.file, &write.value, errno))?;
    }
    Ok(())
}

fn put<'a>(
    folder: &str,
    file: &'a str,
    value: &str,
    open: &mut Option<(&'a str, OwnedFd)>,
) -> Result<(), Errno> {
    if let Some((name, fd)) = open
        && *name == file
    {
        return small_file::write_value(&*fd, value);
    }
    *open = None;
    let fd = small_file::open_to_write(&format!("{folder}/{file}"))?;
    let (_, fd) = open.insert((file, fd));
    small_file::write_value(&*fd, value)
}

/// Why a value was not taken, as far as the cgroup itself can tell.
fn refused(folder: &str, file: &str, value: &str, errno: Errno) -> StepError {
    let object = format!("{folder}/{file} to {:?}", value.trim_end());
    let error = StepError::new("set", object, errno);
    // A file that is not there, or belongs to a controller that the parent has
    // not handed down.
    if matches!(errno, Errno::ENOENT | Errno::EPERM | Errno::EACCES) {
        let controller = file.split('.').next().unwrap_or_default();
        if controller != "cgroup"
            && read(folder, "cgroup.controllers").is_ok_and(|known| !lists(&known, controller))
        {
            return error.with_detail(format!("controller {controller:?} not available"));
        }
    }
    // devices.txt of cgroup v1: "all" is neither allowed nor denied then.
    if errno == Errno::EINVAL && file.starts_with("devices.") && has_folders(folder) {
        return error.with_detail("it has sub-cgroups");
    }
    if errno == Errno::EBUSY
        && let Some(kind) = file.strip_suffix("limit_in_bytes")
        && kind.starts_with("memory.")
    {
        let number = |file: String| {
            read(folder, &file).map_or_else(
                |_| "unknown".to_owned(),
                |text| super::parse::word(&text).to_owned(),
            )
        };
        return error.with_detail(format!(
            "current usage: {}, peak usage: {}",
            number(format!("{kind}usage_in_bytes")),
            number(format!("{kind}max_usage_in_bytes"))
        ));
    }
    // The weight of a group that runs only when nobody else wants to.
    if errno == Errno::EINVAL
        && matches!(file, "cpu.shares" | "cpu.weight")
        && read(folder, "cpu.idle").is_ok_and(|text| super::parse::word(&text) == "1")
    {
        return error.with_detail("cpu.idle is 1");
    }
    error
}

fn has_folders(folder: &str) -> bool {
    small_file::open_folder(folder)
        .and_then(|folder| small_file::folders(&folder))
        .is_ok_and(|names| !names.is_empty())
}

/// Whether a list of words has this one.
pub(super) fn lists(words: &[u8], word: &str) -> bool {
    words
        .split(u8::is_ascii_whitespace)
        .any(|known| known == word.as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test stops where its ground is missing"
    )]

    use super::*;

    fn folder(files: &[&str]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        for file in files {
            std::fs::write(path.join(file), "").unwrap();
        }
        let path = path.to_str().unwrap().to_owned();
        (dir, path)
    }

    #[test]
    fn values_for_one_file_go_through_one_descriptor() {
        let (_dir, path) = folder(&["a", "b"]);
        let writes = [
            Write::new("a", "1"),
            Write::new("a", "2"),
            Write::new("b", "3"),
        ];
        write_all(&path, &writes).unwrap();
        // An ordinary file shows that its position went on.
        assert_eq!(read(&path, "a").unwrap(), b"12");
        assert_eq!(read(&path, "b").unwrap(), b"3");
    }

    #[test]
    fn a_missing_file_fails_is_skipped_or_replaced() {
        let (_dir, path) = folder(&["io.weight", "cgroup.controllers"]);
        let skip = Write::new("x.rsvd", 1).or_skip();
        let instead = Write::new("io.bfq.weight", 500).or_instead("io.weight", 4950);
        write_all(&path, &[skip, instead]).unwrap();
        assert_eq!(read(&path, "io.weight").unwrap(), b"4950");
        let error = write_all(&path, &[Write::new("pids.max", 5)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot set {path}/pids.max to \"5\": no such file or directory \
                 (controller \"pids\" not available)"
            )
        );
    }
}
