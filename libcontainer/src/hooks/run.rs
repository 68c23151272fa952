//! One hook after the other.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Output;
use crate::error::{StepError, reason};
use crate::plan::HookPlan;
use crate::sys::{Errno, process};

/// As much of a hook's output as a message shows.
const MAX_OUTPUT: usize = 4096;

/// What the hooks of one kind have in common.
pub(crate) struct Context<'a> {
    /// The kind, as the specification calls it.
    pub(crate) kind: &'a str,
    /// The state document.
    pub(crate) state: &'a str,
    /// The environment of a hook that names none; none: our own.
    pub(crate) environment: Option<&'a [String]>,
    /// Where they run.
    pub(crate) directory: Option<&'a Path>,
    /// What they write to.
    pub(crate) output: &'a Output,
}

/// Runs the hooks in order; the first that fails ends it.
pub(crate) fn run_all(hooks: &[HookPlan], context: &Context<'_>) -> Result<(), StepError> {
    each(hooks, context).collect()
}

/// Runs the hooks in order, whatever became of those before.
pub(crate) fn each<'a>(
    hooks: &'a [HookPlan],
    context: &'a Context<'_>,
) -> impl Iterator<Item = Result<(), StepError>> + 'a {
    hooks.iter().enumerate().map(|(index, hook)| {
        run(hook, context).map_err(|failed| {
            StepError::said(format!(
                "error running {} hook #{index}: {failed}",
                context.kind
            ))
        })
    })
}

fn run(hook: &HookPlan, context: &Context<'_>) -> Result<(), String> {
    let path = hook.path.display();
    let mut child = command(hook, context)
        .and_then(|mut command| command.spawn())
        .map_err(|error| format!("fork/exec {path}: {}", why(&error)))?;
    let mut exchange = Exchange::new(&mut child, context.state);
    let deadline = hook
        .timeout
        .map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
    let finished = exchange.until_exit(&child, deadline);
    match finished {
        Ok(true) => {}
        Ok(false) => {
            stop(&mut child);
            return Err(format!(
                "hook {path} ran past specified timeout of {}.0s",
                hook.timeout.unwrap_or_default()
            ));
        }
        Err(errno) => {
            stop(&mut child);
            return Err(format!("cannot wait for {path}: {}", reason(errno)));
        }
    }
    exchange.drain();
    let status = child.wait().map_err(|error| why(&error))?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "{}, stdout: {}, stderr: {}",
        ending(status),
        shown(&exchange.output),
        shown(&exchange.errors)
    ))
}

fn command(hook: &HookPlan, context: &Context<'_>) -> io::Result<Command> {
    let mut command = Command::new(&hook.path);
    if let Some((name, rest)) = hook.args.split_first() {
        command.arg0(name).args(rest);
    }
    let environment = hook.env.as_deref().or(context.environment);
    if let Some(environment) = environment {
        command.env_clear();
        command.envs(
            environment
                .iter()
                .map(|variable| variable.split_once('=').unwrap_or((variable.as_str(), ""))),
        );
    }
    if let Some(directory) = context.directory {
        command.current_dir(directory);
    }
    // A group of its own, so that what it left running ends with it at the
    // timeout.
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(context.output.stdout()?)
        .stderr(context.output.stderr()?);
    // Nothing of the caller's and of a relay's in it.
    process::start_clean(&mut command);
    Ok(command)
}

/// Kills the hook's whole group and reaps it.
fn stop(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// What passes between us and a hook: neither side may block the other for
/// ever, and a hook that reads nothing is as good as one that does.
struct Exchange<'a> {
    stdin: Option<std::process::ChildStdin>,
    left: &'a [u8],
    stdout: Option<std::process::ChildStdout>,
    stderr: Option<std::process::ChildStderr>,
    output: Vec<u8>,
    errors: Vec<u8>,
}

impl<'a> Exchange<'a> {
    fn new(child: &mut Child, state: &'a str) -> Self {
        let exchange = Self {
            stdin: child.stdin.take(),
            left: state.as_bytes(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            output: Vec::new(),
            errors: Vec::new(),
        };
        for fd in [
            exchange.stdin.as_ref().map(AsFd::as_fd),
            exchange.stdout.as_ref().map(AsFd::as_fd),
            exchange.stderr.as_ref().map(AsFd::as_fd),
        ]
        .into_iter()
        .flatten()
        {
            let _ = fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        }
        exchange
    }

    /// Passes text both ways until the hook exits: true; or its time is up.
    fn until_exit(&mut self, child: &Child, deadline: Option<Instant>) -> Result<bool, Errno> {
        let pid = i32::try_from(child.id()).map_err(|_| Errno::ESRCH)?;
        let pidfd = process::pidfd_open(pid)?;
        loop {
            let timeout = match deadline {
                None => PollTimeout::NONE,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(false);
                    }
                    // Rounded up, so as not to spin through the last one.
                    PollTimeout::try_from(left + Duration::from_millis(1))
                        .unwrap_or(PollTimeout::MAX)
                }
            };
            if self.turn(pidfd.as_fd(), timeout)? {
                return Ok(true);
            }
        }
    }

    /// Waits for something and deals with it; true when the hook has exited.
    fn turn(&mut self, pidfd: BorrowedFd<'_>, timeout: PollTimeout) -> Result<bool, Errno> {
        let mut fds = vec![PollFd::new(pidfd, PollFlags::POLLIN)];
        if let Some(stdin) = &self.stdin {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLOUT));
        }
        if let Some(stdout) = &self.stdout {
            fds.push(PollFd::new(stdout.as_fd(), PollFlags::POLLIN));
        }
        if let Some(stderr) = &self.stderr {
            fds.push(PollFd::new(stderr.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let exited = fds.first().and_then(PollFd::any).unwrap_or_default();
        self.write();
        self.drain();
        Ok(exited)
    }

    fn write(&mut self) {
        let Some(stdin) = &self.stdin else { return };
        match nix::unistd::write(stdin, self.left) {
            Ok(written) => {
                self.left = self.left.get(written..).unwrap_or_default();
                if self.left.is_empty() {
                    self.stdin = None;
                }
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // It does not want to know.
            Err(_) => self.stdin = None,
        }
    }

    /// Takes what has been written so far; what a grandchild writes later is
    /// not waited for.
    fn drain(&mut self) {
        if self
            .stdout
            .as_ref()
            .is_some_and(|fd| !take(fd.as_fd(), &mut self.output))
        {
            self.stdout = None;
        }
        if self
            .stderr
            .as_ref()
            .is_some_and(|fd| !take(fd.as_fd(), &mut self.errors))
        {
            self.stderr = None;
        }
    }
}

/// Reads what is there; false at the end.
fn take(fd: BorrowedFd<'_>, into: &mut Vec<u8>) -> bool {
    let mut buffer = [0_u8; 1024];
    loop {
        match nix::unistd::read(fd, &mut buffer) {
            Ok(0) => return false,
            Ok(length) => {
                into.extend_from_slice(buffer.get(..length).unwrap_or_default());
                // The end of the output says most.
                if let Some(surplus) = into.len().checked_sub(MAX_OUTPUT) {
                    into.drain(..surplus);
                }
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return true,
            Err(_) => return false,
        }
    }
}

fn shown(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// In Go's words, which scripts look for.
fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal: {}", signal_words(signal)),
        (None, None) => "unknown end".to_owned(),
    }
}

fn signal_words(signal: i32) -> String {
    match signal {
        libc::SIGSYS => "bad system call".to_owned(),
        libc::SIGKILL => "killed".to_owned(),
        libc::SIGTERM => "terminated".to_owned(),
        libc::SIGSEGV => "segmentation fault".to_owned(),
        libc::SIGABRT => "aborted".to_owned(),
        other => Signal::try_from(other).map_or_else(|_| other.to_string(), |it| it.to_string()),
    }
}

fn why(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => reason(Errno::from_raw(number)),
        None => error.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::super::Output;
    use super::{Context, run_all};
    use crate::plan::HookPlan;
    use std::time::{Duration, Instant};

    fn shell(script: &str) -> HookPlan {
        HookPlan {
            path: "/bin/sh".into(),
            args: ["sh", "-c", script].map(ToOwned::to_owned).to_vec(),
            env: None,
            timeout: None,
        }
    }

    fn context(state: &str) -> Context<'_> {
        Context {
            kind: "prestart",
            state,
            environment: None,
            directory: None,
            output: &Output {
                stdout: None,
                stderr: None,
            },
        }
    }

    #[test]
    fn the_state_is_read_to_its_end() {
        let state = "x".repeat(300_000);
        let script = "test $(wc -c) -eq 300000";
        run_all(&[shell(script)], &context(&state)).unwrap();
    }

    #[test]
    fn a_hook_that_reads_nothing_is_no_failure() {
        let state = "x".repeat(300_000);
        run_all(&[shell("exec 0<&-; exit 0")], &context(&state)).unwrap();
    }

    #[test]
    fn a_failure_says_which_and_what_it_wrote() {
        let hooks = [shell("true"), shell("echo no >&2; exit 3"), shell("exit 4")];
        let failed = run_all(&hooks, &context("{}")).unwrap_err();
        assert_eq!(
            failed.to_string(),
            "error running prestart hook #1: exit status 3, stdout: , stderr: no\n"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let mut hook = shell("");
        hook.path = "/no/such/hook".into();
        let failed = run_all(&[hook], &context("{}")).unwrap_err();
        assert_eq!(
            failed.to_string(),
            "error running prestart hook #0: fork/exec /no/such/hook: no such file or directory"
        );
    }

    #[test]
    fn the_time_holds_for_grandchildren_that_hold_the_pipe() {
        let mut hook = shell("sleep 60 & sleep 60");
        hook.timeout = Some(1);
        let begin = Instant::now();
        let failed = run_all(&[hook], &context("{}")).unwrap_err();
        assert!(
            failed
                .to_string()
                .contains("ran past specified timeout of 1.0s")
        );
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_grandchild_that_stays_is_not_waited_for() {
        let begin = Instant::now();
        run_all(&[shell("sleep 60 & exit 0")], &context("{}")).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn its_own_environment_is_exact() {
        let mut hook = shell("test \"$(env | grep -v -e ^PWD= -e ^_= -e ^SHLVL=)\" = A=b");
        hook.env = Some(vec!["A=b".to_owned(), "PATH=/usr/bin:/bin".to_owned()]);
        let script = "test \"$A\" = b && test -z \"$HOME\"";
        hook.args = ["sh", "-c", script].map(ToOwned::to_owned).to_vec();
        run_all(&[hook], &context("{}")).unwrap();
    }
}
