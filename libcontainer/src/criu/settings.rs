//! What a dump and a restore have in common.

use std::os::fd::RawFd;

use super::messages::Options;
use super::version::Version;
use crate::error::Error;

/// What CRIU does about the cgroups of the processes (criu(8), `--manage-cgroups`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CgroupsMode {
    /// As CRIU has it.
    #[default]
    Default,
    /// Cgroups and their properties are restored where they are missing.
    Soft,
    /// They are restored.
    Full,
    /// None of them may be there.
    Strict,
    /// They are left alone.
    Ignore,
}

impl CgroupsMode {
    /// The mode of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "" => Self::Default,
            "soft" => Self::Soft,
            "full" => Self::Full,
            "strict" => Self::Strict,
            "ignore" => Self::Ignore,
            _ => return None,
        })
    }

    const fn number(self) -> u32 {
        match self {
            Self::Ignore => 0,
            Self::Soft => 3,
            Self::Full => 4,
            Self::Strict => 5,
            Self::Default => 6,
        }
    }
}

/// How CRIU keeps packets away while sockets change hands (criu(8),
/// `--network-lock`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkLock {
    /// By iptables(8).
    Iptables,
    /// By nft(8).
    Nftables,
    /// Not at all.
    Skip,
}

impl NetworkLock {
    /// The method of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "iptables" => Self::Iptables,
            "nftables" => Self::Nftables,
            "skip" => Self::Skip,
            _ => return None,
        })
    }

    const fn needs(self) -> (Version, &'static str) {
        match self {
            Self::Iptables => (Version::FIRST, "--network-lock iptables"),
            Self::Nftables => (Version::NFTABLES, "--network-lock nftables"),
            Self::Skip => (Version::NO_NETWORK_LOCK, "--network-lock skip"),
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::Iptables => 1,
            Self::Nftables => 2,
            Self::Skip => 3,
        }
    }
}

/// What a dump and a restore are both told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Keep established TCP connections.
    pub tcp_established: bool,
    /// Allow UNIX sockets that lead out of the container.
    pub ext_unix_sk: bool,
    /// Allow a session or process group of the caller's.
    pub shell_job: bool,
    /// Keep file locks.
    pub file_locks: bool,
    /// Drop pages from parent images that newer ones replace.
    pub auto_dedup: bool,
    /// Bring memory pages when they are first used (userfaultfd(2)).
    pub lazy_pages: bool,
    /// What happens to the cgroups of the processes.
    pub cgroups: CgroupsMode,
    /// How packets are kept away meanwhile.
    pub network_lock: Option<NetworkLock>,
}

impl Settings {
    /// Refuses a CRIU that is too old for them.
    pub(crate) fn check(&self, version: Version) -> Result<(), Error> {
        let Some(lock) = self.network_lock else {
            return Ok(());
        };
        let (least, what) = lock.needs();
        version.needs(least, what)
    }
}

/// The files that CRIU works with; it opens the directories by our numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) images: RawFd,
    /// Where the log goes; none: to the images.
    pub(crate) work: Option<RawFd>,
    pub(crate) log: &'a str,
    /// A configuration of CRIU's that counts more than what we say.
    pub(crate) config: Option<&'a str>,
}

/// As verbose as a failure needs.
const LOG_LEVEL: i32 = 4;

/// What stands in every request.
pub(super) fn common(files: &Files<'_>, settings: &Settings) -> Options {
    Options {
        images_dir_fd: files.images,
        work_dir_fd: files.work,
        log_level: Some(LOG_LEVEL),
        log_file: Some(files.log.to_owned()),
        config_file: files.config.map(str::to_owned),
        notify_scripts: Some(true),
        orphan_pts_master: Some(true),
        manage_cgroups: Some(true),
        manage_cgroups_mode: Some(settings.cgroups.number()),
        tcp_established: Some(settings.tcp_established),
        ext_unix_sk: Some(settings.ext_unix_sk),
        shell_job: Some(settings.shell_job),
        file_locks: Some(settings.file_locks),
        auto_dedup: Some(settings.auto_dedup),
        lazy_pages: Some(settings.lazy_pages),
        network_lock: settings.network_lock.map(NetworkLock::number),
        // Interfaces and addresses are whoever's who set them up.
        empty_ns: Some(NEW_NETWORK),
        ..Options::default()
    }
}

/// `CLONE_NEWNET`.
const NEW_NETWORK: u32 = 0x4000_0000;

/// CRIU's configuration for us: what the container's annotation names, nothing
/// where that is empty, else that of this program or of the one that it stands in
/// for.
pub(crate) fn config_file(annotation: Option<&str>, ours_is_there: bool) -> Option<&str> {
    match annotation {
        Some("") => None,
        Some(path) => Some(path),
        None if ours_is_there => Some(OUR_CONFIG),
        None => Some("/etc/criu/runc.conf"),
    }
}

/// CRIU's configuration for this program.
pub(crate) const OUR_CONFIG: &str = "/etc/criu/lodge.conf";

#[cfg(test)]
mod tests {
    use super::{CgroupsMode, Files, NEW_NETWORK, NetworkLock, Settings, common, config_file};

    #[test]
    fn the_annotation_counts_most() {
        assert_eq!(config_file(Some("/x"), true), Some("/x"));
        assert_eq!(config_file(Some(""), true), None);
        assert_eq!(config_file(None, true), Some("/etc/criu/lodge.conf"));
        assert_eq!(config_file(None, false), Some("/etc/criu/runc.conf"));
    }

    #[test]
    fn words_have_their_numbers() {
        let number = |word| CgroupsMode::of(word).map(CgroupsMode::number);
        assert_eq!(
            ["ignore", "soft", "full", "strict", "", "none"].map(number),
            [Some(0), Some(3), Some(4), Some(5), Some(6), None]
        );
        let number = |word| NetworkLock::of(word).map(NetworkLock::number);
        assert_eq!(
            ["iptables", "nftables", "skip", ""].map(number),
            [Some(1), Some(2), Some(3), None]
        );
    }

    #[test]
    fn every_request_says_where_and_how() {
        let files = Files {
            images: 7,
            work: Some(8),
            log: "dump.log",
            config: Some("/c"),
        };
        let settings = Settings {
            tcp_established: true,
            file_locks: true,
            cgroups: CgroupsMode::Ignore,
            ..Settings::default()
        };
        let options = common(&files, &settings);
        assert_eq!((options.images_dir_fd, options.work_dir_fd), (7, Some(8)));
        assert_eq!(options.log_file.as_deref(), Some("dump.log"));
        assert_eq!(options.config_file.as_deref(), Some("/c"));
        assert_eq!(options.notify_scripts, Some(true));
        assert_eq!(options.manage_cgroups_mode, Some(0));
        assert_eq!(options.tcp_established, Some(true));
        assert_eq!(options.ext_unix_sk, Some(false));
        assert_eq!(options.network_lock, None);
        assert_eq!(i64::from(NEW_NETWORK), i64::from(libc::CLONE_NEWNET));
    }
}
