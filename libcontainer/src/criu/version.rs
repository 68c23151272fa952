//! Which CRIU it is.

use std::fmt;

use super::messages::VersionNumbers;
use crate::error::{Error, ErrorKind};

/// A version of CRIU: two digits each for major, minor and sublevel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(i32);

impl Version {
    /// The first that tells its version.
    pub(crate) const FIRST: Self = Self(3_00_00);
    /// The first that keeps a network namespace that it is told of.
    pub(crate) const EXTERNAL_NETWORK: Self = Self(3_11_00);
    /// The first that freezes by cgroup v2, and that restores into a time
    /// namespace.
    pub(crate) const FREEZER_V2: Self = Self(3_14_00);
    /// The first that keeps a pid namespace that it is told of.
    pub(crate) const EXTERNAL_PID: Self = Self(3_15_00);
    /// The first that notifies of pages that are ready to be fetched.
    pub(crate) const STATUS_READY: Self = Self(3_15_00);
    /// The first that takes another LSM profile than the images'.
    pub(crate) const LSM: Self = Self(3_16_00);

    /// The first that has a choice how packets are kept away.
    pub(crate) const NFTABLES: Self = Self(3_16_00);
    /// The first that can be told to keep none away.
    pub(crate) const NO_NETWORK_LOCK: Self = Self(3_19_00);

    pub(super) fn of(numbers: &VersionNumbers) -> Self {
        let sublevel = match numbers.git_id.as_deref() {
            None | Some("" | "0") => numbers.sublevel.unwrap_or_default(),
            // Built between two releases: what the next one has is there.
            Some(_) => 99,
        };
        let two = |number: i32| number.clamp(0, 99);
        Self(two(numbers.major) * 1_00_00 + two(numbers.minor) * 1_00 + two(sublevel))
    }

    /// Refuses one that is older.
    pub(crate) fn needs(self, least: Self, what: &str) -> Result<(), Error> {
        if self >= least {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("criu {self} is too old: {what} needs criu {least} or newer"),
        ))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 1_00_00, self.0 / 1_00 % 1_00)?;
        match self.0 % 1_00 {
            0 => Ok(()),
            sublevel => write!(f, ".{sublevel}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Version, VersionNumbers};

    fn version(major: i32, minor: i32, sublevel: Option<i32>, git: Option<&str>) -> Version {
        Version::of(&VersionNumbers {
            major,
            minor,
            sublevel,
            git_id: git.map(str::to_owned),
        })
    }

    #[test]
    fn versions_are_ordered_and_shown() {
        assert!(version(3, 9, Some(7), None) < Version::EXTERNAL_NETWORK);
        assert!(version(4, 1, None, None) > Version::LSM);
        assert_eq!(version(3, 17, Some(1), Some("0")).to_string(), "3.17.1");
        assert_eq!(version(4, 1, None, None).to_string(), "4.1");
        assert!(version(3, 15, None, Some("v3.15-80")) > version(3, 15, Some(2), None));
    }

    #[test]
    fn an_old_one_is_refused_in_one_line() {
        let refused = version(2, 12, None, None).needs(Version::FIRST, "checkpoint");
        assert_eq!(
            refused.err().map(|error| error.to_string()),
            Some("criu 2.12 is too old: checkpoint needs criu 3.0 or newer".to_owned())
        );
        assert!(version(3, 0, None, None).needs(Version::FIRST, "x").is_ok());
    }
}
