//! The configuration that `spec` writes: a shell on a terminal, with little
//! allowed, as a place to start from.

use serde::Serialize;

use super::{VERSION, oci};

/// Few enough to be safe, and enough for a shell.
const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

/// What tells about, or reaches, the host rather than the container.
const MASKED_PATHS: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
];

/// What steers the host.
const READONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Destination, type, source and options, in the order of mounting.
const MOUNTS: [(&str, &str, &str, &[&str]); 7] = [
    ("/proc", "proc", "proc", &[]),
    (
        "/dev",
        "tmpfs",
        "tmpfs",
        &["nosuid", "strictatime", "mode=755", "size=65536k"],
    ),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        &[
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
        ],
    ),
    (
        "/dev/shm",
        "tmpfs",
        "shm",
        &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    ),
    (
        "/dev/mqueue",
        "mqueue",
        "mqueue",
        &["nosuid", "noexec", "nodev"],
    ),
    (
        "/sys",
        "sysfs",
        "sysfs",
        &["nosuid", "noexec", "nodev", "ro"],
    ),
    (
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &["nosuid", "noexec", "nodev", "relatime", "ro"],
    ),
];

/// A configuration, to be written; its fields are in the order in which a person
/// edits them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultConfig {
    oci_version: &'static str,
    process: Process,
    root: oci::Root,
    hostname: &'static str,
    mounts: Vec<oci::Mount>,
    linux: oci::Linux,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    terminal: bool,
    user: oci::User,
    args: [&'static str; 1],
    env: [&'static str; 2],
    cwd: &'static str,
    capabilities: CapabilitySets,
    rlimits: [Rlimit; 1],
    no_new_privileges: bool,
}

/// Inheritable and ambient capabilities are left out, which means none.
#[derive(Debug, Serialize)]
struct CapabilitySets {
    bounding: [&'static str; 3],
    effective: [&'static str; 3],
    permitted: [&'static str; 3],
}

#[derive(Debug, Serialize)]
struct Rlimit {
    #[serde(rename = "type")]
    typ: &'static str,
    hard: u64,
    soft: u64,
}

/// The configuration, for root or, given `rootless` as its user and group id, for
/// an ordinary user. A host with the `unified` cgroup hierarchy alone gets a cgroup
/// namespace; elsewhere the mount at /sys/fs/cgroup shows the container's own
/// cgroups anyway.
#[must_use]
pub fn default_config(rootless: Option<(u32, u32)>, unified: bool) -> DefaultConfig {
    let mut root = oci::Root::default();
    root.set_path("rootfs".into()).set_readonly(Some(true));
    DefaultConfig {
        oci_version: VERSION,
        process: Process {
            terminal: true,
            user: oci::User::default(),
            args: ["sh"],
            env: [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ],
            cwd: "/",
            capabilities: CapabilitySets {
                bounding: CAPABILITIES,
                effective: CAPABILITIES,
                permitted: CAPABILITIES,
            },
            rlimits: [Rlimit {
                typ: "RLIMIT_NOFILE",
                hard: 1024,
                soft: 1024,
            }],
            no_new_privileges: true,
        },
        root,
        hostname: "lodge",
        mounts: MOUNTS
            .iter()
            .map(|&(destination, typ, source, options)| {
                if rootless.is_some() {
                    rootless_mount(destination, typ, source, options)
                } else {
                    mount(destination, typ, source, options)
                }
            })
            .collect(),
        linux: linux(rootless, unified),
    }
}

fn mount(destination: &str, typ: &str, source: &str, options: &[&str]) -> oci::Mount {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    let mut mount = oci::Mount::default();
    mount
        .set_destination(destination.into())
        .set_typ(Some(typ.to_owned()))
        .set_source(Some(source.into()))
        .set_options((!options.is_empty()).then_some(options));
    mount
}

/// An ordinary user may not mount a sysfs without a network namespace of its own,
/// and has no id 5 for terminals.
fn rootless_mount(destination: &str, typ: &str, source: &str, options: &[&str]) -> oci::Mount {
    if destination == "/sys" {
        let options = ["rbind", "nosuid", "noexec", "nodev", "ro"];
        return mount(destination, "none", "/sys", &options);
    }
    let options: Vec<&str> = options
        .iter()
        .copied()
        .filter(|option| !option.starts_with("gid=") && !option.starts_with("uid="))
        .collect();
    mount(destination, typ, source, &options)
}

fn linux(rootless: Option<(u32, u32)>, unified: bool) -> oci::Linux {
    use oci::LinuxNamespaceType::{Cgroup, Ipc, Mount, Network, Pid, User, Uts};
    let mut types = vec![Pid];
    if rootless.is_none() {
        types.push(Network);
    }
    types.extend([Ipc, Uts, Mount]);
    if unified {
        types.push(Cgroup);
    }
    if rootless.is_some() {
        types.push(User);
    }
    let mut linux = oci::Linux::default();
    linux
        .set_namespaces(Some(types.into_iter().map(namespace).collect()))
        .set_masked_paths(Some(MASKED_PATHS.map(str::to_owned).to_vec()))
        .set_readonly_paths(Some(READONLY_PATHS.map(str::to_owned).to_vec()));
    if let Some((uid, gid)) = rootless {
        linux
            .set_resources(None)
            .set_uid_mappings(Some(vec![root_as(uid)]))
            .set_gid_mappings(Some(vec![root_as(gid)]));
    } else {
        let mut deny_all = oci::LinuxDeviceCgroup::default();
        deny_all.set_allow(false).set_access(Some("rwm".to_owned()));
        let mut resources = oci::LinuxResources::default();
        resources.set_devices(Some(vec![deny_all]));
        linux.set_resources(Some(resources));
    }
    linux
}

fn namespace(typ: oci::LinuxNamespaceType) -> oci::LinuxNamespace {
    let mut namespace = oci::LinuxNamespace::default();
    namespace.set_typ(typ);
    namespace
}

/// The container's id 0 as this one of the host's.
fn root_as(id: u32) -> oci::LinuxIdMapping {
    // A builder with a default for every field cannot fail.
    oci::LinuxIdMappingBuilder::default()
        .container_id(0_u32)
        .host_id(id)
        .size(1_u32)
        .build()
        .unwrap_or_default()
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::{default_config, oci};
    use serde_json::{Value, json};

    fn written(rootless: Option<(u32, u32)>, unified: bool) -> Value {
        serde_json::to_value(default_config(rootless, unified)).unwrap()
    }

    fn namespaces(config: &Value) -> Vec<&str> {
        let list = config["linux"]["namespaces"].as_array().unwrap();
        list.iter()
            .map(|one| one["type"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn for_root_it_is_this() {
        let config = written(None, false);
        assert_eq!(
            config["process"],
            json!({
                "terminal": true,
                "user": {"uid": 0, "gid": 0},
                "args": ["sh"],
                "env": [
                    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "TERM=xterm"
                ],
                "cwd": "/",
                "capabilities": {
                    "bounding": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
                    "effective": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
                    "permitted": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
                },
                "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
                "noNewPrivileges": true
            })
        );
        assert_eq!(config["root"], json!({"path": "rootfs", "readonly": true}));
        assert_eq!(config["ociVersion"], "1.3.0");
        assert_eq!(
            config["mounts"][0],
            json!({"destination": "/proc", "type": "proc", "source": "proc"})
        );
        assert_eq!(
            config["linux"]["resources"],
            json!({"devices": [{"allow": false, "access": "rwm"}]})
        );
        assert_eq!(
            namespaces(&config),
            ["pid", "network", "ipc", "uts", "mount"]
        );
        assert!(config["linux"].get("uidMappings").is_none());
    }

    #[test]
    fn for_a_user_it_asks_for_nothing_of_roots() {
        let config = written(Some((1000, 100)), true);
        let linux = &config["linux"];
        assert!(linux.get("resources").is_none());
        assert_eq!(
            linux["uidMappings"],
            json!([{"containerID": 0, "hostID": 1000, "size": 1}])
        );
        assert_eq!(
            linux["gidMappings"],
            json!([{"containerID": 0, "hostID": 100, "size": 1}])
        );
        assert_eq!(
            namespaces(&config),
            ["pid", "ipc", "uts", "mount", "cgroup", "user"]
        );
        let text = config.to_string();
        assert!(!text.contains("gid=") && !text.contains("sysfs"), "{text}");
        assert_eq!(
            config["mounts"][5],
            json!({
                "destination": "/sys",
                "type": "none",
                "source": "/sys",
                "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]
            })
        );
    }

    #[test]
    fn a_cgroup_namespace_is_for_unified_hosts() {
        assert_eq!(
            namespaces(&written(None, true)),
            ["pid", "network", "ipc", "uts", "mount", "cgroup"]
        );
    }

    #[test]
    fn it_is_a_configuration() {
        for rootless in [None, Some((1, 2))] {
            let spec: oci::Spec = serde_json::from_value(written(rootless, true)).unwrap();
            assert_eq!(spec.mounts().as_ref().map(Vec::len), Some(7));
            assert!(spec.linux().as_ref().unwrap().seccomp().is_none());
        }
    }
}
