//! The jail of our own processes that stay: the relay of a foreground command, and
//! the watch of `events`. They handle what a hostile container writes for as long
//! as it lives, and need next to nothing for it.
//!
//! Four walls, of which each stops what another cannot see: capabilities,
//! no_new_privs, Landlock for files (where the kernel has it), and a filter of
//! system calls, made with seccompiler.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use nix::fcntl::OFlag;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::error::StepError;
use crate::sys::{Errno, creds, landlock};

/// CAP_KILL, by its number.
const KILL: u64 = 1 << 5;

/// What a jailed process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Passes bytes and signals, and waits for children.
    Relay,
    /// Reads statistics again and again, and writes them.
    Watch,
}

/// A jail that stands ready.
#[derive(Debug)]
pub(crate) struct Jail {
    duty: Duty,
    filter: BpfProgram,
}

impl Jail {
    /// Builds one; nothing is given up yet. Not for a program of several threads:
    /// each wall stands around one alone.
    pub(crate) fn build(duty: Duty) -> Result<Self, StepError> {
        // A directory's links: itself, its name, and one for each directory in it.
        let threads = std::fs::metadata("/proc/self/task").map_or(1, |task| task.nlink() - 2);
        if threads > 1 {
            let reason = format!("the program has {threads} threads");
            return Err(StepError::refused("enter", "the jail", reason));
        }
        let filter = compile(duty).map_err(|reason| {
            StepError::refused("compile", "the filter of the jail", reason.to_string())
        })?;
        Ok(Self { duty, filter })
    }

    /// Gives up for ever all that the duty does not need.
    pub(crate) fn enter(&self) -> Result<(), StepError> {
        let failed = |errno| StepError::new("enter", "the jail", errno);
        // The program of a container may be anybody's.
        let (kept, files) = match self.duty {
            Duty::Relay => {
                let mine = creds::permitted_capabilities().map_err(failed)?;
                (mine & KILL, landlock::Access::All)
            }
            Duty::Watch => (0, landlock::Access::AllButReading),
        };
        // An ambient capability lasts no longer than the permitted one.
        creds::set_capabilities(kept, kept, 0).map_err(failed)?;
        creds::set_no_new_privs().map_err(failed)?;
        match landlock::forbid(files) {
            // Not built in, or not switched on, or refused by a sandbox around us.
            Ok(()) | Err(Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EPERM) => {}
            Err(errno) => return Err(failed(errno)),
        }
        seccompiler::apply_filter(&self.filter)
            .map_err(|reason| StepError::refused("enter", "the jail", reason.to_string()))
    }
}

/// Calls without which no program goes on: memory, time, its end.
const ALWAYS: [libc::c_long; 18] = [
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_write,
    libc::SYS_writev,
];

/// What the relay does beside passing bytes.
const RELAY: [libc::c_long; 3] = [
    libc::SYS_pidfd_send_signal,
    libc::SYS_wait4,
    libc::SYS_waitid,
];

/// How statistics are read.
const WATCH: [libc::c_long; 8] = [
    libc::SYS_fstat,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    // Its flags lie in memory that no filter sees: Landlock keeps it to reading.
    libc::SYS_openat2,
    libc::SYS_pread64,
    libc::SYS_readlinkat,
    libc::SYS_statx,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// A refused call fails as one that the kernel does not allow: a C library that
/// tries another call first must not end the relay of a container.
fn compile(duty: Duty) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules = Rules::new();
    for call in ALWAYS {
        rules.insert(call, Vec::new());
    }
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_poll, Vec::new());
    let execute = u64::from(libc::PROT_EXEC.unsigned_abs());
    rules.insert(libc::SYS_mmap, vec![masked(2, execute, 0)?]);
    let duplicate = u64::from(libc::F_GETFD.unsigned_abs());
    rules.insert(
        libc::SYS_fcntl,
        vec![masked(1, u64::from(u32::MAX), duplicate)?],
    );
    match duty {
        Duty::Relay => {
            for call in RELAY {
                rules.insert(call, Vec::new());
            }
            // The sizes of two terminals, and the caller's settings given back: no
            // input is made up (TIOCSTI), nothing pasted (TIOCLINUX).
            let requests = [
                word(libc::TIOCGWINSZ),
                word(libc::TIOCSWINSZ),
                word(libc::TCGETS),
                word(libc::TCSETS),
                word(libc::TCGETS2),
                word(libc::TCSETS2),
            ];
            let requests = requests.map(|request| masked(1, u64::from(u32::MAX), request));
            let requests = requests.into_iter().collect::<Result<_, _>>()?;
            rules.insert(libc::SYS_ioctl, requests);
        }
        Duty::Watch => {
            for call in WATCH {
                rules.insert(call, Vec::new());
            }
            let writing = OFlag::O_ACCMODE | OFlag::O_CREAT | OFlag::O_TRUNC;
            let writing = u64::from(writing.bits().unsigned_abs());
            rules.insert(libc::SYS_openat, vec![masked(2, writing, 0)?]);
        }
    }
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// The number of an ioctl, whose type the C libraries do not agree on.
fn word(request: impl TryInto<u64>) -> u64 {
    request.try_into().unwrap_or_default()
}

/// A rule on the lower half of an argument: the bits of a mask have this value.
fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    let operator = SeccompCmpOp::MaskedEq(mask);
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind::PermissionDenied;
    use std::os::fd::AsFd;

    use super::{Duty, compile};
    use crate::sys::{creds, tty};

    /// Walls stand around one thread, so that a test may have some of its own.
    fn behind_walls(duty: Duty, test: fn()) {
        let program = compile(duty).unwrap();
        let walled = move || {
            creds::set_no_new_privs().unwrap();
            seccompiler::apply_filter(&program).unwrap();
            test();
        };
        std::thread::spawn(walled).join().unwrap();
    }

    #[test]
    fn a_relay_opens_nothing_and_starts_nothing() {
        behind_walls(Duty::Relay, || {
            assert_eq!(
                File::open("/dev/null").unwrap_err().kind(),
                PermissionDenied
            );
            let program = std::process::Command::new("/bin/true").spawn();
            assert_eq!(program.unwrap_err().kind(), PermissionDenied);
            assert!(std::net::TcpStream::connect("127.0.0.1:1").is_err());
        });
    }

    #[test]
    fn a_relay_knows_sizes_of_terminals_alone() {
        let flags = nix::fcntl::OFlag::O_RDWR | nix::fcntl::OFlag::O_NOCTTY;
        let master = nix::pty::posix_openpt(flags).unwrap();
        let program = compile(Duty::Relay).unwrap();
        let walled = move || {
            creds::set_no_new_privs().unwrap();
            seccompiler::apply_filter(&program).unwrap();
            tty::size(master.as_fd()).unwrap();
            nix::sys::termios::tcgetattr(&master).unwrap();
            // TIOCSPTLCK is not on the list.
            nix::pty::unlockpt(&master).unwrap_err();
        };
        std::thread::spawn(walled).join().unwrap();
    }

    #[test]
    fn a_watch_reads_and_changes_nothing() {
        behind_walls(Duty::Watch, || {
            File::open("/proc/self/status").unwrap();
            let written = File::options().write(true).open("/dev/null");
            assert_eq!(written.unwrap_err().kind(), PermissionDenied);
            let removed = std::fs::remove_file("/no/such/file");
            assert_eq!(removed.unwrap_err().kind(), PermissionDenied);
        });
    }
}
