//! `exec`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use super::caller_fds::CallerFds;
use super::foreground;
use super::limits::set_process_limits;
use super::listener::{Agent, Told, no_agent};
use super::load::Loaded;
use super::mount_sources::MountSources;
use super::pid_namespace::PidNamespace;
use super::request::{ExecOverrides, ExecProcess, ExecRequest, Exit, RunMode};
use super::set_up::{read_file, warn};
use super::start::hook_state;
use super::streams::{self, Ids};
use super::supervise::{self, Answers};
use super::terminal::{check_terminal, hand_over_terminal};
use super::undo::Undo;
use super::{milestones, pid_file};
use crate::Result;
use crate::cgroups::{Cgroup, RecordedHierarchy};
use crate::container::{Caller, StateRoot, Status};
use crate::error::{Error, ErrorKind, Findings, StepError};
use crate::plan::{self, ProcessFacts, ProcessPlan, TenantFacts, TenantPlan};
use crate::process::{Child, Order, Request, spawn};
use crate::spec::oci::{Capabilities, Capability, LinuxCapabilitiesBuilder, Process};
use crate::spec::{read_process, read_spec};
use crate::sys::{Errno, sched};
use crate::terminal::{ConsoleSocket, Foreground, Relay};

/// Runs one more process in a container that is created or running. In the
/// foreground the terminal and signals are relayed until it ends, and its exit
/// code is given.
///
/// # Errors
/// `NotFound`, `WrongStatus`, `InvalidConfig` for what the process has wrong, or
/// what kept the program from being executed.
pub fn exec(root: &StateRoot, id: &str, request: &ExecRequest) -> Result<Exit> {
    let loaded = Loaded::find(root, id)?;
    let refuse = |text: &str| Err(Error::new(ErrorKind::WrongStatus, text));
    match loaded.status {
        Status::Running | Status::Created => {}
        Status::Paused if request.ignore_paused => {}
        Status::Paused => {
            return refuse("cannot exec in a paused container (use --ignore-paused to override)");
        }
        Status::Stopped => return refuse("cannot exec in a stopped container"),
        Status::Creating => return refuse("cannot exec in a container that is being created"),
    }
    let Some(init) = &loaded.init else {
        return refuse("cannot exec in a stopped container");
    };
    let cgroup = loaded.cgroup()?.sub(&request.cgroups)?;
    let fds = CallerFds::check(false, request.stdio.preserve_fds)?;
    let facts = loaded.dir.read_tenant()?;
    let process = process_of(&loaded, request)?;
    let socket = request.stdio.console_socket.as_deref();
    check_terminal(process.terminal().unwrap_or_default(), request.mode, socket)?;
    let plan = judge(&process, request, &facts, fds)?;
    let tenant = TenantPlan {
        namespaces: facts.namespaces,
        enters_pid_namespace: false,
        keyring: facts.keyring.clone(),
        chroot: (facts.namespaces & libc::CLONE_NEWNS == 0).then(|| loaded.record.rootfs.clone()),
        process: plan,
        seccomp: facts.seccomp.clone(),
        annotations: hook_state(&loaded.record).annotations,
    };
    let work = Work {
        loaded: &loaded,
        facts: &facts,
        init: init.as_fd(),
        request,
        cgroup,
    };
    match request.mode {
        RunMode::Detached => {
            work.carry_out(tenant)?;
            Ok(Exit(0))
        }
        RunMode::Foreground { confined, .. } => {
            let foreground = Foreground::enter()?;
            let (child, master) = work.carry_out(tenant)?;
            let relay = match master {
                Some(master) => Relay::new(master)?,
                None => Relay::without_terminal(),
            };
            Ok(foreground::relay(relay, &foreground, &child, confined)?)
        }
    }
}

/// The process as asked for: a document of its own, or the configuration's with
/// changes.
fn process_of(loaded: &Loaded, request: &ExecRequest) -> Result<Process> {
    match &request.process {
        ExecProcess::Document(text) => {
            let document = read_process("the process document", text.as_bytes())?;
            for note in document.notes {
                log::warn!("{note}");
            }
            Ok(document.content)
        }
        ExecProcess::Overrides(overrides) => {
            let path = loaded.record.bundle.join("config.json");
            let text = read_file(&path)?;
            let document = read_spec(&path.display().to_string(), &text)?;
            let process = document.content.process().clone().ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidConfig,
                    format!("{}: process: missing", path.display()),
                )
            })?;
            change(process, overrides)
        }
    }
}

fn change(mut process: Process, overrides: &ExecOverrides) -> Result<Process> {
    process.set_args(Some(overrides.args.clone()));
    process.set_terminal(Some(overrides.tty));
    if let Some(cwd) = &overrides.cwd {
        process.set_cwd(cwd.into());
    }
    if let Some(label) = &overrides.process_label {
        process.set_selinux_label(Some(label.clone()));
    }
    if let Some(profile) = &overrides.apparmor {
        process.set_apparmor_profile(Some(profile.clone()));
    }
    if overrides.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    let mut env = process.env().clone().unwrap_or_default();
    env.extend(overrides.env.iter().cloned());
    process.set_env(Some(env));
    let mut user = process.user().clone();
    if let Some((uid, gid)) = overrides.user {
        user.set_uid(uid);
        if let Some(gid) = gid {
            user.set_gid(gid);
        }
    }
    user.set_additional_gids(Some(overrides.additional_gids.clone()));
    process.set_user(user);
    add_capabilities(&mut process, &overrides.caps)?;
    Ok(process)
}

/// Added to the bounding, effective and permitted sets; to the ambient set only
/// where the configuration lets it be inherited, and never to what is inherited
/// (CVE-2022-29162).
fn add_capabilities(process: &mut Process, names: &[String]) -> Result<()> {
    use std::str::FromStr;
    if names.is_empty() {
        return Ok(());
    }
    let mut added = Capabilities::new();
    for name in names {
        let known = name
            .strip_prefix("CAP_")
            .and_then(|short| Capability::from_str(short).ok());
        added.insert(known.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                format!("--cap: unknown capability {name:?}"),
            )
        })?);
    }
    let before = process.capabilities().clone();
    let of = |set: Option<&Capabilities>| set.cloned().unwrap_or_default();
    let with =
        |set: Option<&Capabilities>| -> Capabilities { of(set).union(&added).copied().collect() };
    let before = before.as_ref();
    let inheritable = of(before.and_then(|sets| sets.inheritable().as_ref()));
    let ambient: Capabilities = of(before.and_then(|sets| sets.ambient().as_ref()))
        .union(&added.intersection(&inheritable).copied().collect())
        .copied()
        .collect();
    let sets = LinuxCapabilitiesBuilder::default()
        .bounding(with(before.and_then(|sets| sets.bounding().as_ref())))
        .effective(with(before.and_then(|sets| sets.effective().as_ref())))
        .permitted(with(before.and_then(|sets| sets.permitted().as_ref())))
        .inheritable(inheritable)
        .ambient(ambient)
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
    process.set_capabilities(Some(sets));
    Ok(())
}

fn judge(
    process: &Process,
    request: &ExecRequest,
    facts: &TenantFacts,
    fds: CallerFds,
) -> Result<ProcessPlan> {
    let field = match request.process {
        ExecProcess::Document(_) => "",
        ExecProcess::Overrides(_) => "process",
    };
    let mut findings = Findings::new();
    let plan = plan::process(
        process,
        &ProcessFacts {
            field,
            id_maps: facts.id_maps.as_ref(),
            personality: facts.personality,
            memory_policy: facts.memory_policy.clone(),
            listen_fds: fds.listen,
            preserve_fds: fds.preserve,
            keeps_groups: false,
            joins: true,
        },
        &mut findings,
    );
    if findings.has_errors() {
        return Err(findings.into());
    }
    warn(&findings);
    Ok(plan)
}

struct Work<'a> {
    loaded: &'a Loaded,
    facts: &'a TenantFacts,
    init: BorrowedFd<'a>,
    request: &'a ExecRequest,
    cgroup: Cgroup,
}

/// Who gets something from us.
struct Peers {
    console: Option<ConsoleSocket>,
    pidfd_socket: Option<ConsoleSocket>,
    agent: Option<Agent>,
}

impl Work<'_> {
    fn carry_out(&self, mut tenant: TenantPlan) -> Result<(Child, Option<OwnedFd>)> {
        let stdio = &self.request.stdio;
        let connect = |path: &Option<PathBuf>| {
            let socket = path.as_deref().map(ConsoleSocket::connect);
            socket.transpose()
        };
        let peers = Peers {
            console: connect(&stdio.console_socket)?,
            pidfd_socket: connect(&stdio.pidfd_socket)?,
            agent: Agent::connect(tenant.seccomp.as_ref())?,
        };
        let mut undo = Undo::new();
        let mut child = self.spawn(&mut tenant)?;
        milestones::spawned(&child);
        undo.push(supervise::killer(&child));
        let master = self
            .lead(&mut child, tenant, &peers, &mut undo)
            .map_err(|error| supervise::explain(&child, Some(&self.cgroup), error))?;
        undo.disarm();
        Ok((child, master))
    }

    /// From the cloned process to the program.
    fn lead(
        &self,
        child: &mut Child,
        tenant: TenantPlan,
        peers: &Peers,
        undo: &mut Undo<'_>,
    ) -> Result<Option<OwnedFd>> {
        let process = tenant.process.clone();
        let clones_again = tenant.enters_pid_namespace;
        if let Some(mask) = &process.initial_affinity {
            sched::set_affinity(child.pid, mask)
                .map_err(|errno| StepError::new("set", "process.execCPUAffinity.initial", errno))?;
            milestones::affinity(child, mask);
        }
        if !self.cgroup.is_disabled() && !child.in_cgroup {
            self.cgroup.join(child.pid)?;
        }
        child
            .link
            .send(&Order::Tenant(Box::new(tenant)), &[self.init])?;
        if clones_again {
            supervise::follow_clone(child, &self.cgroup)?;
            undo.push(supervise::killer(child));
            child.link.send(&Order::Followed, &[])?;
        }
        // After an unmount of resctrl the init is in no group of its own either.
        if let Some(group) = &self.loaded.record.resctrl
            && group.exists()
        {
            group.join(child.pid)?;
        }
        // It asks for nothing.
        let mut answers = Answers {
            sources: MountSources::new(&[]),
            devices: &mut |_| Ok(()),
            hooks: &mut || Ok(()),
        };
        let ready = supervise::until_ready(child, &self.cgroup, true, &mut answers)?;
        milestones::set_up(child);
        let rootless = Caller::probe().euid != 0;
        set_process_limits(child.pid, &process, rootless)?;
        let ids = Ids::of(self.facts.user_namespace, self.facts.id_maps.as_ref());
        streams::give(child.pid, &process, ids)?;
        if let Some(socket) = &peers.pidfd_socket {
            socket.send(child.pidfd.as_fd(), "pidfd")?;
        }
        let master = hand_over_terminal(ready, peers.console.as_ref(), &process)?;
        if let Some(path) = &self.request.stdio.pid_file {
            pid_file::write(path, child.pid)?;
        }
        milestones::tenant_proceeds(process.args.first().map_or("", String::as_str));
        child.link.send(&Order::Proceed, &[])?;
        supervise::until_gone(child, &mut |number| {
            let told = Told {
                state: &hook_state(&self.loaded.record),
                status: Status::Running,
                init: self.loaded.record.pid,
            };
            let agent = peers.agent.as_ref().ok_or_else(no_agent)?;
            agent.hand_over(child, number, &told)
        })?;
        Ok(master)
    }

    /// Clones the process, on cgroup v2 into the container's cgroup, and into its pid
    /// namespace where a user namespace keeps the container from looking into it.
    /// Where none does, a container with CAP_SYS_PTRACE would find a process with the
    /// host's root directory and descriptors: it enters by itself, once it has left
    /// them behind.
    fn spawn(&self, tenant: &mut TenantPlan) -> Result<Child> {
        let joined = if tenant.namespaces & libc::CLONE_NEWPID == 0 {
            None
        } else if tenant.namespaces & libc::CLONE_NEWUSER == 0 {
            tenant.enters_pid_namespace = true;
            None
        } else {
            match PidNamespace::for_children(self.init) {
                Ok(joined) => Some(joined),
                // It belongs to the container's user namespace, in which the
                // process will have the right.
                Err(failed) if failed.errno() == Some(Errno::EPERM) => {
                    tenant.enters_pid_namespace = true;
                    None
                }
                Err(failed) => return Err(failed.into()),
            }
        };
        let child = if self.cgroup.is_unified() {
            self.spawn_into()?
        } else {
            spawn(&request(None))?
        };
        if let Some(joined) = joined {
            joined.leave()?;
        }
        Ok(child)
    }

    /// Clones the process into the container's v2 cgroup, or where the container's
    /// init has gone when that takes no processes any more: its controllers were
    /// given to sub-cgroups (cgroups(7), "no internal processes"), or it is no
    /// more. A cgroup that was asked for is that or none.
    fn spawn_into(&self) -> Result<Child> {
        let failed = match clone_in(&self.cgroup) {
            Ok(child) => return Ok(child),
            Err(failed) => failed,
        };
        // An ordinary user's own cgroup may be outside of what they rule; systemd
        // moves the process then.
        if self.cgroup.record().unit.is_some()
            && matches!(failed.errno(), Some(Errno::EACCES | Errno::EPERM))
        {
            return Ok(spawn(&request(None))?);
        }
        let Some(errno @ (Errno::EBUSY | Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP)) =
            failed.errno()
        else {
            return Err(failed.into());
        };
        if !self.request.cgroups.is_empty() {
            let trees = &self.cgroup.record().hierarchies;
            let folder = trees.first().map(RecordedHierarchy::folder);
            // Callers look for these words, as in a join.
            let object = format!(
                "adding pid of the new process to cgroups {}",
                folder.unwrap_or_default()
            );
            return Err(StepError::new("finish", object, errno).into());
        }
        match self.cgroup.followed(self.loaded.record.pid)? {
            Some(cgroup) => Ok(clone_in(&cgroup)?),
            None => Err(failed.into()),
        }
    }
}

fn clone_in(cgroup: &Cgroup) -> std::result::Result<Child, StepError> {
    spawn(&request(cgroup.unified_fd()?))
}

fn request(cgroup: Option<BorrowedFd<'_>>) -> Request<'_> {
    Request {
        flags: 0,
        cgroup,
        waits_for_id_maps: false,
    }
}
