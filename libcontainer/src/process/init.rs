//! The init of a container, from its plan to the user's program.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, umask};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use super::executor::Executor;
use super::link::Link;
use super::protocol::{Order, Report};
use super::user_process::{Finish, finish};
use crate::container::Status;
use crate::error::StepError;
use crate::hooks::{self, Output};
use crate::mounts::{self, MountKind};
use crate::namespaces::{Kind, NamespacePlan};
use crate::path::{Missing, RootFd};
use crate::plan::{InitPlan, StartGate, TimeOffset};
use crate::rootfs;
use crate::security::keyring;
use crate::sys::open::open;
use crate::sys::{Errno, clone, creds, net, ns, process, sched};
use crate::terminal::Pty;

pub(super) fn run(
    plan: &InitPlan,
    link: &Link,
    fds: Vec<OwnedFd>,
    executor: &impl Executor,
) -> Result<Infallible, StepError> {
    let mut fds = fds.into_iter();
    let fifo =
        match plan.gate {
            StartGate::Fifo => Some(fds.next().ok_or_else(|| {
                StepError::refused("take over", "the start FIFO", "it is missing")
            })?),
            StartGate::Socket => None,
        };
    let output = if plan.runs_hooks() {
        Output::take_over(&plan.hook_state, &mut fds)
    } else {
        Output::default()
    };
    // The host's, while its name can still be trusted.
    let proc = host_proc()?;
    let ignored = process::ignored_signals(proc.as_fd());
    if let Some(name) = &plan.keyring {
        keyring::join(name, proc.as_fd(), plan.process.selinux.as_deref())?;
    }
    enter_namespaces(plan, link, fds)?;
    nix::unistd::setsid().map_err(|errno| StepError::new("make", "a session", errno))?;
    // Modes are as they are asked for; the program's mask is set at the end.
    umask(Mode::empty());
    set_names(plan)?;
    if plan.namespaces.is_new(Kind::Network) {
        net::loopback_up()
            .map_err(|errno| StepError::new("bring up", "the loopback device", errno))?;
    }
    let mut session = Session {
        link,
        plan,
        proc: proc.as_fd(),
        output: &output,
        in_cgroup: false,
    };
    let terminal = if plan.namespaces.has(Kind::Mount) || plan.mounts_on_host() {
        session.build_rootfs()?
    } else {
        session.use_host_mounts()?
    };
    session.await_cgroup()?;
    let Session { .. } = session;
    let terminal = match terminal {
        Some(pty) => Some(attach(pty)?),
        None => None,
    };
    finish(Finish {
        link,
        process: &plan.process,
        seccomp: plan.seccomp.as_ref(),
        proc: Some(proc),
        ignored,
        terminal,
        fifo,
        makes_cwd: true,
        hooks: &plan.start_container,
        hook_state: Some(&plan.hook_state),
        output,
        annotations: &plan.hook_state.annotations,
        executor,
    })
}

/// The procfs that we write our own files to.
pub(super) fn host_proc() -> Result<OwnedFd, StepError> {
    let failed = |errno| StepError::new("open", "/proc", errno);
    let proc = open(
        "/proc",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed)?;
    if fstatfs(&proc).map_err(failed)?.filesystem_type() != PROC_SUPER_MAGIC {
        return Err(StepError::refused("open", "/proc", "it is no procfs"));
    }
    Ok(proc)
}

/// Makes the terminal ours: the session's, and the standard streams.
pub(super) fn attach(pty: Pty) -> Result<(String, OwnedFd), StepError> {
    let failed = |errno| StepError::new("attach", &pty.name, errno);
    crate::sys::tty::set_controlling(pty.terminal.as_fd()).map_err(failed)?;
    nix::unistd::dup2_stdin(&pty.terminal).map_err(failed)?;
    nix::unistd::dup2_stdout(&pty.terminal).map_err(failed)?;
    nix::unistd::dup2_stderr(&pty.terminal).map_err(failed)?;
    Ok((pty.name, pty.master))
}

/// Joins the namespaces that are there, and makes those that the clone could
/// not make.
fn enter_namespaces(
    plan: &InitPlan,
    link: &Link,
    mut fds: std::vec::IntoIter<OwnedFd>,
) -> Result<(), StepError> {
    let namespaces = &plan.namespaces;
    let mut user = None;
    let mut later = Vec::new();
    for (kind, path) in namespaces.joined() {
        let missing = || StepError::refused("join", path.display().to_string(), "it is missing");
        let fd = fds.next().ok_or_else(missing)?;
        match kind {
            // Joined by the runtime for us, before the clone.
            Kind::Pid if !namespaces.enters_pid_namespace() => {}
            Kind::User => user = Some((fd, path)),
            Kind::Pid
            | Kind::Network
            | Kind::Ipc
            | Kind::Uts
            | Kind::Time
            | Kind::Cgroup
            | Kind::Mount => {
                match ns::join(fd.as_fd(), kind.flag()) {
                    Ok(()) => {}
                    // It takes the rights of the user namespace that owns it.
                    Err(Errno::EPERM) if namespaces.path(Kind::User).is_some() => {
                        later.push((kind, fd, path));
                    }
                    Err(errno) => return Err(join_failed(kind, path, errno)),
                }
            }
        }
    }
    if let Some((fd, path)) = user {
        ns::join(fd.as_fd(), Kind::User.flag())
            .map_err(|errno| join_failed(Kind::User, path, errno))?;
        become_root_inside()?;
    }
    for (kind, fd, path) in later {
        ns::join(fd.as_fd(), kind.flag()).map_err(|errno| join_failed(kind, path, errno))?;
    }
    if namespaces.needs_second_clone() {
        make_by_clone(namespaces, link)?;
    }
    if namespaces.is_new(Kind::Time) {
        enter_time_namespace(&plan.time_offsets)?;
    }
    Ok(())
}

fn join_failed(kind: Kind, path: &Path, errno: Errno) -> StepError {
    StepError::new(
        "join",
        format!("{} namespace {}", kind.name(), path.display()),
        errno,
    )
}

/// In a user namespace that we joined: its root, where it maps one.
pub(super) fn become_root_inside() -> Result<(), StepError> {
    for set in [creds::set_gid, creds::set_uid] {
        match set(0) {
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(errno) => {
                return Err(StepError::new(
                    "become",
                    "root of the user namespace",
                    errno,
                ));
            }
        }
    }
    Ok(())
}

/// Makes the namespaces that are still to be made, in a second clone.
fn make_by_clone(namespaces: &NamespacePlan, link: &Link) -> Result<(), StepError> {
    const BY_CLONE: [Kind; 6] = [
        Kind::User,
        Kind::Pid,
        Kind::Network,
        Kind::Ipc,
        Kind::Uts,
        Kind::Mount,
    ];
    let waits_for_id_maps = namespaces.is_new(Kind::User);
    clone_again(namespaces.new_flags(&BY_CLONE), waits_for_id_maps, link)?;
    if waits_for_id_maps {
        become_root_inside()?;
    }
    Ok(())
}

/// Goes on as another process, a child of the runtime like this one, with these
/// new namespaces, and in the pid namespace that was joined. This one ends.
pub(super) fn clone_again(
    flags: libc::c_int,
    waits_for_id_maps: bool,
    link: &Link,
) -> Result<(), StepError> {
    let failed = |errno| StepError::new("clone", "the container's process again", errno);
    let flags = flags | libc::CLONE_PARENT;
    if let Some(child) = clone::fork_single_threaded(flags).map_err(failed)? {
        link.send(
            &Report::Cloned { waits_for_id_maps },
            &[child.pidfd.as_fd()],
        )?;
        clone::exit_now(0);
    }
    process::set_parent_death_signal(libc::SIGKILL).map_err(failed)?;
    match link
        .receive::<Order>(None)?
        .map(|received| received.message)
    {
        Some(Order::Followed) => Ok(()),
        _ => Err(StepError::refused(
            "clone",
            "the container's process again",
            "the runtime is gone",
        )),
    }
}

/// Offsets can be written until the first process is in; entered without a fork
/// by joining what our children would be in (time_namespaces(7)).
fn enter_time_namespace(offsets: &[TimeOffset]) -> Result<(), StepError> {
    use std::fmt::Write;
    let failed = |action, errno| StepError::new(action, "the time namespace", errno);
    ns::unshare(Kind::Time.flag()).map_err(|errno| failed("make", errno))?;
    if !offsets.is_empty() {
        let text = offsets.iter().fold(String::new(), |mut text, offset| {
            let _ = writeln!(
                text,
                "{} {} {}",
                offset.clock, offset.seconds, offset.nanoseconds
            );
            text
        });
        std::fs::write("/proc/self/timens_offsets", text).map_err(|error| {
            failed(
                "set the offsets of",
                Errno::from_raw(error.raw_os_error().unwrap_or_default()),
            )
        })?;
    }
    let namespace = open(
        "/proc/self/ns/time_for_children",
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| failed("open", errno))?;
    ns::join(namespace.as_fd(), Kind::Time.flag()).map_err(|errno| failed("enter", errno))
}

fn set_names(plan: &InitPlan) -> Result<(), StepError> {
    if let Some(name) = &plan.hostname {
        nix::unistd::sethostname(name)
            .map_err(|errno| StepError::new("set", format!("hostname {name:?}"), errno))?;
    }
    if let Some(name) = &plan.domainname {
        process::set_domain_name(name)
            .map_err(|errno| StepError::new("set", format!("domainname {name:?}"), errno))?;
    }
    Ok(())
}

/// The set-up as far as it speaks with the runtime.
pub(super) struct Session<'a> {
    pub(super) link: &'a Link,
    plan: &'a InitPlan,
    /// The host's procfs.
    pub(super) proc: BorrowedFd<'a>,
    in_cgroup: bool,
    output: &'a Output,
}

impl Session<'_> {
    /// The next order; that the cgroup is joined may come before it.
    pub(super) fn next_order(&mut self) -> Result<(Order, Vec<OwnedFd>), StepError> {
        loop {
            let received = self.link.receive::<Order>(None)?.ok_or_else(|| {
                StepError::refused("go on", "with the set-up", "the runtime is gone")
            })?;
            if !matches!(received.message, Order::CgroupJoined) {
                return Ok((received.message, received.fds));
            }
            self.enter_cgroup()?;
        }
    }

    /// In its cgroup, the process makes that the root of its cgroup namespace,
    /// and takes the processors that the cgroup gives it in place of the
    /// caller's.
    fn enter_cgroup(&mut self) -> Result<(), StepError> {
        self.in_cgroup = true;
        if self.plan.namespaces.is_new(Kind::Cgroup) {
            ns::unshare(Kind::Cgroup.flag())
                .map_err(|errno| StepError::new("make", "the cgroup namespace", errno))?;
        }
        reset_affinity()
    }

    fn await_cgroup(&mut self) -> Result<(), StepError> {
        if self.in_cgroup {
            return Ok(());
        }
        let received = self.link.receive::<Order>(None)?;
        match received.map(|received| received.message) {
            Some(Order::CgroupJoined) => self.enter_cgroup(),
            _ => Err(StepError::refused(
                "join",
                "the cgroup",
                "the runtime is gone",
            )),
        }
    }

    /// The container's own mounts, most often in a namespace of its own.
    fn build_rootfs(&mut self) -> Result<Option<Pty>, StepError> {
        let plan = self.plan;
        let user_namespace = plan.namespaces.has(Kind::User);
        let on_host = plan.mounts_on_host();
        let mut root = if on_host {
            rootfs::open_on_host(&plan.rootfs)?
        } else {
            rootfs::prepare(&plan.rootfs)?
        };
        let mut made = rootfs::MadeMounts::default();
        for op in &plan.rootfs.mounts {
            if matches!(op.kind, MountKind::Cgroup(_)) {
                self.await_cgroup()?;
            }
            let mut context = mounts::Context {
                root: &mut root,
                user_namespace,
                outside: self,
            };
            let applied = mounts::apply(op, &mut context)?;
            made.add(op, applied, &plan.rootfs);
        }
        if let Some(nodes) = &plan.rootfs.devices {
            rootfs::make_devices(&root, nodes, user_namespace)?;
        }
        self.run_hooks()?;
        let pty = self.open_terminal(&root)?;
        make_cwd(&root, &plan.process.cwd);
        rootfs::set_sysctls(self.proc, &plan.sysctls)?;
        rootfs::protect(&root, &mut made, &plan.rootfs.readonly_paths)?;
        let label = plan.rootfs.label.as_deref();
        rootfs::mask(&root, &mut made, &plan.rootfs.masked, label)?;
        made.close(&root)?;
        if on_host {
            rootfs::enter_on_host(&plan.rootfs, &root)?;
        } else {
            rootfs::enter(&plan.rootfs, &root)?;
            if plan.rootfs.propagation.is_some_and(|it| it.recursive) {
                made.propagate_again(&root)?;
            }
        }
        // A terminal takes their place.
        if pty.is_none() && plan.rootfs.devices.is_some() {
            rootfs::take_own_null()?;
        }
        Ok(pty)
    }

    /// No mounts but the host's, and another root.
    fn use_host_mounts(&mut self) -> Result<Option<Pty>, StepError> {
        self.run_hooks()?;
        rootfs::set_sysctls(self.proc, &self.plan.sysctls)?;
        rootfs::chroot_into(&self.plan.rootfs.path)?;
        let root = RootFd::new(
            open(
                "/",
                OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
                Mode::empty(),
            )
            .map_err(|errno| StepError::new("open", "the container's root", errno))?,
        );
        let Some(asked) = self.plan.process.terminal else {
            return Ok(None);
        };
        let pty = Pty::open(&root)?;
        if let Some(size) = asked.size {
            pty.resize(size)?;
        }
        pty.give_to(self.plan.process.user.uid)?;
        Ok(Some(pty))
    }

    /// The hooks between the mounts and the change of root: the runtime's, then
    /// ours.
    fn run_hooks(&mut self) -> Result<(), StepError> {
        let plan = self.plan;
        if plan.waits_for_devices {
            self.receive_devices()?;
        }
        if plan.waits_for_hooks {
            self.await_cgroup()?;
            self.link.send(&Report::RootfsReady, &[])?;
            match self.next_order()? {
                (Order::HooksDone, _) => {}
                _ => {
                    return Err(StepError::refused(
                        "wait for",
                        "the hooks",
                        "the runtime is gone",
                    ));
                }
            }
        }
        if plan.create_container.is_empty() {
            return Ok(());
        }
        let pid = nix::unistd::getpid().as_raw();
        let document = hooks::document(&plan.hook_state, Status::Creating, pid);
        hooks::run_all(
            &plan.create_container,
            &hooks::Context {
                kind: "createContainer",
                state: &document,
                environment: None,
                directory: Some(&plan.rootfs.path),
                output: self.output,
            },
        )
    }

    fn open_terminal(&self, root: &RootFd) -> Result<Option<Pty>, StepError> {
        let Some(asked) = self.plan.process.terminal else {
            return Ok(None);
        };
        let pty = Pty::open(root)?;
        if let Some(size) = asked.size {
            pty.resize(size)?;
        }
        pty.give_to(self.plan.process.user.uid)?;
        rootfs::bind_console(root, pty.terminal.as_fd())?;
        Ok(Some(pty))
    }
}

/// Makes the working directory while the root can still be written. What stands
/// in the way is said where it is entered.
fn make_cwd(root: &RootFd, cwd: &Path) {
    if cwd != Path::new("/") {
        let _ = root.ensure(cwd, Missing::Directory);
    }
}

/// Every processor; the kernel leaves those that the cgroup has.
pub(super) fn reset_affinity() -> Result<(), StepError> {
    // As many as kernels are built for.
    const ALL: [u64; 128] = [u64::MAX; 128];
    match sched::set_affinity(0, &ALL) {
        // A sandbox may forbid it; the caller's processors are ours then.
        Ok(()) | Err(Errno::EPERM | Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(StepError::new("reset", "the processor affinity", errno)),
    }
}
