//! `start`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::delete;
use super::load::Loaded;
use super::readiness;
use crate::Result;
use crate::container::{StateRoot, Status};
use crate::error::{Error, ErrorKind, StepError};
use crate::hooks::{self, Output};
use crate::plan::HookState;
use crate::process::{START, read_failure};
use crate::state::Record;
use crate::sys::Errno;

/// As long as a process has to end that has nothing left to do, in milliseconds.
const PATIENCE: u16 = 10_000;

/// Lets the init of a created container execute the user's program, and waits
/// until it has.
///
/// # Errors
/// `NotFound`, `WrongStatus`, or what kept the program from being executed; the
/// container is stopped then.
pub fn start(root: &StateRoot, id: &str) -> Result<()> {
    let mut loaded = Loaded::find_to_change(root, id)?;
    let refuse = |text: &str| Err(Error::new(ErrorKind::WrongStatus, text));
    match loaded.status {
        Status::Created => {}
        Status::Stopped => return refuse("cannot start a container that has stopped"),
        Status::Running => return refuse("cannot start an already running container"),
        Status::Paused => return refuse("cannot start a paused container"),
        Status::Creating => return refuse("cannot start a container that is being created"),
    }
    let ear = readiness::listen(&loaded.dir, readiness::manager())?;
    let fifo = match loaded.dir.take_fifo() {
        Ok(fifo) => fifo,
        Err(Errno::ENXIO) => return refuse("cannot start a container that has stopped"),
        Err(errno) => return Err(failed(id, errno)),
    };
    nix::unistd::write(&fifo, &[START]).map_err(|errno| failed(id, errno))?;
    if let Some(failure) = outcome(&fifo).map_err(|errno| failed(id, errno))? {
        if let Some(init) = &loaded.init {
            until_ended(init.as_fd());
        }
        return Err(Error::from(failure));
    }
    if let Err(failed) = run_poststart(&loaded.record) {
        // runtime-spec, "Lifecycle": the container is stopped and deleted.
        let init = loaded.init.as_ref().map(AsFd::as_fd);
        delete::destroy(&mut loaded.dir, &loaded.record, init)?;
        return Err(failed);
    }
    if let (Some(ear), Some(init)) = (ear, &loaded.init) {
        loaded.dir.unlock();
        readiness::pass_on(&ear, init.as_fd(), loaded.record.pid)?;
    }
    Ok(())
}

fn failed(id: &str, errno: Errno) -> Error {
    StepError::new("start", format!("container {id}"), errno).into()
}

/// Waits until the init has closed the FIFO, by its exec or its end, and reads
/// what it left there: nothing when all went well.
fn outcome(fifo: &OwnedFd) -> std::result::Result<Option<StepError>, Errno> {
    loop {
        let mut fds = [PollFd::new(fifo.as_fd(), PollFlags::empty())];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        if fds.iter().any(|fd| {
            fd.revents()
                .is_some_and(|it| it.contains(PollFlags::POLLERR))
        }) {
            break;
        }
    }
    // What is in a FIFO stays there while one end is open: ours.
    let reader = reopen(fifo)?;
    let mut bytes = Vec::new();
    let mut part = [0; 512];
    loop {
        match nix::unistd::read(&reader, &mut part) {
            Ok(0) | Err(Errno::EAGAIN) => break,
            Ok(length) => bytes.extend(part.get(..length).unwrap_or_default()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes == [START] {
        // Never read: the init ended where it waited.
        return Ok(Some(StepError::said(
            "the container's process ended before it was started",
        )));
    }
    Ok(Some(read_failure(&bytes).unwrap_or_else(|| {
        StepError::said("the container's process left an unreadable failure")
    })))
}

/// An init that has failed is on its way out: whoever looks next has to find the
/// container stopped.
fn until_ended(init: BorrowedFd<'_>) {
    let mut fds = [PollFd::new(init, PollFlags::POLLIN)];
    if !matches!(poll(&mut fds, PATIENCE), Ok(1)) {
        log::warn!("the container's process has not ended after its failure");
    }
}

/// The FIFO for reading: by way of its descriptor, since its name is gone.
fn reopen(fifo: &OwnedFd) -> std::result::Result<OwnedFd, Errno> {
    use crate::sys::open::open;
    use nix::fcntl::OFlag;
    use nix::sys::stat::Mode;
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fifo.as_raw_fd());
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    open(path.as_str(), flags, Mode::empty())
}

/// The hooks after the program was started.
pub(super) fn run_poststart(record: &Record) -> Result<()> {
    if record.poststart.is_empty() {
        return Ok(());
    }
    let state = hook_state(record);
    let document = hooks::document(&state, Status::Running, record.pid);
    hooks::run_all(
        &record.poststart,
        &hooks::Context {
            kind: "poststart",
            state: &document,
            environment: None,
            directory: Some(&record.bundle),
            output: &Output::open(&state)?,
        },
    )?;
    Ok(())
}

/// What hooks are told, from the record.
pub(super) fn hook_state(record: &Record) -> HookState {
    HookState {
        oci_version: record.oci_version.clone(),
        id: record.id.clone(),
        bundle: record.bundle.clone(),
        annotations: record
            .annotations
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    }
}
