//! Signals by number.

use super::Result;
use super::call::Call;

/// Sends any signal, also a real-time one, to one process.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<()> {
    Call::Kill(pid, signal).make()?;
    Ok(())
}
