//! The features document (runtime-spec, "Features Structure"): what this library
//! implements, whatever the host has.

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::mounts;
use crate::seccomp;
use crate::security::capabilities;
use crate::spec::{VERSION, oci};

/// The features document of a program of this version.
#[must_use]
pub fn features(version: &str) -> oci::Features {
    let annotations = [
        ("org.opencontainers.runc.checkpoint.enabled", "true"),
        ("io.lodge.version", version),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut features = oci::Features::default();
    features
        .set_oci_version_min("1.0.0".to_owned())
        .set_oci_version_max(VERSION.to_owned())
        .set_hooks(Some(names(&HOOKS)))
        .set_mount_options(Some(names(&mounts::NAMES)))
        .set_linux(Some(linux()))
        .set_annotations(Some(annotations.into()))
        .set_potentially_unsafe_config_annotations(Some(names(&UNSAFE_ANNOTATIONS)));
    features
}

fn linux() -> oci::LinuxFeature {
    let mut cgroup = oci::Cgroup::default();
    cgroup
        .set_v1(Some(true))
        .set_v2(Some(true))
        .set_systemd(Some(true))
        .set_systemd_user(Some(true))
        .set_rdma(Some(true));
    let mut filters = oci::Seccomp::default();
    filters
        .set_enabled(Some(true))
        .set_actions(typed(&seccomp::known_actions()))
        .set_operators(Some(names(&seccomp::known_operators())))
        .set_archs(typed(&seccomp::known_archs()))
        .set_known_flags(Some(sorted(&seccomp::known_flags())))
        .set_supported_flags(Some(sorted(&seccomp::supported_flags())));
    let mut apparmor = oci::Apparmor::default();
    apparmor.set_enabled(Some(true));
    let mut selinux = oci::Selinux::default();
    selinux.set_enabled(Some(true));
    let mut intel_rdt = oci::IntelRdt::default();
    intel_rdt
        .set_enabled(Some(true))
        .set_schemata(Some(true))
        .set_monitoring(Some(true));
    let mut memory_policy = oci::MemoryPolicy::default();
    memory_policy
        .set_modes(Some(names(&MEMORY_POLICY_MODES)))
        .set_flags(Some(names(&MEMORY_POLICY_FLAGS)));
    let mut idmap = oci::IDMap::default();
    idmap.set_enabled(Some(true));
    let mut mount_extensions = oci::MountExtensions::default();
    mount_extensions.set_idmap(Some(idmap));
    let mut net_devices = oci::NetDevices::default();
    net_devices.set_enabled(Some(true));
    let mut linux = oci::LinuxFeature::default();
    linux
        .set_namespaces(Some(NAMESPACES.to_vec()))
        .set_capabilities(Some(capabilities::names().map(ToOwned::to_owned).collect()))
        .set_cgroup(Some(cgroup))
        .set_seccomp(Some(filters))
        .set_apparmor(Some(apparmor))
        .set_selinux(Some(selinux))
        .set_intel_rdt(Some(intel_rdt))
        .set_memory_policy(Some(memory_policy))
        .set_mount_extensions(Some(mount_extensions))
        .set_net_devices(Some(net_devices));
    linux
}

/// The names as oci-spec's values of them.
fn typed<T: DeserializeOwned>(names: &[&str]) -> Option<Vec<T>> {
    serde_json::from_value(json!(names)).ok()
}

fn sorted(list: &[&str]) -> Vec<String> {
    let mut list = names(list);
    list.sort_unstable();
    list
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const HOOKS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// Annotations of a configuration that reach beyond its container. They are named
/// before they are obeyed, so that what engines filter by this list stays right.
const UNSAFE_ANNOTATIONS: [&str; 10] = [
    "org.criu.config",
    "org.systemd.property.",
    "run.oci.delegate-cgroup",
    "run.oci.hooks.stderr",
    "run.oci.hooks.stdout",
    "run.oci.keep_original_groups",
    "run.oci.pidfd_receiver",
    "run.oci.seccomp.receiver",
    "run.oci.seccomp_bpf_data",
    "run.oci.systemd.subgroup",
];

const NAMESPACES: [oci::LinuxNamespaceType; 8] = [
    oci::LinuxNamespaceType::Cgroup,
    oci::LinuxNamespaceType::Ipc,
    oci::LinuxNamespaceType::Mount,
    oci::LinuxNamespaceType::Network,
    oci::LinuxNamespaceType::Pid,
    oci::LinuxNamespaceType::Time,
    oci::LinuxNamespaceType::User,
    oci::LinuxNamespaceType::Uts,
];

const MEMORY_POLICY_MODES: [&str; 7] = [
    "MPOL_BIND",
    "MPOL_DEFAULT",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
];

const MEMORY_POLICY_FLAGS: [&str; 3] = [
    "MPOL_F_NUMA_BALANCING",
    "MPOL_F_RELATIVE_NODES",
    "MPOL_F_STATIC_NODES",
];

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::features;
    use serde_json::{Value, json};

    fn document() -> Value {
        serde_json::to_value(features("1.2.3")).unwrap()
    }

    #[test]
    fn lists_are_sorted_and_unique() {
        let document = document();
        for path in [
            "/mountOptions",
            "/linux/seccomp/actions",
            "/linux/seccomp/archs",
            "/linux/seccomp/knownFlags",
            "/linux/seccomp/operators",
        ] {
            let list = document.pointer(path).unwrap().as_array().unwrap();
            let names: Vec<&str> = list.iter().map(|name| name.as_str().unwrap()).collect();
            assert!(
                names.is_sorted_by(|a, b| a < b) && !names.is_empty(),
                "{path}"
            );
        }
    }

    #[test]
    fn names_are_the_specs() {
        let document = document();
        let linux = &document["linux"];
        assert_eq!(
            linux["namespaces"],
            json!([
                "cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"
            ])
        );
        assert_eq!(linux["seccomp"]["actions"][0], "SCMP_ACT_ALLOW");
        let archs = linux["seccomp"]["archs"].as_array().unwrap();
        assert_eq!(archs.len(), 23, "all of the spec: {archs:?}");
        assert_eq!(
            linux["seccomp"]["knownFlags"],
            json!([
                "SECCOMP_FILTER_FLAG_LOG",
                "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                "SECCOMP_FILTER_FLAG_TSYNC",
                "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
            ])
        );
        assert_eq!(
            linux["mountExtensions"],
            json!({"idmap": {"enabled": true}})
        );
        assert_eq!(document["ociVersionMin"], "1.0.0");
    }

    #[test]
    fn what_is_implemented_is_told() {
        let linux = &document()["linux"];
        assert_eq!(
            linux["cgroup"],
            json!({"v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true})
        );
        for module in ["apparmor", "selinux"] {
            assert_eq!(linux[module]["enabled"], true, "{module}");
        }
    }

    #[test]
    fn nothing_is_left_unknown() {
        assert!(!document().to_string().contains("null"));
    }
}
