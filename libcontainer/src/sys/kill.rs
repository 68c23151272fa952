//! Signals by number.

use super::Errno;

/// Sends any signal, also a real-time one, to one process.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: kill(2) takes two numbers and touches no memory of ours.
    let result = unsafe { libc::kill(pid, signal) };
    Errno::result(result).map(|_| ())
}
