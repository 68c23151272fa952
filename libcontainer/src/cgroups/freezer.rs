//! Freezing the container's processes.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::parse;
use super::parse::{keyed, word};
use super::record::{Cgroup, RecordedHierarchy};
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// How deep sub-cgroups are followed; the kernel's paths end before.
const DEEPEST: usize = 512;

/// Which hierarchy freezes.
enum Freezer<'a> {
    V1(&'a RecordedHierarchy),
    V2(&'a RecordedHierarchy),
}

impl Cgroup {
    /// v1's freezer where it is mounted, else v2's, which is there on hybrid
    /// hosts too.
    fn freezer(&self) -> Option<Freezer<'_>> {
        self.v1("freezer")
            .map(Freezer::V1)
            .or_else(|| self.v2().map(Freezer::V2))
    }

    fn freezer_wanted(&self) -> Result<Freezer<'_>, StepError> {
        self.freezer().ok_or_else(|| {
            let reason = "cannot toggle freezer: cgroups not configured for container";
            StepError::refused("freeze", "the container", reason)
        })
    }

    /// Stops every process of the cgroup. On failure they go on.
    pub fn freeze(&self, deadline: Instant) -> Result<(), StepError> {
        let (folder, result) = match self.freezer_wanted()? {
            Freezer::V1(tree) => (tree.folder(), freeze_v1(tree, deadline)),
            Freezer::V2(tree) => (tree.folder(), freeze_v2(tree, deadline)),
        };
        result.map_err(|errno| {
            if let Err(error) = self.thaw() {
                log::warn!("{error}");
            }
            StepError::new("freeze", folder, errno)
        })
    }

    /// Lets the processes go on.
    pub fn thaw(&self) -> Result<(), StepError> {
        let (file, value) = match self.freezer_wanted()? {
            Freezer::V1(tree) => (tree.file("freezer.state"), "THAWED"),
            Freezer::V2(tree) => (tree.file("cgroup.freeze"), "0"),
        };
        small_file::write(&file, value).map_err(|errno| StepError::new("thaw", file, errno))
    }

    /// Thaws another v1 cgroup that holds a killed process of ours frozen, and so
    /// keeps it from dying: somebody moved it there. Only one that holds nothing
    /// else is touched. Gives that cgroup's folder, for messages.
    pub fn thaw_holder_of(&self, pid: i32) -> Option<String> {
        let tree = self.v1("freezer")?;
        let text = small_file::read_proc(&format!("/proc/{pid}/cgroup")).ok()?;
        let holder = parse::memberships(&text)
            .into_iter()
            .find(|it| it.controllers.iter().any(|name| name == "freezer"))?;
        let folder = format!("{}{}", tree.mount, holder.path);
        if holder.path == tree.path || holder.path.contains("..") {
            return None;
        }
        let tasks = small_file::read(&format!("{folder}/cgroup.procs")).ok()?;
        let alone = std::str::from_utf8(&tasks).is_ok_and(|text| text.trim() == pid.to_string());
        if alone {
            let file = format!("{folder}/freezer.state");
            if let Err(errno) = small_file::write(&file, "THAWED") {
                log::warn!("{}", StepError::new("thaw", file, errno));
            }
        }
        Some(folder)
    }

    /// Thaws the v1 cgroup and all below it, so that SIGKILL reaches also a
    /// process that the container itself has frozen in a sub-cgroup.
    pub(super) fn thaw_all_v1(&self) {
        let Some(tree) = self.v1("freezer") else {
            return;
        };
        if let Ok(folder) = small_file::open_folder(&tree.folder()) {
            thaw_below(&folder, DEEPEST);
        }
    }

    /// Whether this cgroup, not merely an ancestor, is frozen. Without a freezer,
    /// or without the cgroup, nothing is.
    pub fn is_frozen(&self) -> Result<bool, StepError> {
        match self.freezer() {
            None => Ok(false),
            Some(Freezer::V1(tree)) => is_frozen(Some(&tree.folder()), None),
            Some(Freezer::V2(tree)) => is_frozen(None, Some(&tree.folder())),
        }
    }
}

/// The same of a cgroup by its folders, as other commands left them: in v1's freezer,
/// and in v2, which counts where there is no other.
pub(crate) fn is_frozen(v1: Option<&str>, v2: Option<&str>) -> Result<bool, StepError> {
    let (folder, frozen) = match (v1, v2) {
        (Some(folder), _) => (folder, is_frozen_v1(folder)),
        (None, Some(folder)) => {
            let text = small_file::read(&format!("{folder}/cgroup.freeze"));
            (folder, text.map(|text| word(&text) == "1"))
        }
        (None, None) => return Ok(false),
    };
    match frozen {
        Err(Errno::ENOENT | Errno::ENODEV) => Ok(false),
        result => result.map_err(|errno| StepError::new("read the freezer of", folder, errno)),
    }
}

fn thaw_below(folder: &OwnedFd, depth: usize) {
    if let Err(errno) = small_file::write_at(folder, "freezer.state", "THAWED") {
        log::debug!("{}", StepError::new("thaw", "a cgroup", errno));
    }
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for name in small_file::folders(folder).unwrap_or_default() {
        if let Ok(sub) = small_file::open_folder_at(folder, &name) {
            thaw_below(&sub, depth);
        }
    }
}

fn is_frozen_v1(folder: &str) -> Result<bool, Errno> {
    match word(&small_file::read(&format!("{folder}/freezer.state"))?) {
        "THAWED" => Ok(false),
        // FROZEN, or FREEZING on the way there: by itself, or by an ancestor?
        _ => match small_file::read(&format!("{folder}/freezer.self_freezing")) {
            Ok(text) => Ok(word(&text) == "1"),
            Err(Errno::ENOENT) => Ok(true),
            Err(errno) => Err(errno),
        },
    }
}

/// New processes keep a v1 freezer in FREEZING; writing again catches them, and
/// a short thaw now and then lets those finish that hold up the others.
fn freeze_v1(tree: &RecordedHierarchy, deadline: Instant) -> Result<(), Errno> {
    const ROUNDS_A_PULSE: u32 = 50;
    let file = tree.file("freezer.state");
    let mut round = 0_u32;
    loop {
        small_file::write(&file, "FROZEN")?;
        if word(&small_file::read(&file)?) == "FROZEN" {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Errno::ETIMEDOUT);
        }
        round = round.wrapping_add(1);
        if round.is_multiple_of(ROUNDS_A_PULSE) {
            small_file::write(&file, "THAWED")?;
            std::thread::sleep(Duration::from_millis(10));
        } else if round > 5 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn freeze_v2(tree: &RecordedHierarchy, deadline: Instant) -> Result<(), Errno> {
    let events = tree.file("cgroup.events");
    small_file::write(&tree.file("cgroup.freeze"), "1")?;
    loop {
        let file = small_file::open_to_read(&events)?;
        let text = small_file::read_rest(&file)?;
        if keyed(&text, "frozen") == Some(1) {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Errno::ETIMEDOUT);
        }
        let left = u16::try_from(left.as_millis())
            .unwrap_or(u16::MAX)
            .clamp(1, 1000);
        small_file::wait_for_change(&file, left)?;
    }
}
