//! What a group may use and what it used, in the form that readers of `events`
//! know.

use serde::Serialize;

use super::fs;
use super::record::ResctrlRecord;
use crate::error::StepError;
use crate::sys::small_file;

/// `intel_rdt` of the statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// What the host has of cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_info: Option<Cache>,
    /// The share of the root's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_schema_root: Option<String>,
    /// The share of the container's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_schema: Option<String>,
    /// What the host has of memory bandwidth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_info: Option<Bandwidth>,
    /// The share of the root's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_schema_root: Option<String>,
    /// The share of the container's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_schema: Option<String>,
    /// All lines of the container's group.
    pub schemata: Vec<String>,
    /// Traffic of each cache domain, in the order of their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mbm_stats: Option<Vec<BandwidthUse>>,
    /// Occupancy of each cache domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmt_stats: Option<Vec<CacheUse>>,
}

/// What the host has of L3 cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// All of it.
    pub cbm_mask: String,
    /// The least bits of a mask.
    pub min_cbm_bits: u64,
    /// How many groups there can be.
    pub num_closids: u64,
}

/// What the host has of memory bandwidth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bandwidth {
    /// The step, in percent.
    pub bandwidth_gran: u64,
    /// Whether delay grows as the share shrinks.
    pub delay_linear: u64,
    /// The least share, in percent.
    pub min_bandwidth: u64,
    /// How many groups there can be.
    pub num_closids: u64,
}

/// Traffic of one cache domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BandwidthUse {
    /// Bytes, all.
    pub mbm_total_bytes: u64,
    /// Bytes of the domain's own memory.
    pub mbm_local_bytes: u64,
}

/// Occupancy of one cache domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CacheUse {
    /// Bytes.
    pub llc_occupancy: u64,
}

/// Reads the statistics of a container. Without a monitoring group of its own
/// they are those of its whole group.
///
/// # Errors
/// A file that cannot be read.
pub fn stats(record: &ResctrlRecord) -> Result<Stats, StepError> {
    let mount = &record.mount;
    let root = schemata(mount)?;
    let own = schemata(&record.folder())?;
    let of = |lines: &[String], name: &str| {
        let known = |line: &&String| line.starts_with(name);
        lines.iter().find(known).cloned()
    };
    let mut stats = Stats::default();
    let number = |file: &str| number(&format!("{mount}/info/{file}"));
    if fs::exists(&format!("{mount}/info/L3")) {
        stats.l3_cache_info = Some(Cache {
            cbm_mask: fs::read(&format!("{mount}/info/L3/cbm_mask"))?
                .trim()
                .to_owned(),
            min_cbm_bits: number("L3/min_cbm_bits")?,
            num_closids: number("L3/num_closids")?,
        });
        stats.l3_cache_schema_root = of(&root, "L3");
        stats.l3_cache_schema = of(&own, "L3");
    }
    if fs::exists(&format!("{mount}/info/MB")) {
        stats.mem_bw_info = Some(Bandwidth {
            bandwidth_gran: number("MB/bandwidth_gran")?,
            delay_linear: number("MB/delay_linear")?,
            min_bandwidth: number("MB/min_bandwidth")?,
            num_closids: number("MB/num_closids")?,
        });
        stats.mem_bw_schema_root = of(&root, "MB");
        stats.mem_bw_schema = of(&own, "MB");
    }
    stats.schemata = own;
    monitored(record, &mut stats)?;
    Ok(stats)
}

/// The lines of a group's `schemata`.
fn schemata(folder: &str) -> Result<Vec<String>, StepError> {
    let text = fs::read(&format!("{folder}/schemata"))?;
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}

fn monitored(record: &ResctrlRecord, stats: &mut Stats) -> Result<(), StepError> {
    let Ok(features) = fs::read(&format!("{}/info/L3_MON/mon_features", record.mount)) else {
        return Ok(());
    };
    let has = |name: &str| features.lines().any(|line| line.trim() == name);
    let (total, local) = (has("mbm_total_bytes"), has("mbm_local_bytes"));
    let occupancy = has("llc_occupancy");
    if !(total || local || occupancy) {
        return Ok(());
    }
    let folder = record
        .monitoring_folder()
        .unwrap_or_else(|| record.folder());
    let data = format!("{folder}/mon_data");
    let mut traffic = Vec::new();
    let mut occupied = Vec::new();
    for domain in domains(&data)? {
        let read = |known: bool, file: &str| {
            if known {
                number(&format!("{data}/{domain}/{file}"))
            } else {
                Ok(0)
            }
        };
        traffic.push(BandwidthUse {
            mbm_total_bytes: read(total, "mbm_total_bytes")?,
            mbm_local_bytes: read(local, "mbm_local_bytes")?,
        });
        occupied.push(CacheUse {
            llc_occupancy: read(occupancy, "llc_occupancy")?,
        });
    }
    stats.mbm_stats = (total || local).then_some(traffic);
    stats.cmt_stats = occupancy.then_some(occupied);
    Ok(())
}

/// The L3 cache domains that are monitored: `mon_L3_00`. Newer kernels have more
/// than caches there.
fn domains(data: &str) -> Result<Vec<String>, StepError> {
    let mut names: Vec<String> = small_file::open_folder(data)
        .and_then(|folder| small_file::folders(&folder))
        .map_err(|errno| StepError::new("read", data, errno))?
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with("mon_L3_"))
        .collect();
    names.sort();
    Ok(names)
}

/// A file's number; 0 where the hardware has none at the moment ("Unavailable").
fn number(path: &str) -> Result<u64, StepError> {
    let text = fs::read(path)?;
    let text = text.trim();
    if matches!(text, "Unavailable" | "Error" | "Unassigned") {
        return Ok(0);
    }
    text.parse()
        .map_err(|_| StepError::refused("read", path, format!("{text:?} is no number")))
}
