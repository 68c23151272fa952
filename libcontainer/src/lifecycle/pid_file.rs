//! `--pid-file`: the pid, whole or not at all.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, StepError};
use crate::sys::Errno;

/// Writes the pid without a line end, under a hidden name first.
pub(super) fn write(path: &Path, pid: i32) -> Result<(), Error> {
    let temporary = hidden(path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o666)
        .open(&temporary)
        .and_then(|mut file| write!(file, "{pid}"))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(&temporary);
        }
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        StepError::new("write pid file", path.display().to_string(), errno).into()
    })
}

fn hidden(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::write;

    #[test]
    fn it_holds_the_pid_alone() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("pid");
        std::fs::write(&path, "old").unwrap();
        write(&path, 4711).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "4711");
        assert_eq!(std::fs::read_dir(top.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_names_it() {
        let failed = write("/no/such/dir/pid".as_ref(), 1).unwrap_err();
        assert_eq!(
            failed.to_string(),
            "cannot write pid file /no/such/dir/pid: no such file or directory"
        );
    }
}
