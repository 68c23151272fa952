//! Mounts put in their place: by descriptors where the kernel and the sandbox
//! around us allow it (open_tree(2), fsopen(2) and move_mount(2) of Linux 5.2,
//! mount_setattr(2) of 5.12), by mount(2) where not.
//!
//! Which call is missing is found by trying, each time: nothing is remembered.
//! The second way names descriptors by `/proc/self/fd`, hence works as long as the
//! host's procfs is there.

mod attributes;
mod bind;
mod filesystem;
mod place;

pub(crate) use attributes::{map_ids, set_attributes, set_attributes_by, set_propagation};
pub(crate) use bind::Source;
pub use filesystem::Parameter;
pub(crate) use filesystem::{FileSystem, Refused};
pub(crate) use place::{by_number, mount_id, mountinfo};

use crate::sys::Errno;

/// Whether a call of the mount API is missing: unknown to the kernel, or refused
/// by a sandbox. A refusal of the kernel's own is met again by mount(2).
fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::ENOSYS | Errno::EPERM)
}
