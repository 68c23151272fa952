//! The directories of a checkpoint: its images, and CRIU's log.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::criu::Files;
use crate::error::{Error, ErrorKind, StepError};
use crate::sys::Errno;
use crate::sys::open::open;

/// Both directories, open: CRIU finds them by our descriptors.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) path: PathBuf,
    directory: OwnedFd,
    work: Option<(PathBuf, OwnedFd)>,
}

impl Images {
    /// Directories to be written to, made when they are missing.
    pub(super) fn make(path: &Path, work: Option<&Path>) -> Result<Self, Error> {
        make_directory(path)?;
        Self::open(path, work)
    }

    /// Images to be read; the log's directory is made when it is missing.
    pub(super) fn open(path: &Path, work: Option<&Path>) -> Result<Self, Error> {
        let directory = open_directory(path)?;
        let work = match work {
            Some(work) => {
                make_directory(work)?;
                Some((work.to_owned(), open_directory(work)?))
            }
            None => None,
        };
        Ok(Self {
            path: path.to_owned(),
            directory,
            work,
        })
    }

    /// As CRIU is told of them.
    pub(super) fn files<'a>(&self, log: &'a str, config: Option<&'a str>) -> Files<'a> {
        Files {
            images: self.directory.as_raw_fd(),
            work: self.work.as_ref().map(|(_, work)| work.as_raw_fd()),
            log,
            config,
        }
    }

    /// Where CRIU's log is.
    pub(super) fn log_path(&self, log: &str) -> PathBuf {
        let directory = self.work.as_ref().map_or(&self.path, |(path, _)| path);
        directory.join(log)
    }
}

/// Older images are named from the new ones: that link is in the images.
pub(super) fn check_parent(images: &Path, parent: &Path) -> Result<String, Error> {
    let refuse = |text: String| Error::new(ErrorKind::InvalidConfig, text);
    if parent.is_absolute() {
        return Err(refuse("--parent-path must be relative".to_owned()));
    }
    let whole = images.join(parent);
    let found = std::fs::metadata(&whole).and_then(|found| {
        if found.is_dir() {
            Ok(())
        } else {
            Err(std::io::Error::from_raw_os_error(libc::ENOTDIR))
        }
    });
    found.map_err(|error| {
        let failed = StepError::new("open", whole.display().to_string(), errno(&error));
        refuse(format!("invalid --parent-path: {failed}"))
    })?;
    let text = parent.to_str().map(str::to_owned);
    text.ok_or_else(|| refuse("invalid --parent-path: it is no UTF-8".to_owned()))
}

/// For root alone: memory is in it.
fn make_directory(path: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| StepError::new("make", path.display().to_string(), errno(&error)).into())
}

fn open_directory(path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty())
        .map_err(|errno| StepError::new("open", path.display().to_string(), errno).into())
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Images, check_parent};
    use std::path::Path;

    #[test]
    fn parents_are_relative_directories() {
        let top = tempfile::tempdir().unwrap();
        let images = top.path().join("images");
        std::fs::create_dir_all(&images).unwrap();
        std::fs::create_dir(top.path().join("parent")).unwrap();
        std::fs::write(top.path().join("file"), "").unwrap();
        let check = |parent: &str| check_parent(&images, Path::new(parent));
        assert_eq!(check("../parent").unwrap(), "../parent");
        for (parent, word) in [
            ("/tmp", "must be relative"),
            ("../none", "no such file or directory"),
            ("../file", "not a directory"),
        ] {
            let text = check(parent).unwrap_err().to_string();
            assert!(
                text.contains("--parent-path") && text.contains(word),
                "{text}"
            );
        }
    }

    #[test]
    fn images_to_be_read_are_there() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("a/b");
        assert!(Images::open(&path, None).is_err());
        let made = Images::make(&path, Some(&top.path().join("w"))).unwrap();
        let files = made.files("x.log", None);
        assert!(files.work.is_some_and(|work| work != files.images));
        assert!(Images::open(&path, None).is_ok());
    }
}
