//! The plan of a container, carried out by the runtime.
//!
//! While the init builds the root file system, the runtime makes cgroups, writes
//! limits and the record. They meet where the order matters: the id maps, the
//! cgroup, the hooks, and the end.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use super::fault::step;
use super::limits::set_process_limits;
use super::listener::{Agent, Told, no_agent};
use super::mount_sources::MountSources;
use super::pid_namespace::PidNamespace;
use super::streams::{self, Ids};
use super::supervise::{self, Answers, Ready};
use super::terminal::hand_over_terminal;
use super::undo::Undo;
use super::{delete, milestones, net_devices, pid_file, readiness};
use crate::cgroups::{Cgroup, HierarchyPlan};
use crate::container::{Caller, Status};
use crate::error::{Error, StepError};
use crate::hooks::{self, Output};
use crate::idmap;
use crate::intelrdt::ResctrlRecord;
use crate::namespaces::Kind;
use crate::notify::Ear;
use crate::plan::{ContainerPlan, StartGate};
use crate::process::{Child, Order, Request, spawn};
use crate::rootfs;
use crate::state::{Record, StateDir, start_time};
use crate::sys::Errno;
use crate::terminal::ConsoleSocket;

/// As long as processes have to end and cgroups to empty.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container whose init stands before its program.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) dir: StateDir,
    pub(super) record: Record,
    pub(super) child: Child,
    /// The terminal's master, when it is ours to relay.
    pub(super) master: Option<OwnedFd>,
    /// Where the program tells that it is ready, unless that is for `start` to hear.
    pub(super) ear: Option<Ear>,
}

/// The plan with all that it is carried out with.
pub(super) struct Work<'a> {
    pub(super) plan: &'a ContainerPlan,
    pub(super) namespaces: &'a [(Kind, OwnedFd)],
    pub(super) console: Option<&'a ConsoleSocket>,
    pub(super) pidfd_socket: Option<&'a ConsoleSocket>,
    pub(super) agent: Option<&'a Agent>,
    pub(super) pid_file: Option<&'a Path>,
    pub(super) rootless: bool,
    /// Whom to tell that the program is ready.
    pub(super) manager: Option<&'a OsStr>,
}

impl Work<'_> {
    pub(super) fn carry_out(&self, dir: StateDir, mut record: Record) -> Result<Made, Error> {
        step("state directory made");
        let mut undo = Undo::new();
        let kept = record.clone();
        undo.push(move || delete::run_poststop(&kept));
        let dir_to_remove = &dir;
        undo.push(move || {
            if let Err(error) = dir_to_remove.remove() {
                log::warn!("{error}");
            }
        });
        let fifo = dir.make_fifo()?;
        step("FIFO made");
        let mut ear = None;
        if let Some(manager) = self.manager {
            dir.make_notify_folder()?;
            step("notify directory made");
            if matches!(self.plan.init.gate, StartGate::Socket) {
                ear = readiness::listen(&dir, Some(manager.to_owned()))?;
                step("notify socket made");
            }
        }
        if self.plan.init.mounts_on_host() {
            let mount = rootfs::bind_on_host(&self.plan.init.rootfs)?;
            record.host_mount = Some(mount.clone());
            undo.push(move || {
                if let Err(error) = mount.unbind() {
                    log::warn!("{error}");
                }
            });
            dir.write_record(&record)?;
            step("root bound in the host's mount namespace");
        }
        // On cgroup v2 alone the process starts in its cgroup, but not in a unit
        // of systemd's, which is made for a process that is there.
        let plan = &self.plan.cgroup;
        let v2 = |tree: &HierarchyPlan| tree.controllers.is_empty();
        let unified = plan.unit.is_none() && plan.hierarchies.iter().all(v2);
        let mut cgroup = None;
        if unified {
            dir.write_record(&record)?;
            step("record written before there is a process");
            cgroup = Some(self.make_cgroup(None, &mut undo)?);
        }
        let into = match &cgroup {
            Some(cgroup) => cgroup.unified_fd()?,
            None => None,
        };
        let mut child = self.spawn(into)?;
        milestones::spawned(&child);
        step("process cloned");
        undo.push(supervise::killer(&child));
        let master = self
            .lead(&dir, &fifo, &mut record, &mut child, &mut cgroup, &mut undo)
            .map_err(|error| supervise::explain(&child, cgroup.as_ref(), error))?;
        undo.disarm();
        Ok(Made {
            dir,
            record,
            child,
            master,
            ear,
        })
    }

    fn make_cgroup(&self, pid: Option<i32>, undo: &mut Undo<'_>) -> Result<Cgroup, Error> {
        let cgroup = Cgroup::create(&self.plan.cgroup, pid).map_err(cgroup_failed)?;
        undo.push(remover(&cgroup));
        step("cgroup made");
        Ok(cgroup)
    }

    /// From the cloned process to the one that waits for `start`, or has become
    /// the program. Gives the terminal's master when it is ours to relay.
    fn lead<'a>(
        &'a self,
        dir: &StateDir,
        fifo: &OwnedFd,
        record: &mut Record,
        child: &mut Child,
        early: &mut Option<Cgroup>,
        undo: &mut Undo<'a>,
    ) -> Result<Option<OwnedFd>, Error> {
        self.send_plan(child, fifo)?;
        step("plan sent");
        let unified = early.is_some();
        if !unified {
            Self::note(dir, record, child)?;
        }
        let cgroup = match early {
            Some(cgroup) => cgroup,
            None => early.insert(self.make_cgroup(Some(child.pid), undo)?),
        };
        if self.plan.init.namespaces.needs_second_clone() {
            let waits = supervise::follow_clone(child, cgroup)?;
            undo.push(supervise::killer(child));
            step("cloned once more");
            if waits {
                self.write_id_maps(child)?;
                step("ids mapped");
            }
            child.link.send(&Order::Followed, &[])?;
            Self::note(dir, record, child)?;
        }
        cgroup
            .apply_limits(&self.plan.cgroup)
            .map_err(cgroup_failed)?;
        step("limits written");
        if let Some(uid) = self.plan.cgroup_owner {
            match cgroup.delegate(uid) {
                // Without power over files it stays the user's own.
                Err(error) if self.rootless => log::debug!("{error}"),
                result => result?,
            }
        }
        if !child.in_cgroup {
            cgroup.join(child.pid).map_err(cgroup_failed)?;
            step("cgroup joined");
        }
        if let Some(plan) = &self.plan.resctrl {
            let group = plan.make()?;
            undo.push(taker_back(&group));
            step("resctrl group made");
            group.join(child.pid)?;
            record.resctrl = Some(group);
            step("resctrl group joined");
        }
        child.link.send(&Order::CgroupJoined, &[])?;
        let known = record.cgroup.hierarchies.len();
        record.set_cgroup(cgroup.record().clone());
        let has_unit = record.cgroup.unit.is_some();
        self.warn_of_no_way_to_end(record);
        // Also where a hierarchy was gone without, or the unit has its invocation.
        if unified
            || has_unit
            || record.resctrl.is_some()
            || record.cgroup.hierarchies.len() != known
        {
            Self::note(dir, record, child)?;
        }
        dir.write_tenant(&self.plan.tenant, &record.remains())?;
        step("what exec needs written");
        let mut answers = Answers {
            sources: MountSources::new(&self.plan.mount_id_maps),
            devices: &mut |namespace| {
                net_devices::move_in(&self.plan.net_devices, namespace, undo)?;
                step("network devices moved");
                Ok(())
            },
            hooks: &mut || run_hooks(self.plan, child.pid),
        };
        let ready = supervise::until_ready(child, cgroup, self.has_deadline(), &mut answers)?;
        milestones::set_up(child);
        step("process ready");
        if let Some(below) = &self.plan.cgroup.delegated {
            cgroup.move_below(below, child.pid).map_err(cgroup_failed)?;
            step("moved below the cgroup");
        }
        let master = self.finish(child, ready)?;
        step("process finished from outside");
        if let Some(path) = self.pid_file {
            pid_file::write(path, child.pid)?;
            undo.push(move || {
                let _ = std::fs::remove_file(path);
            });
            step("pid file written");
        }
        child.link.send(&Order::Proceed, &[])?;
        step("told to proceed");
        supervise::until_gone(child, &mut |number| self.hand_over_listener(child, number))?;
        milestones::init_is_gone();
        step("process gone on");
        match self.plan.init.gate {
            StartGate::Fifo => {
                supervise::stands(child, cgroup)?;
                dir.announce()?;
            }
            StartGate::Socket => dir.open_gate()?,
        }
        step("announced");
        Ok(master)
    }

    /// Clones the process; a pid namespace to join is joined for it first, since
    /// only a clone enters one.
    fn spawn(&self, cgroup: Option<BorrowedFd<'_>>) -> Result<Child, Error> {
        const BY_CLONE: [Kind; 6] = [
            Kind::User,
            Kind::Pid,
            Kind::Network,
            Kind::Ipc,
            Kind::Uts,
            Kind::Mount,
        ];
        let plan = &self.plan.init.namespaces;
        let twice = plan.needs_second_clone();
        let flags = if twice { 0 } else { plan.new_flags(&BY_CLONE) };
        let joined = self
            .namespaces
            .iter()
            .find(|(kind, _)| *kind == Kind::Pid && !plan.enters_pid_namespace())
            .map(|(_, fd)| PidNamespace::for_children(fd.as_fd()))
            .transpose()?;
        let child = spawn(&Request {
            flags,
            cgroup,
            waits_for_id_maps: !twice && plan.is_new(Kind::User),
        })
        .map_err(|failed| self.explain_clone(failed))?;
        if let Some(joined) = joined {
            joined.leave()?;
        }
        if !twice && plan.is_new(Kind::User) {
            let mapped = self
                .write_id_maps(&child)
                .and_then(|()| Ok(child.link.nudge()?));
            if let Err(error) = mapped {
                let error = supervise::explain(&child, None, error);
                supervise::killer(&child)();
                return Err(error);
            }
        }
        Ok(child)
    }

    /// Hosts forbid user namespaces in more than one way.
    fn explain_clone(&self, failed: StepError) -> Error {
        let advice = match failed.errno() {
            _ if !self.plan.init.namespaces.is_new(Kind::User) => None,
            Some(Errno::ENOSPC | Errno::EUSERS) => Some(
                "the limit of user namespaces is reached: look at the sysctl user.max_user_namespaces",
            ),
            Some(Errno::EPERM | Errno::EACCES) => Some(
                "user namespaces may be forbidden here: look at the sysctls \
                 kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns",
            ),
            _ => None,
        };
        let error = Error::from(failed);
        match advice {
            Some(advice) => error.with_advice(advice),
            None => error,
        }
    }

    fn write_id_maps(&self, child: &Child) -> Result<(), Error> {
        if let Some(maps) = &self.plan.id_maps {
            let caller = Caller::probe();
            idmap::write(child.pid, maps, (caller.euid != 0).then_some(caller.egid))?;
        }
        Ok(())
    }

    fn send_plan(&self, child: &Child, fifo: &OwnedFd) -> Result<(), Error> {
        let gate = match self.plan.init.gate {
            StartGate::Fifo => Some(fifo.as_fd()),
            StartGate::Socket => None,
        };
        let output = if self.plan.init.runs_hooks() {
            Output::open(&self.plan.init.hook_state)?
        } else {
            Output::default()
        };
        let fds: Vec<BorrowedFd<'_>> = gate
            .into_iter()
            .chain(output.fds())
            .chain(self.namespaces.iter().map(|(_, fd)| fd.as_fd()))
            .collect();
        let order = Order::Init(Box::new(self.plan.init.clone()));
        child.link.send(&order, &fds)?;
        Ok(())
    }

    /// A container with neither a pid namespace nor a cgroup is more than its init
    /// only in name: nothing finds its other processes.
    fn warn_of_no_way_to_end(&self, record: &Record) {
        if self.rootless && record.cgroup.hierarchies.is_empty() && !record.own_pid_namespace {
            log::warn!(
                "a rootless container without a pid namespace and a cgroup cannot be ended as a \
                 whole, only its init can. Such configuration is strongly discouraged"
            );
        }
    }

    /// Writes down who the init is, as soon as there is one.
    fn note(dir: &StateDir, record: &mut Record, child: &Child) -> Result<(), Error> {
        record.pid = child.pid;
        record.start = start_time(child.pid).map_err(|errno| {
            StepError::new(
                "read the start time of",
                format!("process {}", child.pid),
                errno,
            )
        })?;
        dir.write_record(record)?;
        step("record written");
        Ok(())
    }

    fn has_deadline(&self) -> bool {
        self.plan
            .init
            .create_container
            .iter()
            .all(|hook| hook.timeout.is_some())
            && self.plan.init.create_container.is_empty()
    }

    /// What is left for the runtime once the process stands.
    fn finish(&self, child: &Child, ready: Ready) -> Result<Option<OwnedFd>, Error> {
        let process = &self.plan.init.process;
        set_process_limits(child.pid, process, self.rootless)?;
        let user_namespace = self.plan.init.namespaces.has(Kind::User);
        let ids = Ids::of(user_namespace, self.plan.id_maps.as_ref());
        streams::give(child.pid, process, ids)?;
        if let Some(socket) = self.pidfd_socket {
            socket.send(child.pidfd.as_fd(), "pidfd")?;
        }
        hand_over_terminal(ready, self.console, process)
    }

    fn hand_over_listener(&self, child: &Child, number: i32) -> Result<(), Error> {
        let told = Told {
            state: &self.plan.init.hook_state,
            status: Status::Creating,
            init: child.pid,
        };
        let agent = self.agent.ok_or_else(no_agent)?;
        agent.hand_over(child, number, &told)
    }
}

/// The hooks that the runtime runs once the namespaces are made.
pub(super) fn run_hooks(plan: &ContainerPlan, pid: libc::pid_t) -> Result<(), Error> {
    let state = &plan.init.hook_state;
    let document = hooks::document(state, Status::Creating, pid);
    let output = match (&plan.hooks.prestart[..], &plan.hooks.create_runtime[..]) {
        ([], []) => return Ok(()),
        _ => Output::open(state)?,
    };
    for (kind, list) in [
        ("prestart", &plan.hooks.prestart),
        ("createRuntime", &plan.hooks.create_runtime),
    ] {
        hooks::run_all(
            list,
            &hooks::Context {
                kind,
                state: &document,
                environment: None,
                directory: Some(&state.bundle),
                output: &output,
            },
        )?;
    }
    Ok(())
}

/// Engines and their users look for these words.
pub(super) fn cgroup_failed(error: StepError) -> Error {
    Error::from(error).context("unable to apply cgroup configuration")
}

/// Removes what was made in resctrl.
pub(super) fn taker_back(group: &ResctrlRecord) -> impl FnOnce() + 'static {
    let group = group.clone();
    move || {
        if let Err(error) = group.take_back() {
            log::warn!("{error}");
        }
    }
}

/// Empties and removes the cgroup.
pub(super) fn remover(cgroup: &Cgroup) -> impl FnOnce() + 'static {
    let record = cgroup.record().clone();
    move || {
        let deadline = Instant::now() + PATIENCE;
        let removed = record.open().and_then(|cgroup| {
            if !cgroup.is_disabled() {
                cgroup.signal_all(libc::SIGKILL, deadline)?;
                cgroup.take_back(deadline)?;
            }
            Ok(())
        });
        if let Err(error) = removed {
            log::warn!("{error}");
        }
    }
}
