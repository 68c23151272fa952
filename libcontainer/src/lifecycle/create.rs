//! `create` and `run`.

use std::os::fd::AsFd;

use super::carry_out::Made;
use super::foreground::{self, Attended};
use super::request::{CreateRequest, Exit, RunMode};
use super::set_up::set_up;
use super::{delete, readiness, start};
use crate::Result;
use crate::container::StateRoot;
use crate::plan::StartGate;
use crate::terminal::Foreground;

/// Makes a container from a bundle and leaves its init waiting for
/// [`start`](super::start()).
///
/// # Errors
/// `InvalidConfig` for what the configuration or the request has wrong, `Exists`
/// for an id in use, `Os` for a step that the kernel refused. Nothing is left
/// of a container that could not be made.
pub fn create(root: &StateRoot, request: &CreateRequest) -> Result<()> {
    set_up(root, request, StartGate::Fifo, RunMode::Detached)?;
    Ok(())
}

/// Makes a container and runs its program. In the foreground the terminal and
/// signals are relayed until it ends; then the container is deleted, and its
/// program's exit code given.
///
/// # Errors
/// As [`create`].
pub fn run(root: &StateRoot, request: &CreateRequest, mode: RunMode) -> Result<Exit> {
    match mode {
        RunMode::Detached => {
            let made = set_up(root, request, StartGate::Socket, mode)?;
            let mut made = poststart(made)?;
            if let Some(ear) = &made.ear {
                made.dir.unlock();
                readiness::pass_on(ear, made.child.pidfd.as_fd(), made.child.pid)?;
            }
            Ok(Exit(0))
        }
        RunMode::Foreground {
            keep,
            no_subreaper,
            confined,
        } => {
            if !no_subreaper {
                foreground::become_subreaper()?;
            }
            let foreground = Foreground::enter()?;
            let made = set_up(root, request, StartGate::Socket, mode)?;
            stay(made, &foreground, keep, confined)
        }
    }
}

/// The hooks after the program was started; one that fails ends the container.
fn poststart(made: Made) -> Result<Made> {
    if let Err(failed) = start::run_poststart(&made.record) {
        let Made {
            mut dir,
            record,
            child,
            ..
        } = made;
        dir.unlock();
        delete::destroy(&mut dir, &record, Some(child.pidfd.as_fd()))?;
        return Err(failed);
    }
    Ok(made)
}

fn stay(made: Made, foreground: &Foreground, keep: bool, confined: bool) -> Result<Exit> {
    let Made {
        dir,
        record,
        child,
        master,
        ear,
    } = poststart(made)?;
    let attended = Attended {
        dir,
        record,
        pid: child.pid,
        pidfd: child.pidfd,
        master,
        ear,
    };
    foreground::attend(attended, foreground, keep, confined)
}
