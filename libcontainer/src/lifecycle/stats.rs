//! What a container used.

use serde::{Serialize, Serializer};

use super::interfaces::{self, NetworkInterface};
use super::load::Loaded;
use crate::Result;
use crate::cgroups::CgroupStats;
use crate::container::{StateRoot, Status};
use crate::error::{Error, ErrorKind};
use crate::intelrdt;

/// The statistics of a container, serialized as the readers of `events` know
/// them: runc's field names, and nothing for most that is zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// What its cgroup counted.
    #[serde(flatten)]
    pub cgroup: CgroupStats,
    /// What its group in resctrl counted.
    #[serde(serialize_with = "object")]
    pub intel_rdt: Option<intelrdt::Stats>,
    /// The interfaces of its own network namespace, without the loopback.
    #[serde(serialize_with = "list")]
    pub network_interfaces: Vec<NetworkInterface>,
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference")]
fn object<S: Serializer>(
    stats: &Option<intelrdt::Stats>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match stats {
        Some(stats) => stats.serialize(serializer),
        None => serializer.collect_map::<(), (), _>([]),
    }
}

fn list<S: Serializer>(
    interfaces: &[NetworkInterface],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    if interfaces.is_empty() {
        serializer.serialize_none()
    } else {
        interfaces.serialize(serializer)
    }
}

/// Reads the statistics of a container that is not stopped.
///
/// # Errors
/// `NotFound`, `WrongStatus`, or the file that could not be read.
pub fn stats(root: &StateRoot, id: &str) -> Result<Stats> {
    let loaded = Loaded::find(root, id)?;
    refuse_stopped(&loaded)?;
    read(&loaded)
}

pub(super) fn refuse_stopped(loaded: &Loaded) -> Result<()> {
    if loaded.status == Status::Stopped {
        return Err(Error::new(
            ErrorKind::WrongStatus,
            format!("container with id {} is not running", loaded.record.id),
        ));
    }
    Ok(())
}

pub(super) fn read(loaded: &Loaded) -> Result<Stats> {
    let resctrl = loaded.record.resctrl.as_ref();
    Ok(Stats {
        cgroup: loaded.cgroup()?.stats()?,
        // Unmounted meanwhile, it counts nothing any more.
        intel_rdt: resctrl
            .filter(|group| group.exists())
            .map(intelrdt::stats)
            .transpose()?,
        network_interfaces: interfaces::read(loaded.record.pid),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::Stats;

    #[test]
    fn without_any_figure_the_groups_are_there() {
        assert_eq!(
            serde_json::to_string(&Stats::default()).unwrap(),
            r#"{"cpu":{},"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},"memory":{},"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},"network_interfaces":null}"#
        );
    }
}
