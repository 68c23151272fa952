//! A container's directory: the record, what `exec` needs, the start FIFO.
//!
//! All by descriptors: names are looked up in the directory that was opened,
//! whatever happens to the path meanwhile.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat, mknodat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::record::Versioned as _;
use super::{Glance, Record, Remains};
use crate::container::{ContainerId, StateRoot};
use crate::error::{Error, ErrorKind, StepError};
use crate::path::c_path;
use crate::plan::TenantFacts;
use crate::sys::Errno;
use crate::sys::fd::{try_lock_exclusive, unlock};
use crate::sys::open::openat;
use crate::sys::small_file::read_stored;

const RECORD: &CStr = c"state.json";
const RECORD_NEW: &CStr = c".state.json";
const TENANT: &CStr = c"exec.plan";
/// What it begins with: its last byte is the version.
const TENANT_MARK: &[u8] = b"lodge exec.plan\x03";
/// The FIFO that the init waits at. Its name says how far `create` is.
const FIFO: &CStr = c"exec.fifo";
const FIFO_NEW: &CStr = c".exec.fifo";
/// The directory for the socket by which the program tells that it is ready.
pub(crate) const NOTIFY: &str = "notify";
const NOTIFY_SOCKET: &CStr = c"notify.sock";

/// As long as a command waits for another that changes the same container.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that a file of ours is read.
const MAX_BYTES: usize = 256 << 20;

/// How far the container is, by its FIFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// `create` or `run` is at work, or was killed there.
    InTheMaking,
    /// The init waits for `start`.
    Waiting,
    /// Nobody waits any more.
    Open,
}

/// A container's directory.
#[derive(Debug)]
pub(crate) struct StateDir {
    root: Arc<OwnedFd>,
    directory: OwnedFd,
    id: ContainerId,
    /// Whether we hold the lock on the directory, which ends with its descriptor.
    locked: bool,
}

/// Opens the directory of all containers; none when it is missing.
pub(crate) fn open_root(root: &StateRoot) -> Result<Option<OwnedFd>, Error> {
    match crate::sys::open::open(root.path(), FOLDER, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(StepError::new("open", root.path().display().to_string(), errno).into()),
    }
}

const FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

/// The ids of all containers, sorted.
pub(crate) fn ids(root: &OwnedFd) -> Result<Vec<ContainerId>, Errno> {
    let mut directory = nix::dir::Dir::openat(root, c".", FOLDER, Mode::empty())?;
    let mut ids = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        let folder = entry
            .file_type()
            .is_none_or(|kind| kind == nix::dir::Type::Directory);
        if folder && let Ok(id) = ContainerId::new(&name) {
            ids.push(id);
        }
    }
    ids.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    Ok(ids)
}

impl StateDir {
    /// Makes the directory of a new container and locks it.
    pub(crate) fn create(root: &StateRoot, id: ContainerId) -> Result<Self, Error> {
        let path = root.path();
        let top = match open_root(root)? {
            Some(top) => top,
            None => {
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o711)
                    .create(path)
                    .map_err(|error| {
                        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
                        Error::from(StepError::new("make", path.display().to_string(), errno))
                    })?;
                open_root(root)?.ok_or_else(|| {
                    Error::from(StepError::new(
                        "open",
                        path.display().to_string(),
                        Errno::ENOENT,
                    ))
                })?
            }
        };
        let name = name(&id)?;
        let failed = |action, errno| {
            Error::from(StepError::new(
                action,
                path.join(id.as_str()).display().to_string(),
                errno,
            ))
        };
        match mkdirat(&top, name.as_c_str(), Mode::from_bits_truncate(0o711)) {
            Ok(()) => {}
            Err(Errno::EEXIST) => {
                return Err(Error::new(
                    ErrorKind::Exists,
                    format!("container with given ID already exists: {id}"),
                ));
            }
            Err(errno) => return Err(failed("make", errno)),
        }
        let directory = openat(
            &top,
            name.as_c_str(),
            FOLDER | OFlag::O_NOFOLLOW,
            Mode::empty(),
        )
        .map_err(|errno| failed("open", errno))?;
        let mut made = Self {
            root: Arc::new(top),
            directory,
            id,
            locked: false,
        };
        made.lock()?;
        Ok(made)
    }

    /// Opens the directory of a container.
    pub(crate) fn open(root: &StateRoot, id: &str) -> Result<Self, Error> {
        let id = ContainerId::new(id)?;
        let missing = || {
            Error::new(
                ErrorKind::NotFound,
                format!("container does not exist: {id}"),
            )
        };
        let top = open_root(root)?.ok_or_else(missing)?;
        Self::open_at(Arc::new(top), id)
    }

    /// Opens the directory of a container below an open root.
    pub(crate) fn open_at(root: Arc<OwnedFd>, id: ContainerId) -> Result<Self, Error> {
        let name = name(&id)?;
        match openat(
            &root,
            name.as_c_str(),
            FOLDER | OFlag::O_NOFOLLOW,
            Mode::empty(),
        ) {
            Ok(directory) => Ok(Self {
                root,
                directory,
                id,
                locked: false,
            }),
            Err(Errno::ENOENT) => Err(Error::new(
                ErrorKind::NotFound,
                format!("container does not exist: {id}"),
            )),
            Err(errno) => {
                Err(StepError::new("open", format!("the state of container {id}"), errno).into())
            }
        }
    }

    pub(crate) fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Keeps other commands from changing the container meanwhile.
    pub(crate) fn lock(&mut self) -> Result<(), Error> {
        if self.try_lock(PATIENCE)? {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::WrongStatus,
            format!("container {} is being changed by another command", self.id),
        ))
    }

    /// The same with a time of its own; false when the other did not end.
    pub(crate) fn try_lock(&mut self, patience: Duration) -> Result<bool, Error> {
        let failed = |errno| {
            Error::from(StepError::new(
                "lock",
                format!("the state of container {}", self.id),
                errno,
            ))
        };
        let deadline = Instant::now() + patience;
        loop {
            match try_lock_exclusive(self.directory.as_fd()) {
                Ok(()) => {
                    self.locked = true;
                    return Ok(true);
                }
                Err(Errno::EWOULDBLOCK | Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets other commands change the container again.
    pub(crate) fn unlock(&mut self) {
        if self.locked {
            // Fails for no descriptor that is open.
            let _ = unlock(self.directory.as_fd());
            self.locked = false;
        }
    }

    /// Who made the directory.
    pub(crate) fn owner(&self) -> Result<FileStat, Errno> {
        fstat(&self.directory)
    }

    /// Writes the record: under another name first, so that it is there whole or
    /// not at all.
    pub(crate) fn write_record(&self, record: &Record) -> Result<(), Error> {
        let bytes = record.to_bytes()?;
        self.write(RECORD_NEW, &bytes)
            .and_then(|()| renameat(&self.directory, RECORD_NEW, &self.directory, RECORD))
            .map_err(|errno| self.failed("write", errno))
    }

    /// Reads the record.
    pub(crate) fn read_record(&self) -> Result<Record, Error> {
        let bytes = self
            .read(RECORD)
            .map_err(|errno| self.failed("read", errno))?;
        Record::from_bytes(self.id.as_str(), &bytes)
    }

    /// The same, only what `state` and `list` print.
    /// Reads into a buffer that the next one may have.
    pub(crate) fn glance(&self, bytes: &mut Vec<u8>) -> Result<Glance, Error> {
        self.read_into(RECORD, bytes)
            .map_err(|errno| self.failed("read", errno))?;
        Glance::from_bytes(self.id.as_str(), bytes)
    }

    /// Writes what `exec` needs, after what `delete` needs. Once: it is never
    /// changed, so that it outlives a record that is damaged.
    pub(crate) fn write_tenant(&self, facts: &TenantFacts, remains: &Remains) -> Result<(), Error> {
        let mut bytes = TENANT_MARK.to_vec();
        let ours = |error: postcard::Error| {
            Error::new(
                ErrorKind::Internal,
                format!("cannot write exec.plan: {error}"),
            )
        };
        bytes.append(&mut postcard::to_allocvec(remains).map_err(ours)?);
        bytes.append(&mut postcard::to_allocvec(facts).map_err(ours)?);
        self.write(TENANT, &bytes)
            .map_err(|errno| self.failed("write", errno))
    }

    /// Reads what `exec` needs.
    pub(crate) fn read_tenant(&self) -> Result<TenantFacts, Error> {
        let bytes = self
            .read(TENANT)
            .map_err(|errno| self.failed("read", errno))?;
        parse_tenant(&bytes)
            .map(|(_, facts)| facts)
            .map_err(|reason| {
                Error::new(
                    ErrorKind::Internal,
                    format!(
                        "cannot read the state of container {}: exec.plan: {reason}",
                        self.id
                    ),
                )
            })
    }

    /// Reads what `delete` needs where the record is of no use; none when this
    /// is not known either.
    pub(crate) fn read_remains(&self) -> Option<Remains> {
        let bytes = self.read(TENANT).ok()?;
        let rest = bytes.strip_prefix(TENANT_MARK)?;
        // What comes after it may be damaged too.
        let (remains, _) = postcard::take_from_bytes(rest).ok()?;
        Some(remains)
    }

    fn write(&self, name: &CStr, bytes: &[u8]) -> Result<(), Errno> {
        let flags = OFlag::O_WRONLY
            | OFlag::O_CREAT
            | OFlag::O_TRUNC
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC;
        let file = openat(
            &self.directory,
            name,
            flags,
            Mode::from_bits_truncate(0o600),
        )?;
        File::from(file)
            .write_all(bytes)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
    }

    fn read(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        self.read_into(name, &mut bytes)?;
        Ok(bytes)
    }

    fn read_into(&self, name: &CStr, bytes: &mut Vec<u8>) -> Result<(), Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = openat(&self.directory, name, flags, Mode::empty())?;
        read_stored(&file, MAX_BYTES, bytes)
    }

    fn failed(&self, action: &'static str, errno: Errno) -> Error {
        StepError::new(action, format!("the state of container {}", self.id), errno).into()
    }

    /// Makes the FIFO under the name that says that the container is in the
    /// making, and opens it both ways: opening it blocks nobody then, and it
    /// never reads as ended.
    pub(crate) fn make_fifo(&self) -> Result<OwnedFd, Error> {
        let mode = Mode::from_bits_truncate(0o600);
        mknodat(&self.directory, FIFO_NEW, SFlag::S_IFIFO, mode, 0)
            .map_err(|errno| self.failed("make the start FIFO in", errno))?;
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.directory, FIFO_NEW, flags, Mode::empty())
            .map_err(|errno| self.failed("open the start FIFO in", errno))
    }

    /// Makes the directory that the container is shown, for all of its users.
    pub(crate) fn make_notify_folder(&self) -> Result<(), Error> {
        // Whatever the caller's umask is.
        let mode = Mode::from_bits_truncate(0o755);
        mkdirat(&self.directory, NOTIFY, mode)
            .and_then(|()| fchmod(self.open_notify_folder()?, mode))
            .map_err(|errno| self.failed("make the notify directory in", errno))
    }

    /// That directory; none when it was not made.
    pub(crate) fn notify_folder(&self) -> Result<Option<OwnedFd>, Error> {
        match self.open_notify_folder() {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.failed("open the notify directory in", errno)),
        }
    }

    fn open_notify_folder(&self) -> Result<OwnedFd, Errno> {
        openat(
            &self.directory,
            NOTIFY,
            FOLDER | OFlag::O_NOFOLLOW,
            Mode::empty(),
        )
    }

    fn remove_notify_folder(&self) -> Result<(), Errno> {
        let missing_is_fine = |done| match done {
            Err(Errno::ENOENT) => Ok(()),
            done => done,
        };
        match self.open_notify_folder() {
            Ok(folder) => {
                missing_is_fine(unlinkat(&folder, NOTIFY_SOCKET, UnlinkatFlags::NoRemoveDir))?;
                missing_is_fine(unlinkat(&self.directory, NOTIFY, UnlinkatFlags::RemoveDir))
            }
            // Nothing of ours.
            Err(_) => Ok(()),
        }
    }

    /// The container is made: it waits for `start`.
    pub(crate) fn announce(&self) -> Result<(), Error> {
        renameat(&self.directory, FIFO_NEW, &self.directory, FIFO)
            .map_err(|errno| self.failed("write", errno))
    }

    /// The container was started by whoever made it.
    pub(crate) fn open_gate(&self) -> Result<(), Error> {
        self.unlink(FIFO_NEW)
            .map_err(|errno| self.failed("write", errno))
    }

    /// Opens the FIFO for `start`, and takes its name away: the container counts
    /// as started. ENXIO: nobody waits there any more.
    pub(crate) fn take_fifo(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fifo = openat(&self.directory, FIFO, flags, Mode::empty())?;
        self.unlink(FIFO)?;
        Ok(fifo)
    }

    /// How far the container is.
    pub(crate) fn gate(&self) -> Result<Gate, Errno> {
        let there = |name| match fstatat(&self.directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(errno),
        };
        Ok(if there(FIFO)? {
            Gate::Waiting
        } else if there(FIFO_NEW)? {
            Gate::InTheMaking
        } else {
            Gate::Open
        })
    }

    fn unlink(&self, name: &CStr) -> Result<(), Errno> {
        match unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Removes the directory with what we put there; a file of another's stays,
    /// and is named.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        let failed = |errno| self.failed("remove", errno);
        let own = name(&self.id)?;
        let mut done = Err(Errno::ENOTEMPTY);
        // What a command that was killed may have left as well comes after the rest.
        for names in [&[RECORD, TENANT][..], &[RECORD_NEW, FIFO, FIFO_NEW]] {
            if done == Err(Errno::ENOTEMPTY) {
                if names.contains(&FIFO) {
                    self.remove_notify_folder().map_err(failed)?;
                }
                for name in names {
                    self.unlink(name).map_err(failed)?;
                }
                done = unlinkat(&*self.root, own.as_c_str(), UnlinkatFlags::RemoveDir);
            }
        }
        match done {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }
}

pub(super) fn parse_tenant(bytes: &[u8]) -> Result<(Remains, TenantFacts), String> {
    let rest = bytes
        .strip_prefix(TENANT_MARK)
        .ok_or("another version of lodge, or nobody, wrote it")?;
    postcard::from_bytes(rest).map_err(|error| error.to_string())
}

fn name(id: &ContainerId) -> Result<CString, Error> {
    c_path(id.as_str().as_ref())
        .map_err(|errno| StepError::new("use", format!("id {id}"), errno).into())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{StateDir, TENANT, TENANT_MARK};
    use crate::cgroups::{CgroupRecord, RecordedHierarchy};
    use crate::container::{ContainerId, StateRoot};
    use crate::plan::{CheckpointFacts, TenantFacts};
    use crate::state::Remains;

    fn kept() -> (tempfile::TempDir, StateDir, Remains, TenantFacts) {
        let top = tempfile::tempdir().unwrap();
        let root = StateRoot::at(top.path());
        let dir = StateDir::create(&root, ContainerId::new("c1").unwrap()).unwrap();
        let remains = Remains {
            resctrl: None,
            host_mount: None,
            pid: 7,
            start: 99,
            cgroup: CgroupRecord {
                unit: None,
                hierarchies: vec![RecordedHierarchy {
                    controllers: vec![],
                    mount: "/sys/fs/cgroup".to_owned(),
                    path: "/c1".to_owned(),
                    made_parents: vec![],
                    made: true,
                }],
            },
            own_pid_namespace: true,
        };
        let facts = TenantFacts {
            namespaces: libc::CLONE_NEWPID,
            user_namespace: false,
            id_maps: None,
            keyring: Some("_ses.c1".to_owned()),
            seccomp: None,
            personality: None,
            memory_policy: None,
            checkpoint: CheckpointFacts::default(),
        };
        dir.write_tenant(&facts, &remains).unwrap();
        (top, dir, remains, facts)
    }

    #[test]
    fn what_exec_and_delete_need_is_read_as_written() {
        let (_top, dir, remains, facts) = kept();
        assert_eq!(dir.read_tenant().unwrap(), facts);
        assert_eq!(dir.read_remains(), Some(remains));
    }

    #[test]
    fn what_delete_needs_outlives_damage_after_it() {
        let (_top, dir, remains, _) = kept();
        let bytes = dir.read(TENANT).unwrap();
        dir.write(TENANT, bytes.get(..bytes.len() - 4).unwrap())
            .unwrap();
        assert!(dir.read_tenant().is_err());
        assert_eq!(dir.read_remains(), Some(remains));
    }

    #[test]
    fn another_version_is_not_guessed_at() {
        let (_top, dir, _, _) = kept();
        let mut bytes = dir.read(TENANT).unwrap();
        *bytes.get_mut(TENANT_MARK.len() - 1).unwrap() += 1;
        dir.write(TENANT, &bytes).unwrap();
        assert!(dir.read_tenant().is_err());
        assert_eq!(dir.read_remains(), None);
    }
}
