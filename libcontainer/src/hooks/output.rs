//! The files that take the output of hooks (`run.oci.hooks.stdout`, `.stderr`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;

use crate::error::StepError;
use crate::plan::HookState;
use crate::sys::open::open;

/// What the hooks of a container write to; a stream without a file is kept for
/// the message of a failure.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

impl Output {
    /// Opens the files that the container's annotations name.
    pub(crate) fn open(state: &HookState) -> Result<Self, StepError> {
        let [stdout, stderr] = state.output().map(|path| path.map(append_to));
        Ok(Self {
            stdout: stdout.transpose()?,
            stderr: stderr.transpose()?,
        })
    }

    /// The files, for the process that runs hooks in the container: the names are
    /// of another root there.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [&self.stdout, &self.stderr]
            .into_iter()
            .flatten()
            .map(AsFd::as_fd)
    }

    /// The same files on the other side.
    pub(crate) fn take_over(state: &HookState, fds: &mut impl Iterator<Item = OwnedFd>) -> Self {
        let [stdout, stderr] = state.output().map(|path| path.and_then(|_| fds.next()));
        Self { stdout, stderr }
    }

    pub(super) fn stdout(&self) -> std::io::Result<Stdio> {
        stream(self.stdout.as_ref())
    }

    pub(super) fn stderr(&self) -> std::io::Result<Stdio> {
        stream(self.stderr.as_ref())
    }
}

fn stream(file: Option<&OwnedFd>) -> std::io::Result<Stdio> {
    file.map_or_else(
        || Ok(Stdio::piped()),
        |file| file.try_clone().map(Stdio::from),
    )
}

/// A FIFO that nobody reads is an error here, rather than a wait without an end.
fn append_to(path: &Path) -> Result<OwnedFd, StepError> {
    let failed = |errno| StepError::new("open", path.display().to_string(), errno);
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_CLOEXEC;
    let file = open(
        path,
        flags | OFlag::O_NOCTTY | OFlag::O_NONBLOCK,
        Mode::S_IRUSR | Mode::S_IWUSR,
    )
    .map_err(failed)?;
    fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND)).map_err(failed)?;
    Ok(file)
}
