//! What the sealed image does first: it looks at its socket, takes its plan, and
//! becomes an init or a tenant.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::executor::{Executor, Kernel};
use super::link::{Link, Received};
use super::protocol::{Order, Report};
use super::{init, tenant};
use crate::error::StepError;
use crate::sys::{clone, fd, process};

/// Runs this process as the init or an exec'd process of a container, up to the
/// user's program; it never comes back.
///
/// A program that uses this library to create containers calls this before
/// anything else when its `argv[0]` is `lodge-init`: containers are made by
/// executing a sealed image of the calling program.
pub fn init_stage() -> ! {
    init_stage_with(&Kernel)
}

/// The same for a program that knows its arguments from elsewhere: `argument` is the
/// one after its name.
pub fn init_stage_of(argument: Option<&OsStr>) -> ! {
    run(argument, &Kernel)
}

/// The same with another way to run some programs than to execute them.
pub fn init_stage_with(executor: &impl Executor) -> ! {
    run(std::env::args_os().nth(1).as_deref(), executor)
}

fn run(argument: Option<&OsStr>, executor: &impl Executor) -> ! {
    // Until the user's program runs, nobody looks in.
    let _ = process::forbid_dump();
    let number = argument.and_then(|text| text.to_str()?.parse().ok());
    let Some(link) = number.and_then(|number: RawFd| Link::inherited(number).ok()) else {
        clone::exit_now(1);
    };
    let failed = match serve(&link, executor) {
        Ok(never) => match never {},
        Err(failed) => failed,
    };
    // Nobody may be there any more to hear it.
    let _ = link.write(&Report::Failed(failed));
    clone::exit_now(1)
}

fn serve(link: &Link, executor: &impl Executor) -> Result<std::convert::Infallible, StepError> {
    let Some(Received { message, fds }) = link.receive::<Order>(None)? else {
        return Err(StepError::refused(
            "read",
            "the plan",
            "the runtime is gone",
        ));
    };
    match message {
        Order::Init(plan) => {
            sweep(link, plan.process.kept_fds, fds.iter().map(AsFd::as_fd))?;
            init::run(&plan, link, fds, executor)
        }
        Order::Tenant(plan) => {
            sweep(link, plan.process.kept_fds, fds.iter().map(AsFd::as_fd))?;
            tenant::run(&plan, link, fds, executor)
        }
        Order::CgroupJoined
        | Order::Followed
        | Order::HooksDone
        | Order::Source
        | Order::NoSource(_)
        | Order::MountMapped
        | Order::MountNotMapped(_)
        | Order::DevicesMoved
        | Order::Proceed => Err(StepError::refused(
            "read",
            "the plan",
            "it is another message",
        )),
    }
}

/// Closes what nobody asked to keep: all descriptors but the first three, those
/// to keep after them, the socket, and these. At the beginning that is what the
/// runtime's caller left open, later what is left of the set-up.
pub(super) fn sweep<'a>(
    link: &Link,
    kept: u32,
    fds: impl Iterator<Item = BorrowedFd<'a>>,
) -> Result<(), StepError> {
    let failed = |errno| StepError::new("close", "the caller's descriptors", errno);
    let mut ours: Vec<RawFd> = fds.map(|fd| fd.as_raw_fd()).collect();
    ours.push(link.number());
    ours.sort_unstable();
    let mut next = RawFd::try_from(kept)
        .unwrap_or(RawFd::MAX)
        .saturating_add(3);
    for number in ours {
        if number > next {
            fd::close_range(next, Some(number.saturating_sub(1))).map_err(failed)?;
        }
        next = next.max(number.saturating_add(1));
    }
    fd::close_range(next, None).map_err(failed)
}
