//! A plain folder in place of resctrl, for tests on machines without the
//! hardware: in a debug build `LODGE_RESCTRL=FOLDER` names one. What the kernel
//! does there by itself is done here: a new group comes with its files, and one
//! that is removed goes with them. A release build knows nothing of it.

use super::mount::is_resctrl;
use crate::error::StepError;
use crate::sys::Errno;

/// The folder that the environment names.
#[cfg(debug_assertions)]
pub(super) fn asked() -> Option<String> {
    std::env::var("LODGE_RESCTRL").ok()
}

/// Gives a new group the files that it has.
pub(super) fn fill(mount: &str, path: &str) -> Result<(), StepError> {
    if is_resctrl(mount) {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        StepError::new("fill", path, errno)
    };
    std::fs::write(format!("{path}/tasks"), "").map_err(failed)?;
    if path.contains("/mon_groups/") {
        return Ok(());
    }
    std::fs::create_dir(format!("{path}/mon_groups")).map_err(failed)?;
    std::fs::write(format!("{path}/schemata"), "").map_err(failed)
}

/// Takes them away again.
pub(super) fn empty(mount: &str, path: &str) {
    if is_resctrl(mount) {
        return;
    }
    for file in ["tasks", "schemata"] {
        let _ = std::fs::remove_file(format!("{path}/{file}"));
    }
    let _ = std::fs::remove_dir(format!("{path}/mon_groups"));
}
