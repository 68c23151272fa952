//! One call of the runtime.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::fault::{Fault, Outcome, holds, lacks, patience, same, skip};
use super::host::Host;

static CALLS: AtomicU32 = AtomicU32::new(0);

/// A call that is being put together. Output goes to files, not to pipes: a
/// detached container keeps what it was given.
#[derive(Debug)]
pub(crate) struct Call {
    program: Option<PathBuf>,
    args: Vec<OsString>,
    before: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: PathBuf,
    logs: PathBuf,
    stdin: Option<File>,
    limit: Duration,
}

/// What a call gave.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its exit code; 128 + n where a signal ended it.
    pub(crate) code: i32,
    out: PathBuf,
    err: PathBuf,
    words: String,
}

/// A call that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    answer: Answer,
    limit: Duration,
}

impl Call {
    /// A call with these arguments from this directory.
    pub(crate) fn new(dir: &Path, logs: &Path, args: &[&str]) -> Self {
        Self {
            program: None,
            args: args.iter().map(OsString::from).collect(),
            before: Vec::new(),
            env: Vec::new(),
            dir: dir.to_owned(),
            logs: logs.to_owned(),
            stdin: None,
            limit: Duration::from_secs(30),
        }
    }

    /// Calls another program than the runtime.
    pub(crate) fn of(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// Sets a variable of the runtime's environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Runs it from this directory.
    pub(crate) fn in_dir(mut self, dir: &Path) -> Self {
        dir.clone_into(&mut self.dir);
        self
    }

    /// Runs it by this shell script, which must end in `exec "$@"`: for file
    /// descriptors, umask, limits, ignored signals of the caller.
    pub(crate) fn under(mut self, script: &str) -> Self {
        self.before = ["/bin/bash", "-c", script, "bash"]
            .map(OsString::from)
            .into();
        self
    }

    /// Gives it this file as stdin.
    pub(crate) fn stdin(mut self, file: File) -> Self {
        self.stdin = Some(file);
        self
    }

    /// Allows it this long.
    pub(crate) fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// Starts it.
    pub(crate) fn spawn(self) -> Outcome<Running> {
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        let out = self.logs.join(format!("out.{number}"));
        let err = self.logs.join(format!("err.{number}"));
        let binary = self.program.unwrap_or_else(|| Host::get().binary.clone());
        let mut line = self
            .before
            .into_iter()
            .chain([binary.into_os_string()])
            .chain(self.args);
        let Some(program) = line.next() else {
            return Err(Fault::failed("an empty command line"));
        };
        let line: Vec<OsString> = line.collect();
        let words = line.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let child = Command::new(program)
            .args(&line)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .envs(self.env)
            .current_dir(self.dir)
            .stdin(self.stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(File::create(&out)?)
            .stderr(File::create(&err)?)
            .spawn()?;
        Ok(Running {
            child,
            limit: self.limit * patience(),
            answer: Answer {
                code: -1,
                out,
                err,
                words,
            },
        })
    }

    /// Makes the call and waits for its end.
    #[track_caller]
    pub(crate) fn answer(self) -> Outcome<Answer> {
        self.spawn()?.answer()
    }
}

impl Running {
    /// The runtime's pid (the shell's, until it has become the runtime).
    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// What it has written to stdout so far.
    pub(crate) fn out(&self) -> String {
        self.answer.out()
    }

    /// Waits for its end, for as long as it is allowed.
    pub(crate) fn answer(mut self) -> Outcome<Answer> {
        let deadline = Instant::now() + self.limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                let killed = status.signal().map(|signal| 128 + signal);
                self.answer.code = status.code().or(killed).unwrap_or(-1);
                return Ok(self.answer);
            }
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                return Err(Fault::failed(format!(
                    "took over {:?}: {}\n{}",
                    self.limit,
                    self.answer.words,
                    self.answer.err()
                )));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Answer {
    /// Its stdout, with what a detached container has added since.
    pub(crate) fn out(&self) -> String {
        text(&self.out)
    }

    /// Its stderr.
    pub(crate) fn err(&self) -> String {
        text(&self.err)
    }

    /// It must have ended with 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Outcome<Self> {
        self.ended(0)
    }

    /// It must have ended with `code`.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Outcome<Self> {
        if self.code == code {
            return Ok(self);
        }
        self.not_yet()?;
        Err(Fault::failed(format!(
            "exit {}, wanted {code}: {}\nstdout: {}\nstderr: {}",
            self.code,
            self.words,
            self.out(),
            self.err()
        )))
    }

    /// Ends the test as skipped when the binary says of itself that it cannot do
    /// this yet.
    fn not_yet(&self) -> Outcome {
        match self
            .err()
            .lines()
            .find(|line| line.contains("not supported yet"))
        {
            Some(line) => skip(line),
            None => Ok(()),
        }
    }

    /// It must have failed with `code` and exactly one line of error, which may
    /// have one line of advice after it, with these words in it, each as it stands.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) -> Outcome {
        let err = self.err();
        let context = |what: &str| format!("{what}: {}\nstderr: {err}", self.words);
        if !words.iter().all(|word| err.contains(word)) {
            self.not_yet()?;
        }
        same(&context("exit code"), self.code, code)?;
        let level = |line: &&str, level: &str| line.contains(&format!("level={level}"));
        let errors = err
            .lines()
            .filter(|line| level(line, "error") || level(line, "fatal"));
        let others = err.lines().filter(|line| !line.contains("level="));
        let (errors, others) = (errors.count(), others.count());
        same(&context("lines of error"), errors, 1)?;
        holds(context("one line of advice at most"), others <= 1)?;
        for word in words {
            holds(
                context(&format!("{word:?} in the error")),
                err.contains(word),
            )?;
        }
        lacks(&err, "panicked")
    }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
