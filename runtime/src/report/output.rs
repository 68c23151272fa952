//! Bytes to stdout and stderr.

use std::io::Write as _;

use libcontainer::Result;

use super::cannot;

/// Writes to stdout, all of it and at once.
///
/// # Errors
/// A stdout that takes no more, as when a pipe's reader is gone.
pub(crate) fn stdout(bytes: impl AsRef<[u8]>) -> Result<()> {
    write_stdout(bytes.as_ref()).map_err(|error| cannot("write", "stdout", &error))
}

/// The same, for a caller who knows better what a failure means.
pub(crate) fn write_stdout(bytes: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush())
}

/// Writes a line to stderr. When that fails there is nobody left to tell.
pub(crate) fn stderr_line(line: &str) {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.trim_end_matches('\n').as_bytes());
    bytes.push(b'\n');
    let _ = std::io::stderr().write_all(&bytes);
}
