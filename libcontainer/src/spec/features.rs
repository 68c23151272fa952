//! The features document (runtime-spec, "Features Structure"): what this library
//! implements, whatever the host has.

use super::{VERSION, oci};

/// The features document of a program of this version.
#[must_use]
pub fn features(version: &str) -> oci::Features {
    let annotations = [
        ("org.opencontainers.runc.checkpoint.enabled", "false"),
        ("io.lodge.version", version),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut features = oci::Features::default();
    features
        .set_oci_version_min("1.0.0".to_owned())
        .set_oci_version_max(VERSION.to_owned())
        .set_hooks(Some(names(&HOOKS)))
        .set_mount_options(Some(names(&MOUNT_OPTIONS)))
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
        .set_systemd(Some(false))
        .set_systemd_user(Some(false))
        .set_rdma(Some(true));
    let mut seccomp = oci::Seccomp::default();
    seccomp
        .set_enabled(Some(true))
        .set_actions(Some(SECCOMP_ACTIONS.to_vec()))
        .set_operators(Some(names(&SECCOMP_OPERATORS)))
        .set_archs(Some(SECCOMP_ARCHS.to_vec()))
        .set_known_flags(Some(names(&SECCOMP_FLAGS)))
        .set_supported_flags(Some(names(&SECCOMP_FLAGS)));
    let mut apparmor = oci::Apparmor::default();
    apparmor.set_enabled(Some(false));
    let mut selinux = oci::Selinux::default();
    selinux.set_enabled(Some(false));
    let mut intel_rdt = oci::IntelRdt::default();
    intel_rdt
        .set_enabled(Some(false))
        .set_schemata(Some(false))
        .set_monitoring(Some(false));
    let mut memory_policy = oci::MemoryPolicy::default();
    memory_policy
        .set_modes(Some(names(&MEMORY_POLICY_MODES)))
        .set_flags(Some(names(&MEMORY_POLICY_FLAGS)));
    let mut idmap = oci::IDMap::default();
    idmap.set_enabled(Some(true));
    let mut mount_extensions = oci::MountExtensions::default();
    mount_extensions.set_idmap(Some(idmap));
    let mut net_devices = oci::NetDevices::default();
    net_devices.set_enabled(Some(false));
    let mut linux = oci::LinuxFeature::default();
    linux
        .set_namespaces(Some(NAMESPACES.to_vec()))
        .set_capabilities(Some(names(&CAPABILITIES)))
        .set_cgroup(Some(cgroup))
        .set_seccomp(Some(seccomp))
        .set_apparmor(Some(apparmor))
        .set_selinux(Some(selinux))
        .set_intel_rdt(Some(intel_rdt))
        .set_memory_policy(Some(memory_policy))
        .set_mount_extensions(Some(mount_extensions))
        .set_net_devices(Some(net_devices));
    linux
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
const UNSAFE_ANNOTATIONS: [&str; 2] = ["org.criu.config", "org.systemd.property."];

const MOUNT_OPTIONS: [&str; 62] = [
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
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

/// In the order of their numbers (capabilities(7)).
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

const SECCOMP_ACTIONS: [oci::LinuxSeccompAction; 9] = [
    oci::LinuxSeccompAction::ScmpActAllow,
    oci::LinuxSeccompAction::ScmpActErrno,
    oci::LinuxSeccompAction::ScmpActKill,
    oci::LinuxSeccompAction::ScmpActKillProcess,
    oci::LinuxSeccompAction::ScmpActKillThread,
    oci::LinuxSeccompAction::ScmpActLog,
    oci::LinuxSeccompAction::ScmpActNotify,
    oci::LinuxSeccompAction::ScmpActTrace,
    oci::LinuxSeccompAction::ScmpActTrap,
];

const SECCOMP_OPERATORS: [&str; 7] = [
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

const SECCOMP_ARCHS: [oci::Arch; 20] = [
    oci::Arch::ScmpArchAarch64,
    oci::Arch::ScmpArchArm,
    oci::Arch::ScmpArchLoongarch64,
    oci::Arch::ScmpArchM68k,
    oci::Arch::ScmpArchMips,
    oci::Arch::ScmpArchMips64,
    oci::Arch::ScmpArchMips64n32,
    oci::Arch::ScmpArchMipsel,
    oci::Arch::ScmpArchMipsel64,
    oci::Arch::ScmpArchMipsel64n32,
    oci::Arch::ScmpArchPpc,
    oci::Arch::ScmpArchPpc64,
    oci::Arch::ScmpArchPpc64le,
    oci::Arch::ScmpArchRiscv64,
    oci::Arch::ScmpArchS390x,
    oci::Arch::ScmpArchSh,
    oci::Arch::ScmpArchSheb,
    oci::Arch::ScmpArchX32,
    oci::Arch::ScmpArchX86,
    oci::Arch::ScmpArchX86_64,
];

const SECCOMP_FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
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
    use super::{MOUNT_OPTIONS, SECCOMP_FLAGS, SECCOMP_OPERATORS, features};
    use serde_json::{Value, json};

    fn document() -> Value {
        serde_json::to_value(features("1.2.3")).unwrap()
    }

    #[test]
    fn lists_are_sorted_and_unique() {
        assert!(MOUNT_OPTIONS.is_sorted_by(|a, b| a < b));
        assert!(SECCOMP_OPERATORS.is_sorted_by(|a, b| a < b));
        assert!(SECCOMP_FLAGS.is_sorted_by(|a, b| a < b));
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
        for arch in [
            "SCMP_ARCH_X86_64",
            "SCMP_ARCH_MIPS64N32",
            "SCMP_ARCH_PPC64LE",
        ] {
            assert!(archs.contains(&json!(arch)), "{arch}: {archs:?}");
        }
        assert_eq!(
            linux["mountExtensions"],
            json!({"idmap": {"enabled": true}})
        );
        assert_eq!(document["ociVersionMin"], "1.0.0");
    }

    #[test]
    fn what_does_not_work_is_not_promised() {
        let linux = &document()["linux"];
        assert_eq!(
            linux["cgroup"],
            json!({"v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true})
        );
        for absent in ["apparmor", "selinux", "intelRdt", "netDevices"] {
            assert_eq!(linux[absent]["enabled"], false, "{absent}");
        }
    }

    #[test]
    fn nothing_is_left_unknown() {
        assert!(!document().to_string().contains("null"));
    }
}
