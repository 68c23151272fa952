//! A process that joins a container: what `exec` runs.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::executor::Executor;
use super::init::{attach, become_root_inside, clone_again, host_proc, reset_affinity};
use super::link::Link;
use super::user_process::{Finish, finish};
use crate::error::StepError;
use crate::hooks::Output;
use crate::path::RootFd;
use crate::plan::TenantPlan;
use crate::rootfs;
use crate::security::keyring;
use crate::sys::mount::{fsconfig_create, fsconfig_string, fsmount, fsopen};
use crate::sys::open::open;
use crate::sys::{Errno, ns, process, sched};
use crate::terminal::Pty;

/// A procfs that nobody mounted anything over, of our processes alone (Linux 5.8):
/// whoever gets hold of it finds nothing that is masked.
pub(crate) fn own_proc() -> Result<OwnedFd, Errno> {
    let context = fsopen(c"proc")?;
    fsconfig_string(context.as_fd(), c"subset", c"pid")?;
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), 0)
}

pub(super) fn run(
    plan: &TenantPlan,
    link: &Link,
    fds: Vec<OwnedFd>,
    executor: &impl Executor,
) -> Result<Infallible, StepError> {
    let missing = || StepError::refused("join", "the container", "its process is missing");
    let init = fds.into_iter().next().ok_or_else(missing)?;
    let proc = host_proc()?;
    let ignored = process::ignored_signals(proc.as_fd());
    if let Some(name) = &plan.keyring {
        keyring::join(name, proc.as_fd(), plan.process.selinux.as_deref())?;
    }
    match &plan.process.final_affinity {
        Some(mask) => sched::set_affinity(0, mask)
            .map_err(|errno| StepError::new("set", "process.execCPUAffinity.final", errno))?,
        None => reset_affinity()?,
    }
    // The pid namespace may have been joined before the clone that made us.
    let flags = if plan.enters_pid_namespace {
        plan.namespaces
    } else {
        plan.namespaces & !libc::CLONE_NEWPID
    };
    if flags != 0 {
        ns::join(init.as_fd(), flags)
            .map_err(|errno| StepError::new("join", "the container's namespaces", errno))?;
    }
    drop(init);
    if plan.namespaces & libc::CLONE_NEWUSER != 0 {
        become_root_inside()?;
    }
    if let Some(path) = &plan.chroot {
        rootfs::chroot_into(path)?;
    }
    let labelled = plan.process.apparmor.is_some() || plan.process.selinux.is_some();
    let mut proc = labelled.then_some(proc);
    if plan.enters_pid_namespace {
        // From here on others see us: nothing of the host's is left in our hands.
        proc = None;
        clone_again(0, false, link)?;
        if labelled {
            proc = Some(own_proc().or_else(|_| host_proc())?);
        }
    }
    nix::unistd::setsid().map_err(|errno| StepError::new("make", "a session", errno))?;
    let terminal = match plan.process.terminal {
        Some(asked) => {
            let root = open(
                "/",
                OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
                Mode::empty(),
            )
            .map_err(|errno| StepError::new("open", "the container's root", errno))?;
            let pty = Pty::open(&RootFd::new(root))?;
            if let Some(size) = asked.size {
                pty.resize(size)?;
            }
            pty.give_to(plan.process.user.uid)?;
            Some(attach(pty)?)
        }
        None => None,
    };
    finish(Finish {
        link,
        process: &plan.process,
        seccomp: plan.seccomp.as_ref(),
        proc,
        ignored,
        terminal,
        fifo: None,
        makes_cwd: false,
        hooks: &[],
        hook_state: None,
        output: Output::default(),
        annotations: &plan.annotations,
        executor,
    })
}
