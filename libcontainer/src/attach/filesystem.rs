//! File systems: made detached, then moved to their place.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use super::attributes::mount_flags;
use super::is_missing;
use super::place::in_place;
use crate::sys::fd::leave_to_sweep;
use crate::sys::mount::{
    fsconfig_create, fsconfig_flag, fsconfig_string, fsmount, fsopen, move_mount,
};
use crate::sys::{Errno, Result};

/// The longest value that fsconfig(2) takes.
const MAX_VALUE: usize = 255;

/// A parameter of a file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub key: String,
    /// Its value; none for one that stands alone.
    pub value: Option<String>,
}

impl Parameter {
    /// Whether it is one of the labels that `SELinux` gives to a file system
    /// (mount(8), "context=").
    #[must_use]
    pub fn is_label(&self) -> bool {
        matches!(
            self.key.as_str(),
            "context" | "fscontext" | "defcontext" | "rootcontext"
        )
    }

    /// The value for fsconfig(2), which takes it as it is.
    fn plain(&self) -> Option<String> {
        let value = self.value.as_ref()?;
        Some(if self.is_label() {
            value.trim_matches('"').to_owned()
        } else {
            // The comma that was kept needs no protection there.
            value.replace("\\,", ",")
        })
    }

    /// As mount(2) takes it, where a label with commas stands in quotes.
    fn in_a_list(&self) -> String {
        match &self.value {
            None => self.key.clone(),
            Some(value) if self.is_label() => {
                format!("{}=\"{}\"", self.key, value.trim_matches('"'))
            }
            Some(value) => format!("{}={value}", self.key),
        }
    }
}

/// A file system to be made.
#[derive(Debug)]
pub(crate) struct FileSystem<'a> {
    pub(crate) fs_type: &'a CStr,
    pub(crate) source: &'a CStr,
    pub(crate) parameters: &'a [Parameter],
    /// `MOUNT_ATTR_*` of the mount.
    pub(crate) attributes: u64,
}

/// Why none was made.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) errno: Errno,
    /// What the file system said of it, or nothing.
    pub(crate) said: String,
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self {
            errno,
            said: String::new(),
        }
    }
}

impl FileSystem<'_> {
    /// Makes it on `target` and gives its root.
    pub(crate) fn attach(&self, target: BorrowedFd<'_>) -> std::result::Result<OwnedFd, Refused> {
        let Some(made) = self.detached()? else {
            return Ok(self.by_mount(target)?);
        };
        match move_mount(made.as_fd(), target) {
            Ok(()) => Ok(made),
            Err(errno) if is_missing(errno) => {
                drop(made);
                Ok(self.by_mount(target)?)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes it detached (fsopen(2), Linux 5.2); none where there is no such call
    /// here, or a parameter that it cannot take: mount(2) can.
    fn detached(&self) -> std::result::Result<Option<OwnedFd>, Refused> {
        let long = |it: &Parameter| {
            it.value.as_ref().is_some_and(|value| value.len() > MAX_VALUE)
                // Flags of mount(2) that fsconfig(2) has no word for.
                || matches!(it.key.as_str(), "silent" | "iversion")
        };
        if self.parameters.iter().any(long) {
            return Ok(None);
        }
        let fs = match fsopen(self.fs_type) {
            Err(errno) if is_missing(errno) => return Ok(None),
            opened => opened?,
        };
        let made = self.configured(fs.as_fd());
        match made {
            Ok(made) => {
                leave_to_sweep(fs);
                Ok(Some(made))
            }
            Err(Errno::ENOSYS) => Ok(None),
            Err(errno) => Err(Refused {
                errno,
                said: complaint(fs.as_fd()),
            }),
        }
    }

    fn configured(&self, fs: BorrowedFd<'_>) -> Result<OwnedFd> {
        if !self.source.is_empty() {
            fsconfig_string(fs, c"source", self.source)?;
        }
        for parameter in self.parameters {
            set(fs, parameter)?;
        }
        fsconfig_create(fs)?;
        fsmount(fs, self.attributes)
    }

    /// Makes it in its place (mount(2)).
    fn by_mount(&self, target: BorrowedFd<'_>) -> Result<OwnedFd> {
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
                _ => data.push(parameter.in_a_list()),
            }
        }
        let data = CString::new(data.join(",")).map_err(|_| Errno::EINVAL)?;
        in_place(target, self.source, Some(self.fs_type), flags, Some(&data))
    }
}

fn set(fs: BorrowedFd<'_>, parameter: &Parameter) -> Result<()> {
    let key = CString::new(parameter.key.as_str()).map_err(|_| Errno::EINVAL)?;
    match parameter.plain() {
        None => fsconfig_flag(fs, &key),
        Some(value) => {
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::Parameter;

    fn parameter(key: &str, value: &str) -> Parameter {
        Parameter {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    #[test]
    fn commas_are_kept_in_each_call_in_its_own_way() {
        for given in ["u:r:t:s0:c1,c2", "\"u:r:t:s0:c1,c2\""] {
            let label = parameter("context", given);
            assert_eq!(label.plain().unwrap(), "u:r:t:s0:c1,c2");
            assert_eq!(label.in_a_list(), "context=\"u:r:t:s0:c1,c2\"");
        }
        let layer = parameter("lowerdir", "/a\\,b");
        assert_eq!(layer.plain().unwrap(), "/a,b");
        assert_eq!(layer.in_a_list(), "lowerdir=/a\\,b");
    }
}
