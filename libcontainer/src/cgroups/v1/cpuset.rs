//! A v1 cpuset starts without CPUs and memory nodes, and takes no process until
//! it has some.

use crate::cgroups::fs;
use crate::cgroups::parse::word;
use crate::cgroups::write::Write;
use crate::error::StepError;
use crate::sys::{Errno, small_file};

const FILES: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// Fills a cpuset from its parent, except for what `writes` is going to set; an
/// ancestor that is empty itself is filled first.
pub(in crate::cgroups) fn fill(mount: &str, path: &str, writes: &[Write]) -> Result<(), StepError> {
    for file in FILES {
        let given = writes.iter().any(|write| write.file == file);
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let value = value(mount, parent, file)?;
        if !given {
            set(mount, path, file, &value)?;
        }
    }
    Ok(())
}

/// An ancestor's value, filled from further up where it has none.
fn value(mount: &str, path: &str, file: &str) -> Result<String, StepError> {
    let folder = format!("{mount}{path}");
    let text = fs::read(&folder, file)
        .map_err(|errno| StepError::new("read", format!("{folder}/{file}"), errno))?;
    let own = word(&text);
    if !own.is_empty() || path.is_empty() {
        return Ok(own.to_owned());
    }
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let value = value(mount, parent, file)?;
    set(mount, path, file, &value)?;
    Ok(value)
}

fn set(mount: &str, path: &str, file: &str, value: &str) -> Result<(), StepError> {
    let file = format!("{mount}{path}/{file}");
    small_file::write(&file, value)
        .map_err(|errno: Errno| StepError::new("set", format!("{file} to {value:?}"), errno))
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test stops where its ground is missing"
    )]

    use super::*;

    #[test]
    fn empty_ancestors_are_filled_from_the_top() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for (path, value) in [("", "0-1\n"), ("a", "\n"), ("a/b", ""), ("a/b/c", "")] {
            std::fs::create_dir_all(root.join(path)).unwrap();
            for file in FILES {
                std::fs::write(root.join(path).join(file), value).unwrap();
            }
        }
        let mount = root.to_str().unwrap();
        fill(mount, "/a/b/c", &[Write::new("cpuset.mems", "7")]).unwrap();
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        assert_eq!(read("a/cpuset.cpus"), "0-1");
        assert_eq!(read("a/b/cpuset.cpus"), "0-1");
        assert_eq!(read("a/b/c/cpuset.cpus"), "0-1");
        assert_eq!(read("a/b/cpuset.mems"), "0-1");
        // What the configuration sets is left to it.
        assert_eq!(read("a/b/c/cpuset.mems"), "");
    }
}
