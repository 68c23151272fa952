//! `delete`: the same way for a container that ended, one that is killed for it,
//! and what a killed `create` left.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::load::Loaded;
use super::start::hook_state;
use crate::Result;
use crate::cgroups::Cgroup;
use crate::container::{StateRoot, Status};
use crate::error::{Error, ErrorKind, StepError};
use crate::hooks::{self, Output};
use crate::rootfs::HostMount;
use crate::state::{Record, Remains, StateDir};
use crate::sys::Errno;
use crate::sys::process::pidfd_send_signal;

/// As long as processes have to end and cgroups to empty.
const PATIENCE: Duration = Duration::from_secs(10);

/// Removes a container that is stopped or only created; with `force` one in any
/// status, and an unknown id is no error.
///
/// # Errors
/// `NotFound`, `WrongStatus`, or what could not be removed: the rest is removed
/// all the same, and `delete` can be called again.
pub fn delete(root: &StateRoot, id: &str, force: bool) -> Result<()> {
    let mut dir = match StateDir::open(root, id) {
        Err(error) if force && error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    // Whoever makes it may hang; by force it is removed under their hands.
    let locked = dir.try_lock(if force {
        Duration::from_secs(1)
    } else {
        PATIENCE
    })?;
    if !locked && !force {
        return Err(Error::new(
            ErrorKind::WrongStatus,
            format!("container {id} is being changed by another command"),
        ));
    }
    let loaded = match dir.read_record() {
        Ok(record) => Loaded::of(dir, record)?,
        // Killed before it was written, or damaged.
        Err(error) if force => return remove_unreadable(&dir, &error),
        Err(error) => return Err(error),
    };
    let lives = match loaded.status {
        Status::Stopped | Status::Created => false,
        Status::Running | Status::Paused | Status::Creating => true,
    };
    if lives && !force {
        return Err(Error::new(
            ErrorKind::WrongStatus,
            format!(
                "cannot delete container {id} that is not stopped: {}",
                loaded.status
            ),
        )
        .with_advice("stop it with kill, or use delete --force"));
    }
    let Loaded {
        mut dir,
        record,
        init,
        ..
    } = loaded;
    destroy(&mut dir, &record, init.as_ref().map(AsFd::as_fd))
}

/// Ends and removes a container, whatever its status. Without a pid namespace of
/// its own a container's processes outlive its init: they end here too.
///
/// `init` is its first process, unless that has ended.
pub(super) fn destroy(
    dir: &mut StateDir,
    record: &Record,
    init: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    clear(&record.remains(), init, deadline)?;
    dir.remove()?;
    run_poststop(record);
    Ok(())
}

/// Ends the processes, and removes the cgroup and what is among the host's mounts.
fn clear(remains: &Remains, init: Option<BorrowedFd<'_>>, deadline: Instant) -> Result<()> {
    end_processes(remains, init, deadline)?;
    let cgroup = remains.cgroup.open()?.remove(deadline);
    // Each whatever became of the others.
    let mounts = remains
        .host_mount
        .as_ref()
        .map_or(Ok(()), HostMount::unbind);
    if let Some(group) = &remains.resctrl {
        group.remove()?;
    }
    cgroup?;
    Ok(mounts?)
}

fn end_processes(remains: &Remains, init: Option<BorrowedFd<'_>>, deadline: Instant) -> Result<()> {
    let cgroup = remains.cgroup.open()?;
    if let Some(init) = init {
        match pidfd_send_signal(init, libc::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => {
                return Err(
                    StepError::new("kill", format!("process {}", remains.pid), errno).into(),
                );
            }
        }
        // On cgroup v1 a frozen process cannot die.
        if cgroup.is_proved() && cgroup.is_frozen().unwrap_or_default() {
            cgroup.thaw()?;
        }
        await_killed(init, deadline, remains.pid, &cgroup)?;
    }
    // Others end with the first process of their pid namespace.
    let alone = remains.own_pid_namespace && remains.pid > 0;
    if alone || remains.pid == 0 || cgroup.is_disabled() || !cgroup.exists() {
        return Ok(());
    }
    if cgroup.is_anothers() {
        return Ok(());
    }
    cgroup.signal_all(libc::SIGKILL, deadline)?;
    cgroup.wait_until_empty(deadline)?;
    Ok(())
}

/// Waits for a killed process. One that does not end within a moment is looked
/// after: a freezer of another's may hold it.
fn await_killed(pidfd: BorrowedFd<'_>, deadline: Instant, pid: i32, cgroup: &Cgroup) -> Result<()> {
    const MOMENT: Duration = Duration::from_millis(200);
    let failed = |errno| Error::from(StepError::new("wait for", format!("process {pid}"), errno));
    if ended_by(pidfd, deadline.min(Instant::now() + MOMENT)).map_err(failed)? {
        return Ok(());
    }
    let holder = cgroup.thaw_holder_of(pid);
    if ended_by(pidfd, deadline).map_err(failed)? {
        return Ok(());
    }
    let reason = match holder {
        Some(folder) => format!("it does not end; it is in cgroup {folder}"),
        None => "it does not end".to_owned(),
    };
    Err(StepError::refused("kill", format!("process {pid}"), reason).into())
}

fn ended_by(pidfd: BorrowedFd<'_>, deadline: Instant) -> std::result::Result<bool, Errno> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(pidfd, PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno),
        }
    }
}

/// A container whose record nobody can read: what the other file says is ended
/// and removed. Without it `create` was killed before there was anything more
/// than the directory. Hooks are in the record alone.
fn remove_unreadable(dir: &StateDir, error: &Error) -> Result<()> {
    match dir.read_remains() {
        Some(remains) => {
            log::warn!("{error}");
            let init = match remains.identity() {
                Some(identity) => identity.open().map_err(|errno| {
                    StepError::new("find", format!("process {}", remains.pid), errno)
                })?,
                None => None,
            };
            let init = init.as_ref().map(AsFd::as_fd);
            clear(&remains, init, Instant::now() + PATIENCE)?;
        }
        None => log::debug!("{error}"),
    }
    dir.remove()
}

/// The hooks after the container was deleted; one that fails is told of, and
/// the next ones run (runtime-spec, "Lifecycle").
pub(super) fn run_poststop(record: &Record) {
    if record.poststop.is_empty() {
        return;
    }
    let state = hook_state(record);
    let document = hooks::document(&state, Status::Stopped, 0);
    let output = Output::open(&state).unwrap_or_else(|error| {
        log::warn!("{error}");
        Output::default()
    });
    let context = hooks::Context {
        kind: "poststop",
        state: &document,
        environment: None,
        directory: record.bundle.is_dir().then_some(record.bundle.as_path()),
        output: &output,
    };
    for done in hooks::each(&record.poststop, &context) {
        if let Err(failed) = done {
            log::warn!("{failed}");
        }
    }
}
