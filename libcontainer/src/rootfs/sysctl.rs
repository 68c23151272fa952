//! Kernel settings of the container's namespaces.

use std::ffi::CString;
use std::os::fd::BorrowedFd;

use nix::fcntl::OFlag;

use crate::error::StepError;
use crate::path::open_strict;
use crate::sys::Errno;

/// Writes the settings below a procfs of ours, which shows the namespaces that
/// the calling process is in.
pub(crate) fn set_sysctls(
    proc: BorrowedFd<'_>,
    settings: &[(String, String)],
) -> Result<(), StepError> {
    for (path, value) in settings {
        let failed = |errno| {
            let error = StepError::new(
                "set",
                format!("sysctl {} to {value:?}", path.replace('/', ".")),
                errno,
            );
            if path == "net/ipv4/ping_group_range" && errno == Errno::EINVAL {
                return error.with_detail(
                    "each group of the range must be mapped in the container's user namespace",
                );
            }
            error
        };
        let name = CString::new(format!("sys/{path}")).map_err(|_| failed(Errno::EINVAL))?;
        let file = open_strict(proc, &name, OFlag::O_WRONLY).map_err(failed)?;
        nix::unistd::write(&file, value.as_bytes()).map_err(failed)?;
    }
    Ok(())
}
