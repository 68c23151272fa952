//! `linux.resources` as properties of a unit.

use serde::{Deserialize, Serialize};

use super::cpuset::bits;
use super::unified;
use crate::cgroups::common::limit;
use crate::cgroups::v2;
use crate::dbus::{Type, Value};
use crate::error::Findings;
use crate::spec::oci::{LinuxCpu, LinuxMemory, LinuxResources};

/// No limit, and "infinity" in what systemd prints.
pub(super) const INFINITY: u64 = u64::MAX;
/// The kernel's own.
const DEFAULT_PERIOD: u64 = 100_000;
const SECOND: u64 = 1_000_000;
/// systemd keeps a quota as a percentage.
const PERCENT: u64 = 10_000;

/// The first versions of systemd that have a property.
pub(super) const QUOTA_PERIOD: u32 = 242;
pub(super) const CPUSET: u32 = 244;
pub(super) const IDLE: u32 = 252;
pub(super) const OOM_POLICY: u32 = 253;

/// A property of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// As the bus knows it.
    pub name: String,
    /// The value.
    pub value: Value,
}

impl Property {
    pub(super) fn new(name: impl Into<String>, value: Value) -> Self {
        Self {
            name: name.into(),
            value,
        }
    }
}

/// Properties in the making; one that is set again has the later value.
#[derive(Debug)]
pub(super) struct Properties {
    pub(super) list: Vec<Property>,
    pub(super) version: u32,
}

impl Properties {
    pub(super) fn new(version: u32) -> Self {
        Self {
            list: Vec::new(),
            version,
        }
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        match self.list.iter_mut().find(|known| known.name == name) {
            Some(known) => known.value = value,
            None => self.list.push(Property::new(name, value)),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let found = self.list.iter().find(|known| known.name == name);
        found.map(|property| &property.value)
    }

    /// Sets a property that systemd has from a version on; the file is written
    /// whatever systemd knows.
    pub(super) fn set_since(&mut self, since: u32, name: &str, value: Value) {
        if self.version >= since {
            self.set(name, value);
        } else {
            log::debug!(
                "systemd {} is too old for {name}; its file is written",
                self.version
            );
        }
    }

    /// A weight, where the group is not to be idle: systemd holds both in one.
    pub(super) fn set_weight(&mut self, weight: u64, findings: &mut Findings) {
        if self.get("CPUWeight") == Some(&Value::U64(0)) {
            findings.warning(
                "linux.resources.cpu",
                "unable to apply both CPUWeight and CPUIdle to systemd, ignoring CPUWeight",
            );
        } else {
            self.set("CPUWeight", Value::U64(weight));
        }
    }

    /// `cpu.idle` 1; systemd has no word for 0.
    pub(super) fn set_idle(&mut self) {
        self.set_since(IDLE, "CPUWeight", Value::U64(0));
    }

    /// The bandwidth, which [`rounded`] has made one that systemd can hold.
    pub(super) fn set_quota(&mut self, quota: i64, period: u64) {
        if quota == 0 && period == 0 {
            return;
        }
        if period != 0 {
            self.set_since(QUOTA_PERIOD, "CPUQuotaPeriodUSec", Value::U64(period));
        }
        let share = per_second(quota, period).unwrap_or(INFINITY);
        self.set("CPUQuotaPerSecUSec", Value::U64(share));
    }

    pub(super) fn set_cpuset(&mut self, name: &str, list: &str) -> Result<(), String> {
        let bytes = bits(list)?.into_iter().map(Value::Byte).collect();
        self.set_since(CPUSET, name, Value::Array(Type::Basic('y'), bytes));
        Ok(())
    }
}

/// The CPU time of a second that a quota is, in whole percents, rounded up; none
/// is no limit.
fn per_second(quota: i64, period: u64) -> Option<u64> {
    let quota = u64::try_from(quota).ok().filter(|quota| *quota > 0)?;
    let period = if period == 0 { DEFAULT_PERIOD } else { period };
    let share = u128::from(quota) * u128::from(SECOND) / u128::from(period);
    // More than can be said is no limit.
    let share = u64::try_from(share).ok()?;
    share.div_ceil(PERCENT).checked_mul(PERCENT)
}

/// The quota that systemd writes for this one.
pub(super) fn rounded_quota(quota: i64, period: u64) -> i64 {
    let Some(share) = per_second(quota, period) else {
        return quota;
    };
    let period = if period == 0 { DEFAULT_PERIOD } else { period };
    let exact = i128::from(quota) * i128::from(SECOND) / i128::from(period);
    if exact == i128::from(share) {
        return quota;
    }
    let raised = u128::from(share) * u128::from(period) / u128::from(SECOND);
    i64::try_from(raised).unwrap_or(quota)
}

/// The resources with quotas as systemd can hold them, so that files and unit
/// agree.
pub(in crate::cgroups) fn rounded(resources: &LinuxResources) -> LinuxResources {
    let mut resources = resources.clone();
    if let Some(cpu) = resources.cpu_mut()
        && let Some(quota) = cpu.quota()
    {
        let period = cpu.period().unwrap_or_default();
        cpu.set_quota(Some(rounded_quota(quota, period)));
    }
    if let Some(unified) = resources.unified_mut()
        && let Some(value) = unified.get_mut("cpu.max")
        && let Ok((quota, period)) = unified::cpu_max(value)
        && rounded_quota(quota, period) != quota
    {
        *value = format!("{} {period}", rounded_quota(quota, period));
    }
    resources
}

/// The properties for resources that were [`rounded`]; `legacy` is for cgroup v1.
/// Values that are wrong are told of by whoever writes them to the files.
pub(in crate::cgroups) fn resources(
    resources: &LinuxResources,
    version: u32,
    legacy: bool,
    findings: &mut Findings,
) -> Vec<Property> {
    let mut properties = Properties::new(version);
    if let Some(memory) = resources.memory() {
        properties.add_memory(memory, legacy);
    }
    if let Some(cpu) = resources.cpu() {
        properties.add_cpu(cpu, legacy, findings);
    }
    if legacy
        && let Some(io) = resources.block_io()
        && let Some(weight) = io.weight().filter(|weight| *weight != 0)
    {
        properties.set("BlockIOWeight", Value::U64(weight.into()));
    }
    if let Some(pids) = *resources.pids() {
        // 0 is refused by systemd, and the first process has to live.
        let most = u64::try_from(pids.limit()).map_or(INFINITY, |limit| limit.max(1));
        properties.set("TasksMax", Value::U64(most));
    }
    if !legacy && let Some(map) = resources.unified() {
        unified::add(map, &mut properties, findings);
    }
    properties.list
}

impl Properties {
    fn add_memory(&mut self, memory: &LinuxMemory, legacy: bool) {
        let mut told_elsewhere = Findings::new();
        let mut read = |value| limit("", value, &mut told_elsewhere);
        let bytes = |value: i64| Value::U64(u64::try_from(value).unwrap_or(INFINITY));
        let size = read(memory.limit());
        let reservation = read(memory.reservation());
        if legacy {
            if let Some(size) = size {
                self.set("MemoryLimit", bytes(size));
            }
            return;
        }
        let swap = v2::memory::swap(size, memory, &mut told_elsewhere);
        for (name, value) in [
            ("MemoryMax", size),
            ("MemoryLow", reservation),
            ("MemorySwapMax", swap),
        ] {
            if let Some(value) = value {
                self.set(name, bytes(value));
            }
        }
    }

    fn add_cpu(&mut self, cpu: &LinuxCpu, legacy: bool, findings: &mut Findings) {
        let shares = cpu.shares().filter(|shares| *shares != 0);
        if legacy {
            if let Some(shares) = shares {
                self.set("CPUShares", Value::U64(shares));
            }
        } else {
            if cpu.idle() == Some(1) {
                self.set_idle();
            }
            if let Some(weight) = shares.and_then(v2::cpu::weight) {
                self.set_weight(weight, findings);
            }
        }
        self.set_quota(
            cpu.quota().unwrap_or_default(),
            cpu.period().unwrap_or_default(),
        );
        for (name, field, list) in [
            ("AllowedCPUs", "cpus", cpu.cpus()),
            ("AllowedMemoryNodes", "mems", cpu.mems()),
        ] {
            if let Some(list) = list.as_deref().filter(|list| !list.is_empty())
                && let Err(reason) = self.set_cpuset(name, list)
            {
                let field = format!("linux.resources.cpu.{field}");
                findings.error(field, format!("{list:?}: {reason}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

    use super::*;

    fn shown(json: &str, version: u32, legacy: bool) -> Vec<String> {
        let asked: LinuxResources = serde_json::from_str(json).unwrap();
        let mut findings = Findings::new();
        let list = resources(&rounded(&asked), version, legacy, &mut findings);
        let mut shown: Vec<String> = list.iter().map(show).collect();
        shown.extend(findings.errors().map(|it| format!("error {it}")));
        shown.extend(findings.warnings().map(|it| format!("warning {it}")));
        shown
    }

    fn show(property: &Property) -> String {
        let value = if property.value == Value::U64(INFINITY) {
            "infinity".to_owned()
        } else if let Value::U64(number) = &property.value {
            number.to_string()
        } else {
            format!("{:?}", property.value)
        };
        format!("{}={value}", property.name)
    }

    #[test]
    fn memory() {
        let all = r#"{"memory": {"limit": 1000, "reservation": 500, "swap": 1500}}"#;
        assert_eq!(
            shown(all, 257, false),
            ["MemoryMax=1000", "MemoryLow=500", "MemorySwapMax=500"]
        );
        assert_eq!(shown(all, 257, true), ["MemoryLimit=1000"]);
        let none = r#"{"memory": {"limit": -1}}"#;
        assert_eq!(
            shown(none, 257, false),
            ["MemoryMax=infinity", "MemorySwapMax=infinity"]
        );
        let even = r#"{"memory": {"limit": 1000, "swap": 1000}}"#;
        assert_eq!(
            shown(even, 257, false),
            ["MemoryMax=1000", "MemorySwapMax=0"]
        );
    }

    #[test]
    fn quotas_are_whole_percents() {
        for (cpu, wanted) in [
            (
                r#""quota": 50000, "period": 100000"#,
                ["CPUQuotaPeriodUSec=100000", "CPUQuotaPerSecUSec=500000"],
            ),
            (
                r#""quota": 30, "period": 10000"#,
                ["CPUQuotaPeriodUSec=10000", "CPUQuotaPerSecUSec=10000"],
            ),
            (
                r#""quota": 505000, "period": 1000000"#,
                ["CPUQuotaPeriodUSec=1000000", "CPUQuotaPerSecUSec=510000"],
            ),
            (
                r#""quota": -1, "period": 5000"#,
                ["CPUQuotaPeriodUSec=5000", "CPUQuotaPerSecUSec=infinity"],
            ),
            (
                r#""period": 5000"#,
                ["CPUQuotaPeriodUSec=5000", "CPUQuotaPerSecUSec=infinity"],
            ),
        ] {
            assert_eq!(
                shown(&format!("{{\"cpu\": {{{cpu}}}}}"), 257, false),
                wanted,
                "{cpu}"
            );
        }
        let quota = r#"{"cpu": {"quota": 5000}}"#;
        assert_eq!(shown(quota, 241, false), ["CPUQuotaPerSecUSec=50000"]);
        let both = r#"{"cpu": {"quota": 5000, "period": 100000}}"#;
        assert_eq!(shown(both, 241, true), ["CPUQuotaPerSecUSec=50000"]);
    }

    #[test]
    fn files_get_the_quota_that_systemd_holds() {
        let json =
            r#"{"cpu": {"quota": 505000, "period": 1000000}, "unified": {"cpu.max": "30 10000"}}"#;
        let asked: LinuxResources = serde_json::from_str(json).unwrap();
        let held = rounded(&asked);
        assert_eq!(held.cpu().as_ref().unwrap().quota(), Some(510_000));
        assert_eq!(
            held.unified().as_ref().unwrap().get("cpu.max").unwrap(),
            "100 10000"
        );
        assert_eq!(rounded_quota(50_000, 0), 50_000);
        assert_eq!(rounded_quota(-1, 100), -1);
        assert_eq!(rounded_quota(i64::MAX, 1), i64::MAX);
    }

    #[test]
    fn weight_and_idle() {
        let shares = r#"{"cpu": {"shares": 1024}}"#;
        assert_eq!(shown(shares, 257, false), ["CPUWeight=100"]);
        assert_eq!(shown(shares, 257, true), ["CPUShares=1024"]);
        let idle = r#"{"cpu": {"idle": 1}}"#;
        assert_eq!(shown(idle, 252, false), ["CPUWeight=0"]);
        assert_eq!(shown(idle, 251, false), [""; 0]);
        assert_eq!(shown(r#"{"cpu": {"idle": 0}}"#, 252, false), [""; 0]);
        let both = r#"{"cpu": {"idle": 1, "shares": 1024}}"#;
        assert_eq!(
            shown(both, 252, false),
            [
                "CPUWeight=0",
                "warning linux.resources.cpu: unable to apply both CPUWeight and CPUIdle to \
                 systemd, ignoring CPUWeight"
            ]
        );
        assert_eq!(shown(both, 251, false), ["CPUWeight=100"]);
    }

    #[test]
    fn processes_and_processors() {
        for (limit, wanted) in [("0", "1"), ("-1", "infinity"), ("42", "42")] {
            let json = format!("{{\"pids\": {{\"limit\": {limit}}}}}");
            assert_eq!(shown(&json, 257, false), [format!("TasksMax={wanted}")]);
        }
        let cpus = r#"{"cpu": {"cpus": "0-9", "mems": "0"}}"#;
        assert_eq!(
            shown(cpus, 244, false),
            [
                "AllowedCPUs=Array(Basic('y'), [Byte(255), Byte(3)])",
                "AllowedMemoryNodes=Array(Basic('y'), [Byte(1)])"
            ]
        );
        assert_eq!(shown(cpus, 243, false), [""; 0]);
        let wrong = r#"{"cpu": {"cpus": "3-1"}}"#;
        assert_eq!(
            shown(wrong, 244, false),
            ["error linux.resources.cpu.cpus: \"3-1\": invalid range: 3-1"]
        );
    }

    #[test]
    fn io_weight_is_for_v1_alone() {
        let json = r#"{"blockIO": {"weight": 300}}"#;
        assert_eq!(shown(json, 257, true), ["BlockIOWeight=300"]);
        assert_eq!(shown(json, 257, false), [""; 0]);
    }

    #[test]
    fn raw_values_are_told_too_and_win() {
        let json = r#"{"memory": {"limit": 5}, "pids": {"limit": 7}, "unified": {
            "memory.max": "1M", "memory.high": "max", "memory.low": "4096", "memory.min": "0",
            "memory.swap.max": " 99 ", "pids.max": "0", "cpu.weight": "50", "cpu.max": "max 5000",
            "cpuset.cpus": "1", "cpuset.mems": "", "io.max": "x", "hugetlb.2MB.max": "0"}}"#;
        assert_eq!(
            shown(json, 257, false),
            [
                "MemoryMax=1048576",
                "TasksMax=1",
                "CPUQuotaPeriodUSec=5000",
                "CPUQuotaPerSecUSec=infinity",
                "CPUWeight=50",
                "AllowedCPUs=Array(Basic('y'), [Byte(2)])",
                "MemoryHigh=infinity",
                "MemoryLow=4096",
                "MemoryMin=0",
                "MemorySwapMax=99"
            ]
        );
        let idle = r#"{"unified": {"cpu.weight": "50", "cpu.idle": "1"}}"#;
        assert_eq!(shown(idle, 257, false).first().unwrap(), "CPUWeight=0");
        assert!(
            shown(idle, 257, false)
                .last()
                .unwrap()
                .contains("unable to apply both")
        );
        for value in ["x", "1 2 3", "", "1 x"] {
            let json = format!("{{\"unified\": {{\"cpu.max\": {value:?}}}}}");
            assert!(
                shown(&json, 257, false).concat().contains("cpu.max"),
                "{value}"
            );
        }
    }
}
