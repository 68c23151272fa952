//! The directory under which containers are kept.

use std::path::{Path, PathBuf};

/// Where the records of containers are: one directory a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRoot {
    path: PathBuf,
    explicit: bool,
}

impl StateRoot {
    /// A directory that the caller named (`--root`).
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            explicit: true,
        }
    }

    /// The default directory, which need not exist before the first container.
    pub fn default_at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            explicit: false,
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the caller named it: then a missing one is an error to `list`.
    #[must_use]
    pub fn is_explicit(&self) -> bool {
        self.explicit
    }
}
