//! `checkpoint`.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::delete;
use super::images::{Images, check_parent};
use super::load::Loaded;
use super::request::CheckpointRequest;
use crate::Result;
use crate::container::{Caller, StateRoot, Status};
use crate::criu::{self, Criu, Dump, Features, Step, Task, Version};
use crate::error::{Error, ErrorKind, StepError};
use crate::namespaces::Kind;
use crate::plan::CheckpointFacts;
use crate::sys::Errno;
use crate::sys::fd;

/// The name of CRIU's log.
const LOG: &str = "dump.log";

/// The annotation that names a configuration of CRIU's.
pub(super) const CONFIG: &str = "org.criu.config";

/// Writes a container's processes to images, and removes the container unless it
/// is to be left running.
///
/// # Errors
/// `NotFound`, `WrongStatus`, `Unsupported` without a CRIU that can do it, or what
/// CRIU failed at; the container goes on then.
pub fn checkpoint(root: &StateRoot, id: &str, request: &CheckpointRequest) -> Result<()> {
    warn_of_rootless("checkpoint");
    let mut loaded = Loaded::find_to_change(root, id)?;
    match loaded.status {
        Status::Running | Status::Paused => {}
        status @ (Status::Created | Status::Stopped | Status::Creating) => {
            return Err(Error::new(
                ErrorKind::WrongStatus,
                format!("Container cannot be checkpointed in {status} state"),
            ));
        }
    }
    let images = Images::make(&request.image_path, request.work_path.as_deref())?;
    let parent = match &request.parent_path {
        Some(parent) => Some(check_parent(&images.path, parent)?),
        None => None,
    };
    let criu = Criu::start()?;
    let version = criu.version()?;
    log::debug!("using criu {version}");
    version.needs(Version::FIRST, "checkpoint")?;
    request.settings.check(version)?;
    let mut status = status_fd(request, version)?;
    needs_features(&criu, request)?;
    let task = if request.pre_dump {
        Task::PreDump
    } else {
        Task::Dump
    };
    let ours = std::path::Path::new(criu::OUR_CONFIG).exists();
    let annotation = loaded.record.annotations.get(CONFIG).map(String::as_str);
    let mut dump = Dump {
        files: images.files(LOG, criu::config_file(annotation, ours)),
        settings: &request.settings,
        pid: loaded.record.pid,
        root: loaded.record.rootfs.to_string_lossy().into_owned(),
        freezer: loaded
            .record
            .cgroup
            .freezer_folder(version >= Version::FREEZER_V2),
        mounts: Vec::new(),
        masked: Vec::new(),
        namespaces: Vec::new(),
        parent,
        leave_running: request.leave_running,
        tcp_skip_in_flight: request.tcp_skip_in_flight,
        link_remap: request.link_remap,
        page_server: request.page_server.as_ref(),
    };
    let facts = loaded.dir.read_tenant()?.checkpoint;
    dump.namespaces = external_namespaces(dump.pid, &facts, version)?;
    if task == Task::Dump {
        dump.mounts = criu::resolve_in(dump.pid, &facts.outside)?;
        dump.masked = criu::masked_files(dump.pid, &facts.masked)?;
        criu::write_descriptors(&images.path, dump.pid)?;
    }
    let done = criu.carry_out(task, dump.options(), &images.log_path(LOG), &mut |step| {
        if let Step::StatusReady = step
            && let Some(fd) = status.take()
        {
            tell(&fd);
        }
        Ok(())
    });
    if let Err(error) = done {
        let_go_on(&loaded);
        return Err(error);
    }
    if task == Task::Dump && !request.leave_running {
        let Loaded { dir, record, .. } = &mut loaded;
        delete::destroy(dir, record, None)?;
    }
    Ok(())
}

/// CRIU without power over the host is not what engines rely on.
pub(super) fn warn_of_rootless(command: &str) {
    let caller = Caller::probe();
    if caller.euid != 0 || caller.in_user_namespace {
        log::warn!("{command} is untested with rootless containers");
    }
}

fn needs_features(criu: &Criu, request: &CheckpointRequest) -> Result<()> {
    let asked = Features {
        mem_track: request.pre_dump.then_some(true),
        lazy_pages: request.settings.lazy_pages.then_some(true),
    };
    if asked == Features::default() {
        return Ok(());
    }
    let found = criu.features(asked)?;
    log::debug!("criu has {found:?}");
    let missing: Vec<&str> = [
        (
            "memory tracking (soft-dirty)",
            asked.mem_track,
            found.mem_track,
        ),
        (
            "lazy pages (userfaultfd)",
            asked.lazy_pages,
            found.lazy_pages,
        ),
    ]
    .into_iter()
    .filter(|(_, asked, found)| asked.is_some() && *found != Some(true))
    .map(|(name, _, _)| name)
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("criu is missing features: {}", missing.join(", ")),
    ))
}

/// Namespaces that the container joined stay as they are. Their inode is that of
/// the init's own: the path may lead elsewhere by now.
fn external_namespaces(pid: i32, facts: &CheckpointFacts, version: Version) -> Result<Vec<String>> {
    let kinds = [
        (Kind::Network, Version::EXTERNAL_NETWORK),
        (Kind::Pid, Version::EXTERNAL_PID),
    ];
    let joined = kinds
        .into_iter()
        .filter(|(kind, _)| facts.joined & kind.flag() != 0);
    joined
        .map(|(kind, least)| {
            let what = format!("a {} namespace that was joined", kind.name());
            version.needs(least, &what)?;
            let inode = inode(pid, kind)?;
            Ok(criu::external_namespace(kind.file(), inode))
        })
        .collect()
}

/// The number of a process's namespace.
pub(super) fn inode(pid: i32, kind: Kind) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let path = format!("/proc/{pid}/ns/{}", kind.file());
    let found = std::fs::metadata(&path).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        StepError::new("look at", path, errno)
    })?;
    Ok(found.ino())
}

/// The caller's descriptor for the byte that says that pages can be fetched.
fn status_fd(request: &CheckpointRequest, version: Version) -> Result<Option<OwnedFd>> {
    let Some(number) = request.status_fd.filter(|_| request.settings.lazy_pages) else {
        return Ok(None);
    };
    let refuse = |reason: &str| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("invalid --status-fd argument {number}: {reason}"),
        )
    };
    version.needs(Version::STATUS_READY, "--status-fd")?;
    if RawFd::is_negative(number) || !fd::is_inherited(number) {
        return Err(refuse("bad file descriptor"));
    }
    let owned = fd::inherited(number);
    let flags = fcntl(&owned, FcntlArg::F_GETFL).unwrap_or_default();
    let mode = OFlag::from_bits_retain(flags) & OFlag::O_ACCMODE;
    if mode == OFlag::O_RDONLY {
        return Err(refuse("not writable"));
    }
    fd::set_cloexec(owned.as_fd(), true).map_err(|_| refuse("bad file descriptor"))?;
    Ok(Some(owned))
}

fn tell(status: &OwnedFd) {
    if let Err(errno) = nix::unistd::write(status, &[0]) {
        let number = format!("status fd {}", status.as_raw_fd());
        log::warn!("{}", StepError::new("write to", number, errno));
    }
}

/// A CRIU that came to harm may have left the container frozen.
fn let_go_on(loaded: &Loaded) {
    if loaded.status != Status::Running {
        return;
    }
    let thawed = loaded.record.cgroup.open().and_then(|cgroup| {
        if cgroup.is_frozen()? {
            cgroup.thaw()?;
        }
        Ok(())
    });
    if let Err(error) = thawed {
        log::warn!("{error}");
    }
}
