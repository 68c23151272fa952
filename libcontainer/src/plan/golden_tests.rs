//! The whole plan for real configurations, kept as text: a change of what
//! lodge makes of them shows in review.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up fails the test"
)]

use std::path::Path;

use serde_json::{Value, json};

use super::{Host, Input, StartGate, build};
use crate::cgroups::{Hierarchy, Layout, Manager, Systemd};
use crate::spec::{default_config, read_spec};

fn v1(controllers: &[&str], directory: &str) -> Hierarchy {
    Hierarchy {
        controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
        mount: format!("/sys/fs/cgroup/{directory}"),
        own: Some("/".to_owned()),
    }
}

fn unified(mount: &str) -> Hierarchy {
    Hierarchy {
        controllers: Vec::new(),
        mount: mount.to_owned(),
        own: Some("/".to_owned()),
    }
}

fn hybrid() -> Layout {
    Layout {
        hierarchies: vec![
            v1(&["cpu", "cpuacct"], "cpu,cpuacct"),
            v1(&["cpuset"], "cpuset"),
            v1(&["memory"], "memory"),
            v1(&["devices"], "devices"),
            v1(&["freezer"], "freezer"),
            v1(&["blkio"], "blkio"),
            v1(&["pids"], "pids"),
            v1(&["name=systemd"], "systemd"),
            unified("/sys/fs/cgroup/unified"),
        ],
    }
}

fn pure_v2() -> Layout {
    Layout {
        hierarchies: vec![unified("/sys/fs/cgroup")],
    }
}

/// The plan as text. The filter has a listing of its own; here its size says
/// enough, and so it does of a device program.
fn planned(config: &str, layout: Layout) -> String {
    planned_by(config, layout, None)
}

fn planned_by(config: &str, layout: Layout, systemd: Option<Systemd>) -> String {
    let spec = read_spec("config.json", config.as_bytes()).unwrap().content;
    let input = Input {
        id: "c1",
        bundle: Path::new("/bundle"),
        no_pivot: false,
        no_new_keyring: false,
        listen_fds: 0,
        preserve_fds: 0,
        environment: Vec::new(),
        gate: StartGate::Fifo,
    };
    let host = Host {
        resctrl: None,
        cgroups: Some(layout),
        seen_cgroups: None,
        systemd,
        rootless: false,
        ordinary_user: false,
        network_is_the_hosts: false,
    };
    let (plan, findings) = build(&spec, &input, &host).unwrap();
    let mut plan = serde_json::to_value(&plan).unwrap();
    shorten(&mut plan);
    let warnings: Vec<String> = findings.warnings().map(ToString::to_string).collect();
    let text = json!({ "plan": plan, "warnings": warnings });
    serde_json::to_string_pretty(&text).unwrap()
}

fn shorten(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if name == "program"
                    && let Value::Array(list) = field
                {
                    *field = json!(format!("{} instructions", list.len()));
                } else {
                    shorten(field);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Captured configurations lie with the tests that run them.
fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../integration_tests/fixtures")
        .join(name);
    std::fs::read_to_string(path)
        .unwrap()
        .replace("@ROOTFS@", "/rootfs")
        .replace("@FILES@", "/files")
        .replace("@CGROUP@", "/engine/c1")
}

#[test]
fn every_fixture_has_a_plan() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration_tests/fixtures");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == "json"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        let config = fixture(&name);
        let stem = name.trim_end_matches(".json");
        insta::assert_snapshot!(format!("{stem}-hybrid"), planned(&config, hybrid()));
        insta::assert_snapshot!(format!("{stem}-v2"), planned(&config, pure_v2()));
    }
}

/// What systemd is told, and what is written besides.
#[test]
fn a_unit_has_its_properties() {
    let mut json = serde_json::to_value(default_config(None, false)).unwrap();
    json["linux"]["cgroupsPath"] = json!("pod-a.slice:docker:c1");
    json["linux"]["resources"] = json!({
        "devices": [{"allow": false, "access": "rwm"},
                    {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}],
        "memory": {"limit": 67_108_864, "swap": 134_217_728, "reservation": 33_554_432},
        "cpu": {"shares": 512, "quota": 50_500, "period": 100_000, "cpus": "0-9"},
        "pids": {"limit": 0},
        "blockIO": {"weight": 100},
    });
    json["annotations"] = json!({"org.systemd.property.TimeoutStopSec": "uint64 5"});
    let config = json.to_string();
    for (name, layout, manager, control_group) in [
        ("v2", pure_v2(), Manager::System, ""),
        ("hybrid", hybrid(), Manager::System, ""),
        (
            "user",
            pure_v2(),
            Manager::User,
            "/user.slice/user@7.service",
        ),
    ] {
        let systemd = Systemd {
            manager,
            version: 257,
            control_group: control_group.to_owned(),
        };
        let text = planned_by(&config, layout, Some(systemd));
        let plan: Value = serde_json::from_str(&text).unwrap();
        let cgroup = serde_json::to_string_pretty(&plan["plan"]["cgroup"]).unwrap();
        insta::assert_snapshot!(format!("unit-{name}"), cgroup);
    }
}

#[test]
fn the_default_configuration_has_a_plan() {
    let config = serde_json::to_string(&default_config(None, true)).unwrap();
    insta::assert_snapshot!("default-v2", planned(&config, pure_v2()));
    let config = serde_json::to_string(&default_config(None, false)).unwrap();
    insta::assert_snapshot!("default-hybrid", planned(&config, hybrid()));
}
