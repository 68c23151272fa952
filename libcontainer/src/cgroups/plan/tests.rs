//! Plans of engines' configurations, written out.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops where its ground is missing"
)]

use super::*;
use crate::cgroups::write::IfMissing;
use crate::devices::{files, program, rules};

/// What a Docker container with limits asks for.
const DOCKER: &str = r#"{
    "devices": [
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
        {"allow": true, "type": "c", "major": 5, "minor": 1, "access": "rwm"},
        {"allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm"}
    ],
    "memory": {"limit": 536870912, "swap": 1073741824, "disableOOMKiller": false},
    "cpu": {"shares": 0, "quota": 150000, "period": 100000},
    "pids": {"limit": 256},
    "blockIO": {"weight": 0}
}"#;

/// One of everything that both versions have.
const ALL: &str = r#"{
    "memory": {"limit": 104857600, "reservation": 52428800, "swap": 209715200},
    "cpu": {"shares": 512, "quota": 50000, "period": 100000, "burst": 10000, "idle": 0,
            "cpus": "0-1", "mems": "0"},
    "pids": {"limit": 0},
    "blockIO": {
        "weight": 500,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 100}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1000}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 2000}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 16, "rate": 30}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 0}]
    },
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
    "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}
}"#;

fn tree(controllers: &str, mount: &str, own: &str) -> Hierarchy {
    Hierarchy {
        controllers: controllers
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        mount: format!("/sys/fs/cgroup{mount}"),
        own: Some(own.to_owned()),
    }
}

fn unified() -> Layout {
    Layout {
        hierarchies: vec![tree("", "", "/user.slice/me.scope")],
    }
}

fn hybrid() -> Layout {
    Layout {
        hierarchies: vec![
            tree("cpu,cpuacct", "/cpu,cpuacct", "/"),
            tree("cpuset", "/cpuset", "/"),
            tree("memory", "/memory", "/agent"),
            tree("devices", "/devices", "/"),
            tree("blkio", "/blkio", "/"),
            tree("pids", "/pids", "/"),
            tree("rdma", "/rdma", "/"),
            tree("name=systemd", "/systemd", "/"),
            tree("", "/unified", "/"),
        ],
    }
}

fn planned(layout: &Layout, path: Option<&str>, resources: &str) -> (CgroupPlan, Findings) {
    let resources: LinuxResources = serde_json::from_str(resources).unwrap();
    let mut findings = Findings::new();
    let rules = rules::container_rules(resources.devices().as_deref(), &mut findings);
    let devices = if layout.is_unified() {
        DeviceControl::Program(DeviceProgram {
            program: program::program(&rules),
            required: !rules::allow_all(&rules),
        })
    } else {
        DeviceControl::Files(files::writes(&rules, &mut findings))
    };
    let request = CgroupRequest {
        unit: None,
        subgroup: None,
        id: "c1",
        path,
        resources: Some(&resources),
        devices,
        rootless: false,
    };
    let plan = plan(layout, &request, &mut findings);
    (plan, findings)
}

/// A line for each folder and write.
fn text(plan: &CgroupPlan) -> Vec<String> {
    let mut lines = Vec::new();
    for tree in &plan.hierarchies {
        lines.push(match &tree.enable {
            Enable::Only(names) if !names.is_empty() => {
                format!("{} +{}", tree.folder(), names.join(" +"))
            }
            Enable::All | Enable::Only(_) => tree.folder(),
        });
        for write in &tree.writes {
            let missing = match &write.if_missing {
                IfMissing::Fail => String::new(),
                IfMissing::Skip => " or skip".to_owned(),
                IfMissing::Instead { file, value } => format!(" or {file} = {value}"),
            };
            let retry = if write.retry { " or later" } else { "" };
            lines.push(format!(
                "  {} = {}{missing}{retry}",
                write.file, write.value
            ));
        }
    }
    lines
}

fn first_error(layout: &Layout, resources: &str) -> String {
    planned(layout, Some("/c"), resources)
        .1
        .first()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[test]
fn docker_on_a_hybrid_host() {
    let (plan, findings) = planned(&hybrid(), Some("/docker/c1"), DOCKER);
    assert_eq!(findings, Findings::new());
    assert_eq!(
        text(&plan),
        [
            "/sys/fs/cgroup/cpu,cpuacct/docker/c1",
            "  cpu.cfs_period_us = 100000 or later",
            "  cpu.cfs_quota_us = 150000",
            "/sys/fs/cgroup/cpuset/docker/c1",
            "/sys/fs/cgroup/memory/docker/c1",
            "  memory.limit_in_bytes = 536870912 or later",
            "  memory.memsw.limit_in_bytes = 1073741824",
            "/sys/fs/cgroup/devices/docker/c1",
            "  devices.deny = a",
            "  devices.allow = c 1:5 rwm",
            "  devices.allow = c 5:1 rwm",
            "  devices.allow = c *:* m",
            "  devices.allow = b *:* m",
            "  devices.allow = c 1:3 rwm",
            "  devices.allow = c 1:8 rwm",
            "  devices.allow = c 1:7 rwm",
            "  devices.allow = c 5:0 rwm",
            "  devices.allow = c 1:9 rwm",
            "  devices.allow = c 136:* rwm",
            "  devices.allow = c 5:2 rwm",
            "  devices.allow = c 10:200 rwm",
            "/sys/fs/cgroup/blkio/docker/c1",
            "/sys/fs/cgroup/pids/docker/c1",
            "  pids.max = 256",
            "/sys/fs/cgroup/rdma/docker/c1",
            "/sys/fs/cgroup/systemd/docker/c1",
            "/sys/fs/cgroup/unified/docker/c1",
        ]
    );
}

#[test]
fn docker_on_v2() {
    let (plan, findings) = planned(&unified(), Some("/docker/c1"), DOCKER);
    assert_eq!(findings, Findings::new());
    assert_eq!(
        text(&plan),
        [
            "/sys/fs/cgroup/docker/c1",
            "  pids.max = 256",
            "  memory.swap.max = 536870912",
            "  memory.max = 536870912",
            "  cpu.max = 150000 100000",
        ]
    );
    let tree = plan.hierarchies.first().unwrap();
    assert_eq!(tree.enable, Enable::All);
    assert!(tree.program.as_ref().unwrap().required);
}

#[test]
fn every_limit_on_v1() {
    let (plan, findings) = planned(&hybrid(), None, ALL);
    assert_eq!(findings, Findings::new());
    assert_eq!(
        text(&plan)
            .into_iter()
            .filter(|line| !line.contains("devices"))
            .collect::<Vec<_>>(),
        [
            "/sys/fs/cgroup/cpu,cpuacct/c1",
            "  cpu.idle = 0",
            "  cpu.shares = 512",
            "  cpu.cfs_period_us = 100000 or later",
            "  cpu.cfs_burst_us = 10000 or skip or later",
            "  cpu.cfs_quota_us = 50000",
            "/sys/fs/cgroup/cpuset/c1",
            "  cpuset.cpus = 0-1",
            "  cpuset.mems = 0",
            "/sys/fs/cgroup/memory/agent/c1",
            "  memory.limit_in_bytes = 104857600 or later",
            "  memory.memsw.limit_in_bytes = 209715200",
            "  memory.soft_limit_in_bytes = 52428800",
            "/sys/fs/cgroup/blkio/c1",
            "  blkio.weight = 500 or blkio.bfq.weight = 500",
            "  blkio.weight_device = 8:0 100 or blkio.bfq.weight_device = 8:0 100",
            "  blkio.throttle.read_bps_device = 8:0 1000",
            "  blkio.throttle.write_bps_device = 8:0 2000",
            "  blkio.throttle.read_iops_device = 8:16 30",
            "  blkio.throttle.write_iops_device = 8:16 0",
            "/sys/fs/cgroup/pids/c1",
            "  pids.max = 1",
            "/sys/fs/cgroup/rdma/c1",
            "  rdma.max = mlx5_1 hca_handle=3 hca_object=10000",
            "/sys/fs/cgroup/systemd/c1",
            // A controller that v1 has not mounted is v2's.
            "/sys/fs/cgroup/unified/c1 +hugetlb",
            "  hugetlb.2MB.max = 4194304",
            "  hugetlb.2MB.rsvd.max = 4194304 or skip",
        ]
    );
}

#[test]
fn every_limit_on_v2() {
    let (plan, findings) = planned(&unified(), None, ALL);
    assert_eq!(findings, Findings::new());
    assert_eq!(
        text(&plan),
        [
            "/sys/fs/cgroup/user.slice/c1",
            "  pids.max = 1",
            "  memory.swap.max = 104857600",
            "  memory.max = 104857600",
            "  memory.low = 52428800",
            "  io.bfq.weight = 500 or io.weight = 4950",
            "  io.bfq.weight = 8:0 100 or io.weight = 8:0 910",
            "  io.max = 8:0 rbps=1000",
            "  io.max = 8:0 wbps=2000",
            "  io.max = 8:16 riops=30",
            "  io.max = 8:16 wiops=max",
            "  cpu.idle = 0",
            "  cpu.weight = 59",
            "  cpu.max.burst = 10000 or later",
            "  cpu.max = 50000 100000",
            "  cpuset.cpus = 0-1",
            "  cpuset.mems = 0",
            "  hugetlb.2MB.max = 4194304",
            "  hugetlb.2MB.rsvd.max = 4194304 or skip",
            "  rdma.max = mlx5_1 hca_handle=3 hca_object=10000",
        ]
    );
}

#[test]
fn nothing_asked_writes_nothing_but_device_rules() {
    let nothing = r#"{
        "memory": {"limit": 0, "swap": 0}, "cpu": {"shares": 0, "quota": 0, "cpus": ""},
        "blockIO": {"weight": 0, "weightDevice": []}, "hugepageLimits": [], "rdma": {},
        "network": {"classID": 0, "priorities": []}, "unified": {}
    }"#;
    for layout in [unified(), hybrid()] {
        let (plan, findings) = planned(&layout, None, nothing);
        assert_eq!(findings, Findings::new());
        let writes = plan.hierarchies.iter().flat_map(|tree| &tree.writes);
        assert_eq!(
            writes
                .filter(|write| !write.file.starts_with("devices."))
                .count(),
            0
        );
        assert_eq!(plan.limits, Vec::<String>::new());
    }
}

#[test]
fn swap_is_memory_and_swap() {
    let writes = |memory: &str| {
        let (plan, findings) = planned(&unified(), None, &format!("{{\"memory\": {memory}}}"));
        assert_eq!(findings.to_string(), "");
        text(&plan).into_iter().skip(1).collect::<Vec<_>>()
    };
    assert_eq!(
        writes(r#"{"limit": 1000, "swap": 1000}"#),
        ["  memory.swap.max = 0 or skip", "  memory.max = 1000"]
    );
    assert_eq!(
        writes(r#"{"limit": -1}"#),
        ["  memory.swap.max = max or skip", "  memory.max = max"]
    );
    assert_eq!(
        writes(r#"{"limit": 1000, "swap": -1}"#),
        ["  memory.swap.max = max or skip", "  memory.max = 1000"]
    );
    assert_eq!(writes(r#"{"limit": 1000}"#), ["  memory.max = 1000"]);
}

#[test]
fn what_a_version_has_not_is_an_error_of_its_field() {
    for (resources, said) in [
        (
            r#"{"memory": {"swap": 5}}"#,
            "linux.resources.memory.swap: unable to set swap limit without memory limit",
        ),
        (
            r#"{"memory": {"limit": 9, "swap": 5}}"#,
            "linux.resources.memory.swap: memory+swap limit should be >= memory limit",
        ),
        (
            r#"{"memory": {"swappiness": 60}}"#,
            "linux.resources.memory.swappiness: cgroup v2 has no swappiness",
        ),
        (
            r#"{"cpu": {"realtimeRuntime": 950000}}"#,
            "linux.resources.cpu.realtimeRuntime: cgroup v2 has no real-time limits",
        ),
        (
            r#"{"hugepageLimits": [{"pageSize": "../memory.x", "limit": 1}]}"#,
            "linux.resources.hugepageLimits[0].pageSize: invalid page size \"../memory.x\"; \
             as in 64KB, 2MB, 1GB",
        ),
        (
            r#"{"unified": {"../x": "1"}}"#,
            "linux.resources.unified[\"../x\"]: unified resource \"../x\" must be a file name \
             (no slashes)",
        ),
        (
            r#"{"rdma": {"a b": {"hcaHandles": 1}}}"#,
            "linux.resources.rdma[\"a b\"]: invalid device name",
        ),
    ] {
        assert_eq!(first_error(&unified(), resources), said);
    }
    for (resources, said) in [
        (
            r#"{"unified": {"memory.high": "1"}}"#,
            "linux.resources.unified: invalid configuration: cgroup v1 has no unified resources",
        ),
        (
            r#"{"network": {"classID": 1048577}}"#,
            "linux.resources.network.classID: the net_cls controller is not mounted",
        ),
        (
            r#"{"cpu": {"shares": 1}}"#,
            "linux.resources.cpu.shares: the minimum allowed cpu-shares is 2",
        ),
        (
            r#"{"cpu": {"idle": 2}}"#,
            "linux.resources.cpu.idle: invalid argument 2; known: 0, 1",
        ),
        (
            r#"{"memory": {"swappiness": 101}}"#,
            "linux.resources.memory.swappiness: invalid memory swappiness value: 101 \
             (valid range is 0-100)",
        ),
    ] {
        assert_eq!(first_error(&hybrid(), resources), said);
    }
}

#[test]
fn a_plan_survives_its_journey() {
    let (plan, _) = planned(&unified(), None, ALL);
    let bytes = postcard::to_allocvec(&plan).unwrap();
    assert_eq!(postcard::from_bytes::<CgroupPlan>(&bytes).unwrap(), plan);
}
