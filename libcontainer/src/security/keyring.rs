//! The session keyring of a container (keyrings(7)).

use std::ffi::CString;
use std::os::fd::BorrowedFd;

use super::lsm;
use crate::error::StepError;
use crate::sys::{Errno, creds};

/// The owner may search it: what lets other processes of the container join it.
const USER_SEARCH: u32 = 0x0008_0000;

/// Joins the session keyring of that name, made when missing; a new one carries
/// the `SELinux` label of the process that it is for.
pub(crate) fn join(name: &str, proc: BorrowedFd<'_>, label: Option<&str>) -> Result<(), StepError> {
    let Some(label) = label else {
        return join_unlabelled(name);
    };
    lsm::set_selinux_on_keys(proc, label)?;
    join_unlabelled(name)?;
    // Other keys are not meant.
    lsm::set_selinux_on_keys(proc, "\n")
}

fn join_unlabelled(name: &str) -> Result<(), StepError> {
    let failed = |action, errno| StepError::new(action, format!("session keyring {name}"), errno);
    let text = CString::new(name).map_err(|_| failed("join", Errno::EINVAL))?;
    let serial = match creds::join_session_keyring(&text) {
        // A kernel without keys has none to protect.
        Err(Errno::ENOSYS) => return Ok(()),
        joined => joined.map_err(|errno| failed("join", errno))?,
    };
    let present = permissions(serial).map_err(|errno| failed("describe", errno))?;
    if present & USER_SEARCH == USER_SEARCH {
        return Ok(());
    }
    creds::set_key_permissions(serial, present | USER_SEARCH)
        .map_err(|errno| failed("set the permissions of", errno))
}

/// The permissions of a key: the fourth field of its description.
fn permissions(serial: i32) -> Result<u32, Errno> {
    let mut buffer = [0_u8; 512];
    let length = creds::describe_key(serial, &mut buffer)?;
    let text = buffer.get(..length).unwrap_or_default();
    let field = text.split(|&byte| byte == b';').nth(3).unwrap_or_default();
    let digits = std::str::from_utf8(field).map_err(|_| Errno::EINVAL)?;
    u32::from_str_radix(digits, 16).map_err(|_| Errno::EINVAL)
}
