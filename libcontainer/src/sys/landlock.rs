//! Landlock(7), Linux 5.13: a thread gives up what it may do with files.

use std::os::fd::AsFd;

use super::call::Call;
use super::{Result, fd};

/// Kinds of access, as the first version of the interface names them.
const EXECUTE: u64 = 1 << 0;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
/// Removing and making, each sort by its own bit.
const CHANGE_DIRECTORIES: u64 = 0x1ff0;

/// What is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To open any file for anything.
    All,
    /// To open any file for anything but reading.
    AllButReading,
}

/// The version of the interface that this kernel has.
pub(crate) fn version() -> Result<i64> {
    Call::LandlockVersion.make()
}

/// Gives up this access to all files that are not open yet, for the calling thread
/// and what it will start, for ever. no_new_privs has to be set.
pub(crate) fn forbid(access: Access) -> Result<()> {
    let changes = EXECUTE | WRITE_FILE | CHANGE_DIRECTORIES;
    let handled = match access {
        Access::All => changes | READ_FILE | READ_DIR,
        Access::AllButReading => changes,
    };
    // A ruleset that allows nothing of what it handles.
    let ruleset = fd::own(Call::LandlockCreateRuleset(&handled).make()?);
    Call::LandlockRestrictSelf(ruleset.as_fd()).make()?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind::PermissionDenied;

    use super::{Access, forbid};
    use crate::sys::{Errno, creds};

    /// Landlock holds for one thread; false where the kernel has none.
    fn without(access: Access) -> bool {
        creds::set_no_new_privs().unwrap();
        match forbid(access) {
            Err(Errno::ENOSYS | Errno::EOPNOTSUPP) => false,
            given_up => {
                given_up.unwrap();
                true
            }
        }
    }

    fn in_a_thread(test: fn()) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn reading_may_stay() {
        in_a_thread(|| {
            if without(Access::AllButReading) {
                File::open("/proc/self/status").unwrap();
                let written = File::options().write(true).open("/dev/null");
                assert_eq!(written.unwrap_err().kind(), PermissionDenied);
            }
        });
    }

    #[test]
    fn all_may_go() {
        in_a_thread(|| {
            if without(Access::All) {
                let read = File::open("/proc/self/status");
                assert_eq!(read.unwrap_err().kind(), PermissionDenied);
            }
        });
    }
}
