//! Files of resctrl: errors that name file, value, reason, and what the kernel
//! itself has to say of it.

use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// Reads a file.
pub(super) fn read(path: &str) -> Result<String, StepError> {
    small_file::read(path)
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .map_err(|errno| StepError::new("read", path, errno))
}

/// Whether there is something at a path.
pub(super) fn exists(path: &str) -> bool {
    small_file::file_system(path).is_ok()
}

/// Writes values to one file, a call each.
pub(super) fn write<'a>(
    mount: &str,
    path: &str,
    values: impl IntoIterator<Item = &'a str>,
) -> Result<(), StepError> {
    let file = small_file::open_to_write(path)
        .map_err(|errno| told(mount, StepError::new("open", path, errno)))?;
    for value in values {
        small_file::write_value(&file, value).map_err(|errno| {
            let object = format!("{path} to {:?}", value.trim_end());
            told(mount, StepError::new("set", object, errno))
        })?;
    }
    Ok(())
}

/// Makes a group.
pub(super) fn make(mount: &str, path: &str) -> Result<(), StepError> {
    small_file::make_folder(path)
        .map_err(|errno| told(mount, StepError::new("make", path, errno)))?;
    #[cfg(any(test, debug_assertions))]
    super::stand_in::fill(mount, path)?;
    Ok(())
}

/// Removes a group; one that is gone is as good.
pub(super) fn remove(mount: &str, path: &str) -> Result<(), StepError> {
    #[cfg(any(test, debug_assertions))]
    super::stand_in::empty(mount, path);
    match small_file::remove_folder(path) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(told(mount, StepError::new("remove", path, errno))),
    }
}

/// The same with the kernel's own words for the last refusal, which say more than
/// a number can ("Mask out of range").
fn told(mount: &str, error: StepError) -> StepError {
    match small_file::read(&format!("{mount}/info/last_cmd_status")) {
        Ok(words) => {
            let words = String::from_utf8_lossy(&words);
            let words = words.trim();
            if words.is_empty() || words == "ok" {
                return error;
            }
            error.with_detail(format!("last_cmd_status: {words}"))
        }
        Err(_) => error,
    }
}
