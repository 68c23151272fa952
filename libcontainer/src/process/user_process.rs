//! The end of init and tenant: from a process that is set up to the user's
//! program. One code for both, so that the rules for users, capabilities,
//! filters and the working directory are written once.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, getcwd};

use super::executor::{self, Executor, Gate, Program};
use super::link::Link;
use super::lookup::executable;
use super::passwd::home;
use super::protocol::{Order, Report};
use super::stage::sweep;
use crate::container::Status;
use crate::error::{StepError, reason};
use crate::hooks::{self, Output};
use crate::path::{Missing, RootFd};
use crate::plan::{HookPlan, HookState, ProcessPlan};
use crate::seccomp::Filter;
use crate::security::{capabilities, lsm};
use crate::sys::sched::SchedAttr;
use crate::sys::{Errno, clone, creds, process, sched};

/// The byte that `start` writes into the FIFO.
pub(crate) const START: u8 = b'S';

/// `SCHED_FIFO` and `SCHED_RR` of sched_setattr(2).
const REAL_TIME: [u32; 2] = [1, 2];

/// `SCHED_DEADLINE` of the same.
const SCHED_DEADLINE: u32 = 6;

/// The file mode mask of a process that asks for none.
const DEFAULT_UMASK: u32 = 0o022;

/// SIGPIPE in a set of signals: ignored from Rust's start-up on.
const PIPE: u64 = 1 << 12;

/// How the way to the program ends.
pub(super) struct Finish<'a, E> {
    pub(super) link: &'a Link,
    pub(super) process: &'a ProcessPlan,
    pub(super) seccomp: Option<&'a Filter>,
    /// The procfs that labels are written to, where there are any.
    pub(super) proc: Option<OwnedFd>,
    /// The signals that this process ignores, as a set.
    pub(super) ignored: u64,
    /// The terminal's name inside, with its master for the runtime.
    pub(super) terminal: Option<(String, OwnedFd)>,
    /// The FIFO to wait at; none: go on when told to proceed.
    pub(super) fifo: Option<OwnedFd>,
    /// Whether a working directory that is missing is made.
    pub(super) makes_cwd: bool,
    /// Hooks right before the program.
    pub(super) hooks: &'a [HookPlan],
    pub(super) hook_state: Option<&'a HookState>,
    /// What those write to.
    pub(super) output: Output,
    /// The container's annotations.
    pub(super) annotations: &'a [(String, String)],
    /// Who may take the last step.
    pub(super) executor: &'a E,
}

/// Goes on to the user's program.
pub(super) fn finish<E: Executor>(finish: Finish<'_, E>) -> Result<Infallible, StepError> {
    let Finish {
        link,
        process: plan,
        seccomp,
        proc,
        ignored,
        terminal,
        mut fifo,
        makes_cwd,
        hooks,
        hook_state,
        mut output,
        annotations,
        executor,
    } = finish;
    apply_scheduling(plan)?;
    let environment = environment(plan);
    let program = Program {
        args: &plan.args,
        env: &environment,
        annotations,
    };
    let last = if executor.takes(&program) {
        LastStep::Executor
    } else {
        LastStep::Exec
    };
    umask(Mode::from_bits_truncate(
        plan.user.umask.unwrap_or(DEFAULT_UMASK),
    ));
    // Before any name of the configuration is looked up: a descriptor of the set-up
    // is a way around the masks that were put on since, by `/proc/self/fd`.
    let master = terminal.as_ref().map(|(_, master)| master.as_fd());
    if hooks.is_empty() {
        output = Output::default();
    }
    let kept = [&proc, &fifo].map(|fd| fd.as_ref().map(AsFd::as_fd));
    let kept = kept.into_iter().chain([master]).flatten();
    let kept = kept.chain(output.fds());
    sweep(link, plan.kept_fds, kept)?;
    let early = enter_cwd(&plan.cwd, makes_cwd)?;
    report_ready(link, terminal)?;
    set_labels(proc.as_ref().map(AsFd::as_fd), plan, last)?;
    // A hook that does not read must not end us.
    let later = if hooks.is_empty() { 0 } else { PIPE };
    reset_signals(ignored & !later)?;
    drop(proc);
    // Before a filter that may refuse the call.
    let kept = fifo.iter().map(AsFd::as_fd).chain(output.fds());
    sweep(link, plan.kept_fds, kept)?;

    if plan.no_new_privileges {
        creds::set_no_new_privs().map_err(|errno| StepError::new("set", "no_new_privs", errno))?;
    } else if let Some(filter) = seccomp {
        // Without no_new_privs it takes a capability that is about to go.
        install(link, filter)?;
    }
    become_user(plan, early, last, link)?;
    let exec = match last {
        LastStep::Exec => Some(Exec::prepare(&program)?),
        LastStep::Executor => None,
    };
    if fifo.is_some() {
        // Waiting for `start`, it is to end like a program would.
        process::end_when_asked();
    }
    if plan.no_new_privileges
        && let Some(filter) = seccomp
    {
        install(link, filter)?;
    }
    let wait = Wait {
        link,
        fifo: fifo.as_ref().map(AsFd::as_fd),
        hooks,
        hook_state,
        output: &output,
        environment: &environment,
    };
    let failed = match wait.until_its_turn() {
        Err(failed) => Stopped::Before(failed),
        Ok(()) => match exec {
            Some(exec) => Stopped::AtExec(exec.execute()),
            None => Stopped::AtExec(hand_over(executor, &program, link, &mut fifo)),
        },
    };
    let Some(fifo) = fifo else {
        return match failed {
            Stopped::Before(failed) => Err(failed),
            Stopped::AtExec(failed) => {
                link.write(&Report::NotExecuted(failed))?;
                clone::exit_now(1)
            }
        };
    };
    let (Stopped::Before(failed) | Stopped::AtExec(failed)) = failed;
    // Whoever started us reads it there.
    if let Ok(bytes) = postcard::to_allocvec(&failed) {
        let _ = nix::unistd::write(&fifo, &bytes);
    }
    clone::exit_now(1)
}

/// The failure that an init left in the FIFO.
pub(crate) fn read_failure(bytes: &[u8]) -> Option<StepError> {
    postcard::from_bytes(bytes).ok()
}

/// Where the way to the program ended.
enum Stopped {
    Before(StepError),
    AtExec(StepError),
}

/// Who takes the last step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastStep {
    /// The kernel, by execve(2).
    Exec,
    /// An [`Executor`], in this process.
    Executor,
}

/// A program for execve(2).
struct Exec {
    program: String,
    path: CString,
    argv: Vec<CString>,
    envp: Vec<CString>,
}

impl Exec {
    fn prepare(asked: &Program<'_>) -> Result<Self, StepError> {
        let name = asked.args.first().map_or("", String::as_str);
        let program = executable(name, asked.env)?;
        let path = CString::new(program.as_str())
            .map_err(|_| StepError::refused("execute", &program, "it contains a NUL byte"))?;
        Ok(Self {
            argv: c_strings(asked.args)?,
            envp: c_strings(asked.env)?,
            program,
            path,
        })
    }

    /// The reason for coming back.
    fn execute(&self) -> StepError {
        let argv: Vec<&CStr> = self.argv.iter().map(CString::as_c_str).collect();
        let envp: Vec<&CStr> = self.envp.iter().map(CString::as_c_str).collect();
        let errno = clone::execve(&self.path, &argv, &envp);
        StepError::said(format!("exec {}: {}", self.program, reason(errno)))
    }
}

/// Lets the executor run the program to its end. What comes back is a failure that
/// whoever started the container still waits for.
fn hand_over(
    executor: &impl Executor,
    program: &Program<'_>,
    link: &Link,
    fifo: &mut Option<OwnedFd>,
) -> StepError {
    let mut open = false;
    let done = executor.execute(program, Gate::new(&mut open, link, fifo));
    // Nothing of the program's exit runs.
    let _ = std::io::stdout().flush();
    match done {
        Ok(status) => clone::exit_now(i32::from(status)),
        Err(text) if open => {
            let _ = writeln!(std::io::stderr(), "{text}");
            clone::exit_now(1)
        }
        Err(text) => {
            let name = program.args.first().map_or("", String::as_str);
            StepError::said(format!("exec {name}: {text}"))
        }
    }
}

/// What comes between a process that is set up and its program.
struct Wait<'a> {
    link: &'a Link,
    fifo: Option<BorrowedFd<'a>>,
    hooks: &'a [HookPlan],
    hook_state: Option<&'a HookState>,
    output: &'a Output,
    environment: &'a [String],
}

impl Wait<'_> {
    fn until_its_turn(&self) -> Result<(), StepError> {
        if let Some(fifo) = self.fifo {
            // Closed, it tells the runtime that all went well.
            executor::close(self.link)
                .map_err(|errno| StepError::new("close", "the runtime's socket", errno))?;
            wait_at(fifo)?;
        }
        run_hooks(self)
    }
}

/// Sleeps until somebody writes the byte. The FIFO is open for writing here
/// too, so that it never reads as ended.
fn wait_at(fifo: BorrowedFd<'_>) -> Result<(), StepError> {
    let mut byte = [0];
    loop {
        match nix::unistd::read(fifo, &mut byte) {
            Ok(1) if byte == [START] => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(StepError::new("wait at", "the start FIFO", errno)),
        }
    }
}

fn run_hooks(last: &Wait<'_>) -> Result<(), StepError> {
    let Some(state) = last.hook_state.filter(|_| !last.hooks.is_empty()) else {
        return Ok(());
    };
    let pid = nix::unistd::getpid().as_raw();
    let document = hooks::document(state, Status::Created, pid);
    hooks::run_all(
        last.hooks,
        &hooks::Context {
            kind: "startContainer",
            state: &document,
            environment: Some(last.environment),
            directory: None,
            output: last.output,
        },
    )?;
    reset_signals(PIPE)
}

/// Tells the runtime that everything stands, and waits until it is ready too.
fn report_ready(link: &Link, terminal: Option<(String, OwnedFd)>) -> Result<(), StepError> {
    let (name, master) = match terminal {
        Some((name, master)) => (Some(name), Some(master)),
        None => (None, None),
    };
    let fds: Vec<BorrowedFd<'_>> = master.iter().map(AsFd::as_fd).collect();
    link.send(&Report::Ready { terminal: name }, &fds)?;
    match link
        .receive::<Order>(None)?
        .map(|received| received.message)
    {
        Some(Order::Proceed) => {}
        Some(_) => {
            return Err(StepError::refused(
                "proceed",
                "to the program",
                "it is another message",
            ));
        }
        None => {
            return Err(StepError::refused(
                "proceed",
                "to the program",
                "the runtime is gone",
            ));
        }
    }
    // From here on the container outlives the runtime.
    process::set_parent_death_signal(0)
        .map_err(|errno| StepError::new("clear", "the parent death signal", errno))
}

fn apply_scheduling(plan: &ProcessPlan) -> Result<(), StepError> {
    if let Some(asked) = &plan.scheduler {
        let attributes = SchedAttr {
            size: 0,
            policy: asked.policy,
            flags: asked.flags,
            nice: asked.nice,
            priority: asked.priority,
            runtime: asked.runtime,
            deadline: asked.deadline,
            period: asked.period,
        };
        sched::set_scheduler(&attributes).map_err(|errno| {
            let failed = StepError::new("set", "process.scheduler", errno);
            if errno == Errno::EPERM && REAL_TIME.contains(&asked.policy) {
                return failed.with_detail(
                    "where cgroups ration real time the container's has none: see \
                     linux.resources.cpu.realtimeRuntime",
                );
            }
            if errno == Errno::EPERM && asked.policy == SCHED_DEADLINE {
                return failed.with_detail(
                    "process scheduler can't be used together with AllowedCPUs: \
                     SCHED_DEADLINE needs every processor, see linux.resources.cpu.cpus",
                );
            }
            failed
        })?;
    }
    if let Some(asked) = plan.io_priority {
        sched::set_io_priority(asked.class, asked.level)
            .map_err(|errno| StepError::new("set", "process.ioPriority", errno))?;
    }
    if let Some(domain) = plan.personality {
        process::set_personality(domain)
            .map_err(|errno| StepError::new("set", "linux.personality", errno))?;
    }
    if let Some(policy) = &plan.memory_policy {
        sched::set_memory_policy(policy.mode, &policy.nodes)
            .map_err(|errno| StepError::new("set", "linux.memoryPolicy", errno))?;
    }
    Ok(())
}

/// The environment with HOME: from the container's own list of users when it is
/// missing or empty.
fn environment(plan: &ProcessPlan) -> Vec<String> {
    let mut environment = plan.env.clone();
    let known = environment
        .iter_mut()
        .find(|variable| variable.starts_with("HOME="));
    match known {
        Some(variable) if variable == "HOME=" => {
            *variable = format!("HOME={}", home(plan.user.uid));
        }
        Some(_) => {}
        None => environment.push(format!("HOME={}", home(plan.user.uid))),
    }
    environment
}

/// Whether the working directory was entered before the change of user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entered {
    Yes,
    /// Not with these rights: some directories let only their owner in.
    NotYet,
}

/// Enters the working directory; that of the container's own process is made when
/// it is missing.
fn enter_cwd(cwd: &Path, make: bool) -> Result<Entered, StepError> {
    let failed = |action, errno| StepError::new(action, format!("cwd {}", cwd.display()), errno);
    match chdir(cwd) {
        Ok(()) => return Ok(Entered::Yes),
        Err(Errno::EACCES) => return Ok(Entered::NotYet),
        Err(Errno::ENOENT) if make => {}
        Err(errno) => return Err(failed("chdir to", errno)),
    }
    let root = crate::sys::open::open(
        "/",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| failed("make", errno))?;
    match RootFd::new(root).ensure(cwd, Missing::Directory) {
        Ok(_) => {}
        Err(Errno::EACCES) => return Ok(Entered::NotYet),
        Err(errno) => return Err(failed("make", errno)),
    }
    chdir(cwd).map_err(|errno| failed("chdir to", errno))?;
    Ok(Entered::Yes)
}

/// The working directory must lie in the root: one reached by a descriptor of
/// the host would not (CVE-2024-21626).
fn verify_cwd() -> Result<(), StepError> {
    let refused = || {
        StepError::refused(
            "verify",
            "that the current working directory is safe",
            "it is outside of the container's root file system",
        )
    };
    match getcwd() {
        Ok(path) if path.is_absolute() => Ok(()),
        // "(unreachable)", or removed.
        Ok(_) | Err(Errno::ENOENT) => Err(refused()),
        Err(errno) => Err(StepError::new("look up", "the working directory", errno)),
    }
}

fn set_labels(
    proc: Option<BorrowedFd<'_>>,
    plan: &ProcessPlan,
    last: LastStep,
) -> Result<(), StepError> {
    if plan.apparmor.is_none() && plan.selinux.is_none() {
        return Ok(());
    }
    let proc = proc.ok_or_else(|| StepError::refused("set", "the label", "there is no procfs"))?;
    let when = match last {
        LastStep::Exec => lsm::When::OnExec,
        LastStep::Executor => lsm::When::Now,
    };
    if let Some(profile) = &plan.apparmor {
        lsm::set_apparmor(proc, profile, when)?;
    }
    if let Some(label) = &plan.selinux {
        lsm::set_selinux(proc, label, when)?;
    }
    Ok(())
}

/// From root to the user, in the one order that works: the bounding set while
/// privileged, groups before users, capabilities after.
fn become_user(
    plan: &ProcessPlan,
    entered: Entered,
    last: LastStep,
    link: &Link,
) -> Result<(), StepError> {
    let user = &plan.user;
    let failed =
        |action: &'static str, object: String| move |errno| StepError::new(action, object, errno);
    capabilities::limit(plan.capabilities.bounding)?;
    // Only who leaves root loses them (capabilities(7)).
    let leaves_root = user.uid != 0;
    if leaves_root {
        creds::keep_capabilities(true).map_err(failed("keep", "capabilities".to_owned()))?;
    }
    if !user.keeps_groups {
        match creds::set_groups(&user.groups) {
            // Groups cannot be set in a user namespace with one mapping: none are
            // asked for then, and the caller's are not gained by anything.
            Err(Errno::EPERM) if user.groups.is_empty() => {}
            done => done.map_err(failed("set", format!("groups {:?}", user.groups)))?,
        }
    }
    creds::set_gid(user.gid).map_err(failed("set", format!("group {}", user.gid)))?;
    creds::set_uid(user.uid).map_err(failed("set", format!("user {}", user.uid)))?;
    if leaves_root {
        creds::keep_capabilities(false).map_err(failed("keep", "capabilities".to_owned()))?;
    }
    if entered == Entered::NotYet {
        chdir(plan.cwd.as_path())
            .map_err(failed("chdir to", format!("cwd {}", plan.cwd.display())))?;
    }
    verify_cwd()?;
    let mut warnings = Vec::new();
    capabilities::take_on(&plan.capabilities, |warning| warnings.push(warning))?;
    for warning in warnings {
        link.write(&Report::Warning(warning))?;
    }
    if last == LastStep::Executor && leaves_root {
        capabilities::keep_ambient(&plan.capabilities)?;
    }
    Ok(())
}

fn install(link: &Link, filter: &Filter) -> Result<(), StepError> {
    if let Some(listener) = filter.install()? {
        // By number: sending a descriptor may be the very call that waits for
        // the listener's verdict.
        link.write(&Report::Listener(listener.as_raw_fd()))?;
        match link
            .receive::<Order>(None)?
            .map(|received| received.message)
        {
            Some(Order::Proceed) => {}
            _ => {
                return Err(StepError::refused(
                    "hand over",
                    "the seccomp listener",
                    "the runtime is gone",
                ));
            }
        }
    }
    Ok(())
}

fn c_strings(strings: &[String]) -> Result<Vec<CString>, StepError> {
    strings
        .iter()
        .map(|text| {
            CString::new(text.as_str())
                .map_err(|_| StepError::refused("pass", "an argument", "it contains a NUL byte"))
        })
        .collect()
}

fn reset_signals(ignored: u64) -> Result<(), StepError> {
    process::reset_signals(ignored).map_err(|errno| StepError::new("reset", "signals", errno))
}
