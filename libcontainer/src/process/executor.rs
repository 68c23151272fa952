//! The seam for programs that are no executable files: WebAssembly modules,
//! virtual machines. An [`Executor`] takes the last step in place of execve(2).

use std::os::fd::OwnedFd;

use super::link::Link;
use crate::sys::Errno;

/// The user's program, as the configuration or `exec` asks for it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Program<'a> {
    /// The program and its arguments; never empty. The first is as it was written,
    /// not looked up along `PATH`.
    pub args: &'a [String],
    /// The environment, `KEY=VALUE`, a variable once; `HOME` is always there.
    pub env: &'a [String],
    /// The container's annotations, sorted.
    pub annotations: &'a [(String, String)],
}

/// Runs programs that the kernel cannot.
///
/// A program that embeds this library and wants more kinds of containers than
/// executable files are calls [`init_stage_with`](super::init_stage_with) with one.
///
/// # What runs where
///
/// Both methods are called in the process inside the container, a fresh image of
/// one thread: they may allocate, start threads and open files. Nothing of the
/// calling program but its code is there; what they need has to be in the
/// image, since no library can be loaded from the container's own files with any
/// trust.
///
/// - [`takes`](Self::takes) is called during the set-up, with the rights of the
///   container's root and no filter yet: it is to decide by the words it is given
///   alone, and opens nothing that the image could have made.
/// - [`execute`](Self::execute) is called where execve(2) would be: in the
///   container's namespaces, root, working directory and cgroup, as its user,
///   under its system call filter (which has to allow what the executor does), after
///   its `startContainer` hooks. Of the descriptors there are the standard streams and those that
///   the caller kept.
///
/// What an exec would bring by itself is done before: the labels of the security
/// modules are those of the process already, and a user other than root keeps the
/// ambient capabilities alone. What it cannot have is a fresh image: the process is not
/// dumpable, and `/proc/self/exe` is the sealed image of the embedding program.
///
/// ```no_run
/// use libcontainer::process::{Executor, Gate, Program, init_stage_with};
///
/// /// Prints its arguments.
/// struct Echo;
///
/// impl Executor for Echo {
///     fn takes(&self, program: &Program<'_>) -> bool {
///         program.args.first().is_some_and(|name| name.ends_with(".echo"))
///     }
///
///     fn execute(&self, program: &Program<'_>, gate: Gate<'_>) -> Result<u8, String> {
///         gate.open();
///         println!("{}", program.args.join(" "));
///         Ok(0)
///     }
/// }
///
/// fn main() {
///     if std::env::args().next().as_deref() == Some("lodge-init") {
///         init_stage_with(&Echo);
///     }
///     // Create containers.
/// }
/// ```
pub trait Executor {
    /// Whether this program is one for the executor; if not, it is executed.
    fn takes(&self, program: &Program<'_>) -> bool;

    /// Runs the program to its end and answers with the exit status of the process.
    ///
    /// The gate is opened once nothing that belongs to the start can fail any more.
    ///
    /// # Errors
    ///
    /// What was wrong. Before the gate is open, whoever started the container gets
    /// it as the failure of the start; after that it goes to the standard error
    /// stream, and the exit status is 1.
    fn execute(&self, program: &Program<'_>, gate: Gate<'_>) -> Result<u8, String>;
}

/// What still connects a process with whoever started it. An exec closes it; an
/// [`Executor`] opens it.
#[derive(Debug)]
pub struct Gate<'a> {
    open: &'a mut bool,
    link: &'a Link,
    fifo: &'a mut Option<OwnedFd>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(open: &'a mut bool, link: &'a Link, fifo: &'a mut Option<OwnedFd>) -> Self {
        Self { open, link, fifo }
    }

    /// Tells whoever started the container that its program runs.
    pub fn open(self) {
        *self.open = true;
        // With a FIFO the socket is closed already.
        if self.fifo.take().is_none() {
            let _ = close(self.link);
        }
    }
}

/// Closes the socket while its owner lives on to the end of this process. A filter
/// may refuse the newer call.
pub(super) fn close(link: &Link) -> Result<(), Errno> {
    nix::unistd::close(link.number())
}

/// Nobody: every program is executed.
pub(super) struct Kernel;

impl Executor for Kernel {
    fn takes(&self, _: &Program<'_>) -> bool {
        false
    }

    fn execute(&self, program: &Program<'_>, _: Gate<'_>) -> Result<u8, String> {
        Err(format!("nothing executes {:?}", program.args))
    }
}
