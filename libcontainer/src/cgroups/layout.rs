//! Where this host has its cgroups: cgroup v2 alone, cgroup v1, or both
//! (hybrid).

use serde::{Deserialize, Serialize};

use super::parse;
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// Where cgroup v2 is mounted when it is alone.
const UNIFIED: &str = "/sys/fs/cgroup";

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// The v1 controllers, as `cpu` or `name=systemd`; none for v2.
    pub controllers: Vec<String>,
    /// The mount point.
    pub mount: String,
    /// Our own cgroup, from the mount point; absent when it is not below the
    /// mount's root or was not asked for.
    pub own: Option<String>,
}

impl Hierarchy {
    /// Whether this is cgroup v2.
    #[must_use]
    pub fn is_v2(&self) -> bool {
        self.controllers.is_empty()
    }

    /// Whether this v1 hierarchy has the controller.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }
}

/// How a container's device rules are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceEnforcement {
    /// By writes to the v1 controller's files.
    Files,
    /// By an eBPF program on the v2 cgroup.
    Program,
    /// Not at all: neither is there.
    Nothing,
}

/// The hierarchies of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// All that are mounted, v2 last.
    pub hierarchies: Vec<Hierarchy>,
}

impl Layout {
    /// Looks at this host. Our own cgroup on v2 is looked up only when
    /// `cgroups_path` needs it, so that a container with an absolute path costs
    /// one call.
    pub fn probe(cgroups_path: Option<&str>) -> Result<Self, StepError> {
        let relative = !cgroups_path.is_some_and(|path| path.starts_with('/'));
        let unified = small_file::file_system(UNIFIED)
            .is_ok_and(|kind| kind == nix::sys::statfs::CGROUP2_SUPER_MAGIC);
        let memberships = if unified && !relative {
            Vec::new()
        } else {
            let path = "/proc/self/cgroup";
            let text =
                small_file::read_proc(path).map_err(|errno| StepError::new("read", path, errno))?;
            parse::memberships(&text)
        };
        if unified {
            return Ok(Self::unified(&memberships));
        }
        let mut search = parse::MountSearch::new(memberships);
        search_mounts(&mut search)
            .map_err(|errno| StepError::new("read", "/proc/self/mountinfo", errno))?;
        Ok(Self {
            hierarchies: search.finish(),
        })
    }

    fn unified(memberships: &[parse::Membership]) -> Self {
        let own = memberships
            .iter()
            .find(|membership| membership.controllers.is_empty())
            .map(|membership| membership.path.clone());
        Self {
            hierarchies: vec![Hierarchy {
                controllers: Vec::new(),
                mount: UNIFIED.to_owned(),
                // A path outside our cgroup namespace is of no use here.
                own: own.filter(|path| !path.starts_with("/..")),
            }],
        }
    }

    /// Whether cgroup v2 is all there is.
    #[must_use]
    pub fn is_unified(&self) -> bool {
        !self.hierarchies.is_empty() && self.hierarchies.iter().all(Hierarchy::is_v2)
    }

    /// How a container's device rules are enforced here.
    #[must_use]
    pub fn device_enforcement(&self) -> DeviceEnforcement {
        if self.hierarchies.iter().any(|tree| tree.has("devices")) {
            DeviceEnforcement::Files
        } else if self.hierarchies.iter().any(Hierarchy::is_v2) {
            DeviceEnforcement::Program
        } else {
            DeviceEnforcement::Nothing
        }
    }
}

/// Reads the mount table, no further than the last hierarchy: it may be long,
/// and cgroups are among the first mounts of a host.
fn search_mounts(search: &mut parse::MountSearch) -> Result<(), Errno> {
    let file = small_file::open_proc("/proc/self/mountinfo")?;
    let mut buffer = [0; 8192];
    while !search.is_complete() {
        let count = small_file::read_some(&file, &mut buffer)?;
        if count == 0 {
            break;
        }
        search.feed(buffer.get(..count).unwrap_or_default());
    }
    Ok(())
}
