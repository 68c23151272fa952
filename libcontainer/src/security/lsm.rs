//! Labels of the security modules: `AppArmor` and `SELinux`.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::error::StepError;
use crate::path::open_strict;
use crate::sys::Errno;

/// Whether this kernel confines by `AppArmor`.
pub(crate) fn apparmor_enabled() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|text| text.starts_with(b"Y"))
}

/// Whether this kernel confines by `SELinux`.
pub(crate) fn selinux_enabled() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

/// When a label is taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// By the next exec of this thread.
    OnExec,
    /// At once.
    Now,
}

/// The profile that this thread takes on.
pub(crate) fn set_apparmor(
    proc: BorrowedFd<'_>,
    profile: &str,
    when: When,
) -> Result<(), StepError> {
    let (text, path, shared) = match when {
        When::OnExec => (
            format!("exec {profile}"),
            c"thread-self/attr/apparmor/exec",
            c"thread-self/attr/exec",
        ),
        When::Now => (
            format!("changeprofile {profile}"),
            c"thread-self/attr/apparmor/current",
            c"thread-self/attr/current",
        ),
    };
    match write(proc, path, &text) {
        // Before Linux 5.8 there is only the shared file.
        Err(Errno::ENOENT) => write(proc, shared, &text),
        done => done,
    }
    .map_err(|errno| StepError::new("apply apparmor profile", profile, errno))
}

/// The label that this thread takes on.
pub(crate) fn set_selinux(proc: BorrowedFd<'_>, label: &str, when: When) -> Result<(), StepError> {
    let path = match when {
        When::OnExec => c"thread-self/attr/exec",
        When::Now => c"thread-self/attr/current",
    };
    write(proc, path, label).map_err(|errno| StepError::new("apply SELinux label", label, errno))
}

/// The label of keys that this thread makes from here on; of a line end, none.
pub(super) fn set_selinux_on_keys(proc: BorrowedFd<'_>, label: &str) -> Result<(), StepError> {
    write(proc, c"thread-self/attr/keycreate", label)
        .map_err(|errno| StepError::new("label keys", label.trim_end(), errno))
}

/// Writes a file below a procfs of ours: no mount on the way, no link that
/// leads out of it. `thread-self` is a link and is resolved first.
fn write(proc: BorrowedFd<'_>, path: &CStr, text: &str) -> Result<(), Errno> {
    use nix::fcntl::{OFlag, readlinkat};
    use std::os::unix::ffi::OsStrExt;
    let thread = readlinkat(proc, c"thread-self")?;
    let rest = path
        .to_bytes()
        .strip_prefix(b"thread-self")
        .unwrap_or_default();
    let mut full = thread.as_bytes().to_vec();
    full.extend_from_slice(rest);
    let full = std::ffi::CString::new(full).map_err(|_| Errno::EINVAL)?;
    let file = open_strict(proc, &full, OFlag::O_WRONLY)?;
    nix::unistd::write(&file, text.as_bytes())?;
    Ok(())
}
