//! `/dev/console`: the container's own terminal under its old name.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::dev::place;
use crate::attach::Source;
use crate::error::StepError;
use crate::path::{Missing, RootFd};
use crate::sys::Errno;

/// Binds a terminal, by its descriptor, onto `/dev/console`.
pub(crate) fn bind_console(root: &RootFd, terminal: BorrowedFd<'_>) -> Result<(), StepError> {
    let failed = |errno| StepError::new("bind the terminal to", "/dev/console", errno);
    let dev = root
        .ensure(Path::new("/dev"), Missing::Directory)
        .map_err(failed)?;
    let target = match place(dev.as_fd(), c"console") {
        // A read-only image without the file: the console is a convenience, the
        // terminal itself works.
        Err(Errno::EROFS) => return Ok(()),
        target => target.map_err(failed)?,
    };
    Source::open(terminal, c"", false)
        .and_then(|source| source.attach(target.as_fd(), &[]))
        .map(drop)
        .map_err(failed)
}
