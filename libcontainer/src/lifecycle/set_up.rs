//! Making a container, as far as `create` and `run` share it: the bundle is read
//! and judged before anything is made.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::caller_fds::CallerFds;
use super::carry_out::{Made, Work};
use super::host::{open_namespaces, own_environment, probe};
use super::listener::Agent;
use super::readiness;
use super::request::{CreateRequest, RunMode};
use super::terminal::check_terminal;
use crate::cgroups::{CgroupRecord, RecordedHierarchy, RecordedUnit};
use crate::container::{ContainerId, StateRoot, rfc3339_nanos};
use crate::error::{Error, ErrorKind, Findings, StepError};
use crate::intelrdt::ResctrlPlan;
use crate::namespaces::Kind;
use crate::plan::{self, ContainerPlan, Input, StartGate};
use crate::rootfs;
use crate::spec::oci::{LinuxMemory, Spec};
use crate::spec::read_spec;
use crate::state::{Record, StateDir};
use crate::sys::Errno;
use crate::sys::open::open;
use crate::sys::small_file::read_at_most;
use crate::terminal::ConsoleSocket;

/// Reads the bundle, makes the plan, carries it out. On failure nothing is left.
pub(super) fn set_up(
    root: &StateRoot,
    request: &CreateRequest,
    gate: StartGate,
    mode: RunMode,
) -> Result<Made, Error> {
    let id = ContainerId::new(&request.id)?;
    let manager = readiness::manager();
    let shown_in = manager.is_some().then_some(root);
    let wanted = judge(&id, request, gate, mode, shown_in)?;
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
        .or_else(|| pidfd_receiver(&spec))
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
        manager: manager.as_deref(),
    };
    work.carry_out(dir, record)
}

/// What is to be made, judged; nothing is made yet.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) spec: Spec,
    pub(super) bundle: PathBuf,
    pub(super) plan: ContainerPlan,
    pub(super) rootless: bool,
}

/// Reads and judges. With a root, the container's directory there will have a place
/// for the word that the program is ready.
pub(super) fn judge(
    id: &ContainerId,
    request: &CreateRequest,
    gate: StartGate,
    mode: RunMode,
    notify: Option<&StateRoot>,
) -> Result<Wanted, Error> {
    let bundle = absolute(&request.bundle)?;
    let (mut spec, notes) = read_config(&bundle, request)?;
    if let Some(root) = notify {
        readiness::show(&mut spec, root, id)?;
    }
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
        confined: false,
    };
    Ok(judge(&id, request, StartGate::Fifo, mode, None)?.plan)
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

/// The longest configuration: as much as engines can pass to each other in a message.
/// It bounds what a document made for it can cost, which is several times its size.
const MOST: usize = 16 << 20;

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty())
        .and_then(|file| read_at_most(file, MOST))
        .map_err(|errno| {
            let kind = if errno == Errno::ENOENT {
                ErrorKind::NotFound
            } else if errno == Errno::EFBIG {
                ErrorKind::InvalidConfig
            } else {
                ErrorKind::Os
            };
            let failed = StepError::new("read", path.display().to_string(), errno);
            Error::new(kind, failed.to_string()).with_source(failed)
        })
}

pub(super) fn warn(findings: &Findings) {
    for warning in findings.warnings() {
        log::warn!("{warning}");
    }
}

/// The record as far as it is known before anything is made.
pub(super) fn record(spec: &Spec, plan: &ContainerPlan, id: &str, bundle: &Path) -> Record {
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
        unit: plan.cgroup.unit.as_ref().map(|unit| RecordedUnit {
            manager: unit.manager,
            name: unit.name.clone(),
            invocation: None,
        }),
    };
    Record {
        version: Record::newest(),
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
        resctrl: plan.resctrl.as_ref().map(ResctrlPlan::foresee),
        host_mount: None,
        check_before_update: checks_before_update(spec),
        own_pid_namespace: plan.init.namespaces.is_new(Kind::Pid),
        annotations: plan.init.hook_state.annotations.iter().cloned().collect(),
        poststart: plan.hooks.poststart.clone(),
        poststop: plan.hooks.poststop.clone(),
    }
}

/// A socket that the configuration names, for callers that cannot pass an option.
fn pidfd_receiver(spec: &Spec) -> Option<&Path> {
    let all = spec.annotations().as_ref()?;
    all.get(plan::PIDFD_RECEIVER).map(Path::new)
}

fn checks_before_update(spec: &Spec) -> bool {
    let linux = spec.linux().as_ref();
    linux
        .and_then(|linux| linux.resources().as_ref()?.memory().as_ref())
        .and_then(LinuxMemory::check_before_update)
        .unwrap_or_default()
}
