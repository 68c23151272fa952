//! File systems: made detached, then moved to their place.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sys::stat::{FileStat, fstat};

use super::apply::{Context, Made, attached, by_number, check_cover, describe, error};
use super::op::{MountKind, MountOp, Parameter, TmpfsMode};
use super::{bind, copy_up};
use crate::error::StepError;
use crate::path::{Missing, RootFd, is_directory_by};
use crate::sys::Errno;
use crate::sys::mount::{
    attr, fsconfig_create, fsconfig_flag, fsconfig_string, fsmount, fsopen, mount, move_mount,
};

/// The longest value that fsconfig(2) takes.
const MAX_VALUE: usize = 255;

pub(super) fn apply(op: &MountOp, context: &Context<'_>) -> Result<Made, StepError> {
    let MountKind::Filesystem {
        fs_type,
        source,
        parameters,
        mode,
        copy_up,
        plain_directory,
    } = &op.kind
    else {
        return Err(error("mount", op, Errno::EINVAL));
    };
    let target = target(op, context.root, *plain_directory)?;
    let over = check_cover(
        op,
        context.root,
        target.fd.as_fd(),
        target.was_there.as_ref(),
    )?;
    let mut parameters = parameters.clone();
    if let (TmpfsMode::OfDirectory, Some(stat)) = (mode, &target.was_there) {
        let mode = stat.st_mode & 0o7777;
        parameters.push(Parameter {
            key: "mode".to_owned(),
            value: Some(format!("{mode:o}")),
        });
    }
    let text = |text: &str| CString::new(text).map_err(|_| error("mount", op, Errno::EINVAL));
    let new = New {
        fs_type: &text(fs_type)?,
        source: &text(source)?,
        parameters: &parameters,
        attributes: op.attributes.set,
    };
    // The network namespace of a sysfs must belong to our user namespace; where it
    // does not, the host's is shown read-only.
    let foreign_sysfs = fs_type == "sysfs" && context.user_namespace;
    let host_sysfs = || {
        let root = bind::host_sysfs(op, target.fd.as_fd())?;
        Ok(Made { root, over })
    };
    match new.detached() {
        Ok(made) => {
            if *copy_up {
                copy_up::copy(target.fd.as_fd(), made.as_fd())
                    .map_err(|failed| failed.with_detail(describe(op)))?;
            }
            move_mount(made.as_fd(), target.fd.as_fd())
                .map_err(|errno| error("mount", op, errno))?;
            Ok(Made { root: made, over })
        }
        Err(Refusal::NoApi) => match new.attached(target.fd.as_fd()) {
            Ok(()) => {
                let made = attached(op, context.root, over)?;
                if *copy_up {
                    copy_up::copy(target.fd.as_fd(), made.as_fd())
                        .map_err(|failed| failed.with_detail(describe(op)))?;
                }
                Ok(Made { root: made, over })
            }
            // fsopen(2) refuses a sysfs with the same error as any file system.
            Err(Errno::EPERM) if foreign_sysfs => host_sysfs(),
            Err(errno) => Err(error("mount", op, errno)),
        },
        Err(Refusal::Kernel(Errno::EPERM, _)) if foreign_sysfs => host_sysfs(),
        Err(Refusal::Kernel(errno, said)) => {
            let failed = error("mount", op, errno);
            Err(if said.is_empty() {
                failed
            } else {
                failed.with_detail(said)
            })
        }
    }
}

struct Target {
    fd: OwnedFd,
    /// Its status; none when it was made.
    was_there: Option<FileStat>,
}

/// The directory to mount on, made when missing.
fn target(op: &MountOp, root: &RootFd, plain: bool) -> Result<Target, StepError> {
    let ordinary = || {
        StepError::refused(
            "mount",
            describe(op),
            format!(
                "filesystem {:?} must be mounted on ordinary directory",
                op.destination.to_string_lossy()
            ),
        )
    };
    let found = if plain {
        root.resolve_without_links(&op.destination)
    } else {
        root.resolve(&op.destination)
    };
    let (fd, was_there) = match found {
        Ok(fd) => (fd, true),
        Err(Errno::ENOENT) => {
            let made = root.make(&op.destination, Missing::Directory);
            let fd = made.map_err(|errno| error("make the mount point of", op, errno))?;
            (fd, false)
        }
        Err(Errno::ELOOP | Errno::ENOTDIR) if plain => return Err(ordinary()),
        Err(errno) => return Err(error("find the mount point of", op, errno)),
    };
    let was_there = if was_there {
        Some(fstat(&fd).map_err(|errno| error("look at", op, errno))?)
    } else {
        None
    };
    if plain
        && was_there
            .as_ref()
            .is_some_and(|stat| !is_directory_by(stat))
    {
        return Err(ordinary());
    }
    Ok(Target { fd, was_there })
}

/// A file system to be made.
pub(super) struct New<'a> {
    pub(super) fs_type: &'a CStr,
    pub(super) source: &'a CStr,
    pub(super) parameters: &'a [Parameter],
    /// `MOUNT_ATTR_*` of the mount.
    pub(super) attributes: u64,
}

/// Why none was made.
pub(super) enum Refusal {
    /// No such call here, or a parameter that it cannot take: mount(2) can.
    NoApi,
    /// The kernel's reason, and what the file system said of it.
    Kernel(Errno, String),
}

impl New<'_> {
    /// Makes it detached (fsopen(2), Linux 5.2).
    pub(super) fn detached(&self) -> Result<OwnedFd, Refusal> {
        let long = |it: &Parameter| {
            it.value.as_ref().is_some_and(|value| value.len() > MAX_VALUE)
                // Flags of mount(2) that fsconfig(2) has no word for.
                || matches!(it.key.as_str(), "silent" | "iversion")
        };
        if self.parameters.iter().any(long) {
            return Err(Refusal::NoApi);
        }
        let fs = fsopen(self.fs_type).map_err(|errno| {
            if matches!(errno, Errno::ENOSYS | Errno::EPERM) {
                Refusal::NoApi
            } else {
                Refusal::Kernel(errno, String::new())
            }
        })?;
        let said = |errno| Refusal::Kernel(errno, complaint(fs.as_fd()));
        if !self.source.is_empty() {
            fsconfig_string(fs.as_fd(), c"source", self.source).map_err(said)?;
        }
        for parameter in self.parameters {
            set(fs.as_fd(), parameter).map_err(said)?;
        }
        fsconfig_create(fs.as_fd()).map_err(said)?;
        fsmount(fs.as_fd(), self.attributes).map_err(said)
    }

    /// Makes it in its place (mount(2)).
    pub(super) fn attached(&self, target: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut flags = mount_flags(self.attributes);
        let mut data = Vec::new();
        for parameter in self.parameters {
            match (parameter.key.as_str(), &parameter.value) {
                ("silent", None) => flags |= libc::MS_SILENT,
                ("iversion", None) => flags |= libc::MS_I_VERSION,
                ("sync", None) => flags |= libc::MS_SYNCHRONOUS,
                ("dirsync", None) => flags |= libc::MS_DIRSYNC,
                ("mand", None) => flags |= libc::MS_MANDLOCK,
                ("lazytime", None) => flags |= libc::MS_LAZYTIME,
                ("async" | "nomand" | "nolazytime", None) => {}
                (key, None) => data.push(key.to_owned()),
                (key, Some(value)) => data.push(format!("{key}={value}")),
            }
        }
        let data = CString::new(data.join(",")).map_err(|_| Errno::EINVAL)?;
        mount(
            Some(self.source),
            &by_number(target),
            Some(self.fs_type),
            flags,
            Some(&data),
        )
    }
}

fn set(fs: BorrowedFd<'_>, parameter: &Parameter) -> Result<(), Errno> {
    let key = CString::new(parameter.key.as_str()).map_err(|_| Errno::EINVAL)?;
    match &parameter.value {
        None => fsconfig_flag(fs, &key),
        Some(value) => {
            // The comma that was kept needs no protection here.
            let value = value.replace("\\,", ",");
            let value = CString::new(value).map_err(|_| Errno::EINVAL)?;
            fsconfig_string(fs, &key, &value)
        }
    }
}

/// What the file system wrote into its context's log, without the level.
fn complaint(fs: BorrowedFd<'_>) -> String {
    let mut buffer = [0_u8; 256];
    match nix::unistd::read(fs, &mut buffer) {
        Ok(length) => {
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            let text = text.trim_end();
            text.strip_prefix("e ").unwrap_or(text).to_owned()
        }
        Err(_) => String::new(),
    }
}

/// The flags of mount(2) that stand for attributes.
pub(super) fn mount_flags(attributes: u64) -> libc::c_ulong {
    const FLAGS: [(u64, libc::c_ulong); 6] = [
        (attr::RDONLY, libc::MS_RDONLY),
        (attr::NOSUID, libc::MS_NOSUID),
        (attr::NODEV, libc::MS_NODEV),
        (attr::NOEXEC, libc::MS_NOEXEC),
        (attr::NODIRATIME, libc::MS_NODIRATIME),
        // MS_NOSYMFOLLOW, Linux 5.10; libc has no name for it everywhere.
        (attr::NOSYMFOLLOW, 0x100),
    ];
    let time = match attributes & attr::ATIME {
        attr::NOATIME => libc::MS_NOATIME,
        attr::STRICTATIME => libc::MS_STRICTATIME,
        _ => 0,
    };
    FLAGS
        .iter()
        .filter(|(attribute, _)| attributes & attribute != 0)
        .fold(time, |flags, (_, flag)| flags | flag)
}

/// A directory made in a file system of ours, by its name there.
pub(super) fn make_directory(parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    use nix::sys::stat::{Mode, mkdirat};
    let mode = Mode::from_bits_truncate(0o755);
    mkdirat(parent, Path::new(name), mode)
}
