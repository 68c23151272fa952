//! The standard streams that the process takes over from our caller.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::{Uid, fchown};

use crate::error::StepError;
use crate::idmap::{self, IdMaps};
use crate::plan::ProcessPlan;
use crate::sys::Errno;
use crate::sys::fd::standing;

/// How the process's ids stand to ours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ids<'a> {
    /// They are the same.
    Same,
    /// By maps that we wrote.
    Mapped(&'a IdMaps),
    /// By the maps of a user namespace that was there before.
    Joined,
}

impl<'a> Ids<'a> {
    /// For a process in a user namespace or not, with the maps where we know
    /// them.
    pub(super) fn of(user_namespace: bool, maps: Option<&'a IdMaps>) -> Self {
        match maps {
            Some(maps) => Self::Mapped(maps),
            None if user_namespace => Self::Joined,
            None => Self::Same,
        }
    }

    /// The id that a user of the process has for us; none when it has none.
    fn outside(self, pid: libc::pid_t, uid: u32) -> Option<u32> {
        match self {
            Self::Same => Some(uid),
            Self::Mapped(maps) => maps.outside_user(uid),
            Self::Joined => idmap::read_users(pid).ok()?.outside_user(uid),
        }
    }
}

/// Gives pipes and files to the process's user, so that they can be opened again
/// by name (`/dev/stdout`). Devices belong to the host: never those.
///
/// It is for us to do: in a user namespace the process's root has no power over
/// what belongs to nobody inside.
pub(super) fn give(pid: libc::pid_t, process: &ProcessPlan, ids: Ids<'_>) -> Result<(), StepError> {
    if process.terminal.is_some() {
        return Ok(());
    }
    let Some(uid) = ids.outside(pid, process.user.uid) else {
        return Ok(());
    };
    for number in 0..3 {
        let stream = standing(number);
        let Ok(stat) = fstat(stream) else { continue };
        let writes = || {
            fcntl(stream, FcntlArg::F_GETFL).is_ok_and(|flags| {
                OFlag::from_bits_retain(flags) & OFlag::O_ACCMODE != OFlag::O_RDONLY
            })
        };
        if stat.st_uid == uid || !may_be_given(&stat, ids, writes) {
            continue;
        }
        match fchown(stream, Some(Uid::from_raw(uid)), None) {
            // Another's, read-only, not mapped: readable and writable as it is.
            Ok(()) | Err(Errno::EINVAL | Errno::EPERM | Errno::EROFS) => {}
            Err(errno) => {
                return Err(StepError::new(
                    "change the owner of",
                    format!("standard stream {number}"),
                    errno,
                ));
            }
        }
    }
    Ok(())
}

/// Whoever owns a file may write to it: ids that are kept apart from the host's
/// get no file that they were given for reading alone.
fn may_be_given(stat: &FileStat, ids: Ids<'_>, writes: impl FnOnce() -> bool) -> bool {
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFCHR | SFlag::S_IFBLK => false,
        SFlag::S_IFREG | SFlag::S_IFDIR => matches!(ids, Ids::Same) || writes(),
        _ => true,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Ids, may_be_given};
    use crate::idmap::{IdMap, IdMaps};
    use nix::sys::stat::stat;

    #[test]
    fn devices_are_never_given() {
        let null = stat("/dev/null").unwrap();
        assert!(!may_be_given(&null, Ids::Same, || true));
        assert!(!may_be_given(&null, Ids::Joined, || true));
    }

    #[test]
    fn a_file_to_read_is_not_given_to_mapped_ids() {
        let file = stat("/proc/self/exe").unwrap();
        assert!(may_be_given(&file, Ids::Same, || false));
        assert!(may_be_given(&file, Ids::Joined, || true));
        assert!(!may_be_given(&file, Ids::Joined, || false));
    }

    #[test]
    fn ids_are_those_outside() {
        let maps = IdMaps {
            users: vec![IdMap {
                inside: 0,
                outside: 100_000,
                size: 10,
            }],
            groups: vec![],
        };
        let ids = Ids::of(true, Some(&maps));
        assert_eq!(ids.outside(1, 7), Some(100_007));
        assert_eq!(ids.outside(1, 10), None);
        assert_eq!(Ids::of(false, None).outside(1, 7), Some(7));
        // Our own namespace's maps stand for any that were there before.
        let own = i32::try_from(std::process::id()).unwrap();
        let uid = nix::unistd::getuid().as_raw();
        assert!(Ids::of(true, None).outside(own, uid).is_some());
    }
}
