//! A pty of the container's own devpts.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat, makedev};
use nix::sys::statfs::fstatfs;
use nix::unistd::{Uid, fchown};

use crate::error::StepError;
use crate::path::RootFd;
use crate::sys::{Errno, tty};

/// `DEVPTS_SUPER_MAGIC` of linux/magic.h.
const DEVPTS: u64 = 0x1cd1;

/// Both ends of a pty.
#[derive(Debug)]
pub(crate) struct Pty {
    /// For whoever asked for the terminal.
    pub(crate) master: OwnedFd,
    /// For the process.
    pub(crate) terminal: OwnedFd,
    /// Its name inside.
    pub(crate) name: String,
}

impl Pty {
    /// Opens one. Nothing is trusted for its name: the multiplexer must be one
    /// by its number, and the terminal is found through it and must lie in a
    /// devpts.
    pub(crate) fn open(root: &RootFd) -> Result<Self, StepError> {
        let failed = |errno| StepError::new("open", "/dev/ptmx of the container", errno);
        let flags = OFlag::O_PATH.bits();
        let found = root.open(Path::new("/dev/ptmx"), flags).map_err(failed)?;
        let stat = fstat(&found).map_err(failed)?;
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if kind != SFlag::S_IFCHR || stat.st_rdev != makedev(5, 2) {
            return Err(StepError::refused(
                "open",
                "/dev/ptmx of the container",
                "it is no pty multiplexer",
            ));
        }
        let flags = (OFlag::O_RDWR | OFlag::O_NOCTTY).bits();
        let master = root.open(Path::new("/dev/ptmx"), flags).map_err(failed)?;
        // Looked at once more: what was opened, not what was found.
        if fstat(&master).map_err(failed)?.st_rdev != makedev(5, 2) {
            return Err(failed(Errno::ESTALE));
        }
        let failed = |errno| StepError::new("open", "a terminal of the container", errno);
        tty::unlock(master.as_fd()).map_err(failed)?;
        let terminal = tty::peer(master.as_fd()).map_err(failed)?;
        let magic = fstatfs(&terminal).map_err(failed)?.filesystem_type().0;
        if u64::try_from(magic) != Ok(DEVPTS) {
            return Err(StepError::refused(
                "open",
                "a terminal of the container",
                "it does not lie in a devpts",
            ));
        }
        let number = tty::number(master.as_fd()).map_err(failed)?;
        Ok(Self {
            master,
            terminal,
            name: format!("/dev/pts/{number}"),
        })
    }

    /// Gives the terminal its size.
    pub(crate) fn resize(&self, (rows, columns): (u16, u16)) -> Result<(), StepError> {
        tty::set_size(self.master.as_fd(), tty::Size { rows, columns })
            .map_err(|errno| StepError::new("set the size of", &self.name, errno))
    }

    /// Gives the terminal to a user; its group stays the devpts's.
    pub(crate) fn give_to(&self, uid: u32) -> Result<(), StepError> {
        match fchown(&self.terminal, Some(Uid::from_raw(uid)), None) {
            // A user namespace that does not map the owner.
            Ok(()) | Err(Errno::EPERM | Errno::EINVAL) => Ok(()),
            Err(errno) => Err(StepError::new("change the owner of", &self.name, errno)),
        }
    }
}
