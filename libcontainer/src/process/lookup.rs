//! Which file a command names, found with the rights that will execute it, and
//! said in the words that engines turn into exit codes 126 and 127.

use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{SFlag, stat};
use nix::unistd::{AccessFlags, faccessat};

use crate::error::{StepError, reason};
use crate::sys::Errno;

/// The path to execute. A name without a slash is looked up along the
/// environment's PATH.
pub(super) fn executable(name: &str, environment: &[String]) -> Result<String, StepError> {
    if name.contains('/') {
        return match check(name) {
            Ok(()) => Ok(name.to_owned()),
            Err(Errno::EISDIR) => Err(said(name, "is a directory")),
            Err(Errno::EACCES) => Err(said(name, "permission denied")),
            Err(errno) => Err(said(name, &format!("stat {name}: {}", reason(errno)))),
        };
    }
    let path = environment
        .iter()
        .find_map(|variable| variable.strip_prefix("PATH="))
        .unwrap_or_default();
    let mut denied = None;
    for directory in path.split(':') {
        // Unix shell semantics: an empty element is the working directory.
        let directory = if directory.is_empty() { "." } else { directory };
        let candidate = format!("{directory}/{name}");
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::EACCES) => denied = denied.or(Some(candidate)),
            Err(_) => {}
        }
    }
    match denied {
        Some(candidate) => Err(said(&candidate, "permission denied")),
        None => Err(said(name, "executable file not found in $PATH")),
    }
}

fn said(name: &str, what: &str) -> StepError {
    StepError::said(format!("exec: {name:?}: {what}"))
}

/// Whether the path is a file that may be executed.
fn check(path: &str) -> Result<(), Errno> {
    let found = stat(Path::new(path))?;
    let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFDIR {
        return Err(Errno::EISDIR);
    }
    match faccessat(
        AT_FDCWD,
        Path::new(path),
        AccessFlags::X_OK,
        AtFlags::AT_EACCESS,
    ) {
        // A filter or a kernel without the call: the exec itself will tell.
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        checked => checked,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::executable;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_path_is_searched_in_order() {
        let top = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            fs::create_dir(top.path().join(name)).unwrap();
        }
        let program = top.path().join("b/prog");
        fs::write(&program, "").unwrap();
        let path = format!("PATH={0}/a:{0}/b", top.path().display());
        let missing = executable("prog2", std::slice::from_ref(&path)).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "exec: \"prog2\": executable file not found in $PATH"
        );
        let plain = executable("prog", std::slice::from_ref(&path)).unwrap_err();
        assert!(plain.to_string().ends_with("permission denied"), "{plain}");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(
            executable("prog", &[path]).unwrap(),
            program.to_str().unwrap()
        );
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        let words = |name: &str| executable(name, &[]).unwrap_err().to_string();
        assert_eq!(words("/etc"), "exec: \"/etc\": is a directory");
        assert_eq!(
            words("/no/such"),
            "exec: \"/no/such\": stat /no/such: no such file or directory"
        );
        assert_eq!(executable("/bin/sh", &[]).unwrap(), "/bin/sh");
    }
}
