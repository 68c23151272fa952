//! Making a container: the part that `create` and `run` share.
//!
//! While the init builds the root file system, the runtime makes cgroups, writes
//! limits and the record. They meet where the order matters: the id maps, the
//! cgroup, the hooks, and the end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::caller_fds::CallerFds;
use super::fault::step;
use super::listener::{Agent, Told, no_agent};
use super::request::{CgroupManager, CreateRequest, Rootless, RunMode};
use super::streams::{self, Ids};
use super::supervise::{self, Ready};
use super::undo::Undo;
use super::{delete, milestones, pid_file};
use crate::cgroups::{Cgroup, CgroupRecord, Layout, RecordedHierarchy};
use crate::container::{Caller, ContainerId, StateRoot, Status, rfc3339_nanos};
use crate::error::{Error, ErrorKind, Findings, StepError};
use crate::hooks;
use crate::namespaces::{Kind, NamespacePlan};
use crate::path::c_path;
use crate::plan::{self, ContainerPlan, Host, Input, StartGate};
use crate::process::{Child, Order, Request, spawn};
use crate::spec::oci::Spec;
use crate::spec::read_spec;
use crate::state::{Record, StateDir, start_time};
use crate::sys::process::{pidfd_send_signal, set_rlimit, wait};
use crate::sys::{Errno, ns};
use crate::terminal::ConsoleSocket;
use crate::{idmap, rootfs};

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
    /// Whether the configuration gave the terminal its size.
    pub(super) has_size: bool,
}

/// Reads the bundle, makes the plan, carries it out. On failure nothing is left.
pub(super) fn set_up(
    root: &StateRoot,
    request: &CreateRequest,
    gate: StartGate,
    mode: RunMode,
) -> Result<Made, Error> {
    let id = ContainerId::new(&request.id)?;
    if request.cgroup_manager == CgroupManager::Systemd {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the systemd cgroup driver is not supported yet",
        )
        .with_advice("leave out --systemd-cgroup: cgroups are then made without systemd"));
    }
    let wanted = judge(&id, request, gate, mode)?;
    let Wanted {
        spec,
        bundle,
        plan,
        rootless,
    } = wanted;
    let socket = request.stdio.console_socket.as_deref();
    rootfs::check(&plan.init.rootfs.path)?;
    let namespaces = open_namespaces(&plan.init.namespaces)?;
    let console = socket.map(ConsoleSocket::connect).transpose()?;
    let pidfd_socket = request
        .stdio
        .pidfd_socket
        .as_deref()
        .map(ConsoleSocket::connect)
        .transpose()?;
    let agent = Agent::connect(plan.init.seccomp.as_ref())?;
    let record = record(&spec, &plan, id.as_str(), &bundle);
    let dir = StateDir::create(root, id)?;
    let work = Work {
        plan: &plan,
        namespaces: &namespaces,
        console: console.as_ref(),
        pidfd_socket: pidfd_socket.as_ref(),
        agent: agent.as_ref(),
        pid_file: request.stdio.pid_file.as_deref(),
        rootless,
    };
    work.carry_out(dir, record)
}

/// What is to be made, judged; nothing is made yet.
#[derive(Debug)]
struct Wanted {
    spec: Spec,
    bundle: PathBuf,
    plan: ContainerPlan,
    rootless: bool,
}

fn judge(
    id: &ContainerId,
    request: &CreateRequest,
    gate: StartGate,
    mode: RunMode,
) -> Result<Wanted, Error> {
    let bundle = absolute(&request.bundle)?;
    let (spec, notes) = read_config(&bundle, request)?;
    for note in notes {
        log::warn!("{note}");
    }
    let wants_terminal = spec
        .process()
        .as_ref()
        .is_some_and(|process| process.terminal().unwrap_or_default());
    let socket = request.stdio.console_socket.as_deref();
    check_terminal(wants_terminal, mode, socket)?;
    let fds = CallerFds::check(true, request.stdio.preserve_fds)?;
    let host = probe(&spec, request)?;
    let input = Input {
        id: id.as_str(),
        bundle: &bundle,
        no_pivot: request.no_pivot,
        no_new_keyring: request.no_new_keyring,
        listen_fds: fds.listen,
        preserve_fds: fds.preserve,
        environment: own_environment(&spec),
        gate,
    };
    let (plan, findings) = plan::build(&spec, &input, &host)?;
    warn(&findings);
    Ok(Wanted {
        rootless: host.rootless,
        spec,
        bundle,
        plan,
    })
}

/// The plan that [`create`](super::create()) would carry out; nothing is made.
///
/// # Errors
/// `InvalidConfig` with everything that stands against the configuration.
pub fn plan(request: &CreateRequest) -> Result<ContainerPlan, Error> {
    let id = ContainerId::new(&request.id)?;
    // A terminal without its socket can be planned all the same.
    let mode = RunMode::Foreground {
        keep: false,
        no_subreaper: true,
    };
    Ok(judge(&id, request, StartGate::Fifo, mode)?.plan)
}

fn absolute(bundle: &Path) -> Result<PathBuf, Error> {
    let bundle = if bundle.as_os_str().is_empty() {
        Path::new(".")
    } else {
        bundle
    };
    let failed = |error: std::io::Error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        Error::from(StepError::new(
            "open bundle",
            bundle.display().to_string(),
            errno,
        ))
    };
    // As the caller named it, links and all; only made absolute.
    let path = std::path::absolute(bundle).map_err(failed)?;
    std::fs::metadata(&path).map_err(failed)?;
    Ok(path)
}

fn read_config(bundle: &Path, request: &CreateRequest) -> Result<(Spec, Vec<String>), Error> {
    let path = match &request.config {
        Some(path) => path.clone(),
        None => bundle.join("config.json"),
    };
    let text = read_file(&path)?;
    let document = read_spec(&path.display().to_string(), &text)?;
    Ok((document.content, document.notes))
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        let kind = if errno == Errno::ENOENT {
            ErrorKind::NotFound
        } else {
            ErrorKind::Os
        };
        let failed = StepError::new("read", path.display().to_string(), errno);
        Error::new(kind, failed.to_string()).with_source(failed)
    })
}

/// A terminal needs somebody to hand it to, and a socket something to be handed.
pub(super) fn check_terminal(
    wants_terminal: bool,
    mode: RunMode,
    socket: Option<&Path>,
) -> Result<(), Error> {
    let detached = mode == RunMode::Detached;
    let refuse = |text: &str| Err(Error::new(ErrorKind::InvalidConfig, text));
    match (wants_terminal, detached, socket.is_some()) {
        (true, true, false) => refuse(
            "cannot allocate tty if lodge will detach without setting console socket (--console-socket)",
        ),
        (false, _, true) | (true, false, true) => refuse(
            "cannot use console socket (--console-socket) if lodge will not detach or allocate tty",
        ),
        _ => Ok(()),
    }
}

/// Asks the host what planning goes by.
fn probe(spec: &Spec, request: &CreateRequest) -> Result<Host, Error> {
    let caller = Caller::probe();
    let rootless = match request.rootless {
        Rootless::True => true,
        Rootless::False => false,
        Rootless::Auto => caller.euid != 0 || caller.in_user_namespace,
    };
    let linux = spec.linux().as_ref();
    let path = linux
        .and_then(|linux| linux.cgroups_path().as_ref())
        .map(|path| path.to_string_lossy().into_owned());
    let cgroups = match request.cgroup_manager {
        CgroupManager::Disabled => None,
        CgroupManager::Cgroupfs | CgroupManager::Systemd => Some(Layout::probe(path.as_deref())?),
    };
    let network = linux
        .and_then(|linux| linux.namespaces().as_ref())
        .into_iter()
        .flatten()
        .find(|namespace| Kind::from(namespace.typ()) == Kind::Network)
        .and_then(|namespace| namespace.path().clone());
    Ok(Host {
        cgroups,
        rootless,
        network_is_the_hosts: network.is_some_and(|path| is_own_network(&path)),
    })
}

/// Whether a path is the network namespace that we are in.
fn is_own_network(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let named = std::fs::metadata(path);
    let own = std::fs::metadata("/proc/self/ns/net");
    match (named, own) {
        (Ok(named), Ok(own)) => named.ino() == own.ino() && named.dev() == own.dev(),
        _ => false,
    }
}

/// Our environment, where hooks may want it.
fn own_environment(spec: &Spec) -> Vec<String> {
    if spec.hooks().is_none() {
        return Vec::new();
    }
    std::env::vars_os()
        .filter_map(|(key, value)| Some(format!("{}={}", key.to_str()?, value.to_str()?)))
        .collect()
}

pub(super) fn warn(findings: &Findings) {
    for warning in findings.warnings() {
        log::warn!("{warning}");
    }
}

/// Opens the namespaces to join and checks that each is what it is said to be.
fn open_namespaces(plan: &NamespacePlan) -> Result<Vec<(Kind, OwnedFd)>, Error> {
    plan.joined()
        .map(|(kind, path)| {
            let failed = |errno| {
                Error::from(StepError::new(
                    "open",
                    format!("{} namespace {}", kind.name(), path.display()),
                    errno,
                ))
            };
            let fd =
                open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?;
            match ns::kind(fd.as_fd()) {
                Ok(found) if found == kind.flag() => Ok((kind, fd)),
                Ok(_) | Err(Errno::ENOTTY) => Err(Error::new(
                    ErrorKind::InvalidConfig,
                    format!("{} is no {} namespace", path.display(), kind.name()),
                )),
                Err(errno) => Err(failed(errno)),
            }
        })
        .collect()
}

/// The record as far as it is known before anything is made.
fn record(spec: &Spec, plan: &ContainerPlan, id: &str, bundle: &Path) -> Record {
    // What will be made; whoever has to clean up after us finds it by this.
    let cgroup = CgroupRecord {
        hierarchies: plan
            .cgroup
            .hierarchies
            .iter()
            .map(|tree| RecordedHierarchy {
                controllers: tree.controllers.clone(),
                mount: tree.mount.clone(),
                path: tree.path.clone(),
                made_parents: Vec::new(),
                made: true,
            })
            .collect(),
    };
    Record {
        version: Record::version(),
        id: id.to_owned(),
        oci_version: spec.version().clone(),
        bundle: bundle.to_owned(),
        rootfs: plan.init.rootfs.path.clone(),
        created: rfc3339_nanos(SystemTime::now()),
        pid: 0,
        start: 0,
        cgroup_paths: cgroup
            .paths()
            .map(|(name, path)| (name.to_owned(), path))
            .collect(),
        cgroup,
        own_pid_namespace: plan.init.namespaces.is_new(Kind::Pid),
        annotations: plan.init.hook_state.annotations.iter().cloned().collect(),
        poststart: plan.hooks.poststart.clone(),
        poststop: plan.hooks.poststop.clone(),
    }
}

/// The plan with all that it is carried out with.
struct Work<'a> {
    plan: &'a ContainerPlan,
    namespaces: &'a [(Kind, OwnedFd)],
    console: Option<&'a ConsoleSocket>,
    pidfd_socket: Option<&'a ConsoleSocket>,
    agent: Option<&'a Agent>,
    pid_file: Option<&'a Path>,
    rootless: bool,
}

impl Work<'_> {
    fn carry_out(&self, dir: StateDir, mut record: Record) -> Result<Made, Error> {
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
        // On cgroup v2 alone the process starts in its cgroup.
        let unified = self
            .plan
            .cgroup
            .hierarchies
            .iter()
            .all(|tree| tree.controllers.is_empty());
        let mut cgroup = None;
        if unified {
            dir.write_record(&record)?;
            step("record written before there is a process");
            cgroup = Some(self.make_cgroup(&mut undo)?);
        }
        let into = match &cgroup {
            Some(cgroup) => cgroup.unified_fd()?,
            None => None,
        };
        let mut child = self.spawn(into)?;
        milestones::spawned(&child);
        step("process cloned");
        undo.push(killer(&child)?);
        let master = self
            .lead(&dir, &fifo, &mut record, &mut child, &mut cgroup, &mut undo)
            .map_err(|error| supervise::explain(&child, cgroup.as_ref(), error))?;
        undo.disarm();
        Ok(Made {
            dir,
            record,
            child,
            master,
            has_size: self
                .plan
                .init
                .process
                .terminal
                .is_some_and(|terminal| terminal.size.is_some()),
        })
    }

    fn make_cgroup(&self, undo: &mut Undo<'_>) -> Result<Cgroup, Error> {
        let cgroup = Cgroup::create(&self.plan.cgroup)?;
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
            None => early.insert(self.make_cgroup(undo)?),
        };
        if self.plan.init.namespaces.needs_second_clone() {
            let waits = supervise::follow_clone(child, cgroup)?;
            undo.push(killer(child)?);
            step("cloned once more");
            if waits {
                self.write_id_maps(child)?;
                child.link.send(&Order::IdsMapped, &[])?;
                step("ids mapped");
            }
            Self::note(dir, record, child)?;
        }
        cgroup.apply_limits(&self.plan.cgroup)?;
        step("limits written");
        if !(unified && into_worked(cgroup)) {
            cgroup.join(child.pid)?;
            step("cgroup joined");
        }
        child.link.send(&Order::CgroupJoined, &[])?;
        record.cgroup = cgroup.record().clone();
        if unified {
            Self::note(dir, record, child)?;
        }
        dir.write_tenant(&self.plan.tenant, &record.remains())?;
        step("what exec needs written");
        let ready = supervise::until_ready(child, cgroup, self.has_deadline(), &mut || {
            self.run_hooks(child)
        })?;
        milestones::set_up(child);
        step("process ready");
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
            StartGate::Fifo => dir.announce()?,
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
            .find(|(kind, _)| *kind == Kind::Pid)
            .map(|(_, fd)| PidNamespace::for_children(fd.as_fd()))
            .transpose()?;
        let child = spawn(&Request {
            flags,
            cgroup,
            waits_for_id_maps: !twice && plan.is_new(Kind::User),
        })?;
        if let Some(joined) = joined {
            joined.leave()?;
        }
        if !twice && plan.is_new(Kind::User) {
            self.write_id_maps(&child)
                .and_then(|()| Ok(child.link.nudge()?))
                .map_err(|error| supervise::explain(&child, None, error))?;
        }
        Ok(child)
    }

    fn write_id_maps(&self, child: &Child) -> Result<(), Error> {
        if let Some(maps) = &self.plan.id_maps {
            idmap::write(child.pid, maps, self.rootless)?;
        }
        Ok(())
    }

    fn send_plan(&self, child: &Child, fifo: &OwnedFd) -> Result<(), Error> {
        let gate = match self.plan.init.gate {
            StartGate::Fifo => Some(fifo.as_fd()),
            StartGate::Socket => None,
        };
        let fds: Vec<BorrowedFd<'_>> = gate
            .into_iter()
            .chain(self.namespaces.iter().map(|(_, fd)| fd.as_fd()))
            .collect();
        let order = Order::Init(Box::new(self.plan.init.clone()));
        child.link.send(&order, &fds)?;
        Ok(())
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

    fn run_hooks(&self, child: &Child) -> Result<(), Error> {
        let state = &self.plan.init.hook_state;
        let document = hooks::document(state, Status::Creating, child.pid);
        for (kind, list) in [
            ("prestart", &self.plan.hooks.prestart),
            ("createRuntime", &self.plan.hooks.create_runtime),
        ] {
            hooks::run_all(
                list,
                &hooks::Context {
                    kind,
                    state: &document,
                    environment: None,
                    directory: Some(&state.bundle),
                },
            )?;
        }
        Ok(())
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
        hand_over_terminal(ready, self.console)
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

/// Sends the terminal to the socket, or keeps it for a relay.
pub(super) fn hand_over_terminal(
    ready: Ready,
    console: Option<&ConsoleSocket>,
) -> Result<Option<OwnedFd>, Error> {
    match (ready.terminal, console) {
        (Some((name, master)), Some(socket)) => {
            socket.send(master.as_fd(), &name)?;
            Ok(None)
        }
        (Some((_, master)), None) => Ok(Some(master)),
        (None, _) => Ok(None),
    }
}

/// Resource limits and the memory score: set by us, who may raise them.
pub(super) fn set_process_limits(
    pid: libc::pid_t,
    process: &plan::ProcessPlan,
    rootless: bool,
) -> Result<(), Error> {
    for limit in &process.rlimits {
        set_rlimit(pid, limit.resource, limit.soft, limit.hard).map_err(|errno| {
            StepError::new(
                "set",
                format!(
                    "process.rlimits: limit {} to soft {} hard {}",
                    limit.resource, limit.soft, limit.hard
                ),
                errno,
            )
        })?;
    }
    let Some(score) = process.oom_score_adj else {
        return Ok(());
    };
    let path = format!("/proc/{pid}/oom_score_adj");
    match std::fs::write(&path, score.to_string()) {
        Ok(()) => Ok(()),
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
            // What it has already need not be written.
            let present = std::fs::read_to_string(&path).unwrap_or_default();
            if present.trim().parse() == Ok(score) {
                return Ok(());
            }
            let failed = StepError::new("set", format!("process.oomScoreAdj to {score}"), errno);
            if rootless {
                log::warn!("{failed}");
                return Ok(());
            }
            Err(failed.into())
        }
    }
}

/// Whether the process was cloned into its cgroup.
fn into_worked(cgroup: &Cgroup) -> bool {
    !cgroup.is_disabled()
}

/// Ends the process, whatever it is doing.
fn killer(child: &Child) -> Result<impl FnOnce() + 'static, Error> {
    let pidfd = child.pidfd.try_clone().map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        StepError::new("keep", "the handle of the container's process", errno)
    })?;
    Ok(move || {
        let _ = pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
        let _ = wait(pidfd.as_fd(), true);
    })
}

/// Empties and removes the cgroup.
fn remover(cgroup: &Cgroup) -> impl FnOnce() + 'static {
    let record = cgroup.record().clone();
    move || {
        let deadline = Instant::now() + PATIENCE;
        let removed = record.open().and_then(|cgroup| {
            if !cgroup.is_disabled() {
                cgroup.signal_all(libc::SIGKILL, deadline)?;
                cgroup.remove(deadline)?;
                cgroup.undo();
            }
            Ok(())
        });
        if let Err(error) = removed {
            log::warn!("{error}");
        }
    }
}

/// A pid namespace that our next children are born in.
pub(super) struct PidNamespace {
    own: OwnedFd,
}

impl PidNamespace {
    /// Joins the namespace, or that of the process behind a pidfd.
    pub(super) fn for_children(target: BorrowedFd<'_>) -> Result<Self, Error> {
        let failed = |errno| StepError::new("join", "the container's pid namespace", errno);
        let path = c_path(Path::new("/proc/self/ns/pid")).map_err(failed)?;
        let own = open(
            path.as_c_str(),
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(failed)?;
        ns::join(target, libc::CLONE_NEWPID).map_err(failed)?;
        Ok(Self { own })
    }

    /// Our children are born in our own again.
    pub(super) fn leave(self) -> Result<(), Error> {
        ns::join(self.own.as_fd(), libc::CLONE_NEWPID)
            .map_err(|errno| StepError::new("leave", "the container's pid namespace", errno).into())
    }
}
