//! The plan: plain owned data that crosses the process border.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::annotations::{HOOKS_STDERR, HOOKS_STDOUT};
use crate::cgroups::CgroupPlan;
use crate::idmap::IdMaps;
use crate::intelrdt::ResctrlPlan;
use crate::mounts::{MountOp, Propagation};
use crate::namespaces::{Kind, NamespacePlan};
use crate::network::NetDevice;
use crate::seccomp::Filter;
use crate::security::capabilities::CapSets;
use crate::spec::oci::PosixRlimitType;

/// Everything that making a container comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerPlan {
    /// What the init does.
    pub init: InitPlan,
    /// The maps of a new user namespace.
    pub id_maps: Option<IdMaps>,
    /// The network devices to move into the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub net_devices: Vec<NetDevice>,
    /// The maps of user namespaces made for mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mount_id_maps: Vec<IdMaps>,
    /// The cgroup.
    pub cgroup: CgroupPlan,
    /// The host's user who is given the v2 cgroup, to rule what is below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_owner: Option<u32>,
    /// The group in resctrl.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resctrl: Option<ResctrlPlan>,
    /// The hooks that the runtime runs.
    pub hooks: HooksPlan,
    /// What `exec` needs of the container later; what it has in common with the
    /// init's plan is not shown twice.
    #[serde(skip)]
    pub tenant: TenantFacts,
}

/// What the init does, in its order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitPlan {
    /// The container's id.
    pub id: String,
    /// Its namespaces.
    pub namespaces: NamespacePlan,
    /// The clocks of a new time namespace.
    pub time_offsets: Vec<TimeOffset>,
    /// The host name.
    pub hostname: Option<String>,
    /// The NIS domain name.
    pub domainname: Option<String>,
    /// The session keyring to join.
    pub keyring: Option<String>,
    /// The root file system.
    pub rootfs: RootfsPlan,
    /// Kernel settings: the path below `/proc/sys`, and the value.
    pub sysctls: Vec<(String, String)>,
    /// Whether the runtime moves network devices in before any hook runs.
    pub waits_for_devices: bool,
    /// Whether the runtime runs hooks while the init waits.
    pub waits_for_hooks: bool,
    /// Hooks in the container's namespaces, before its root is entered.
    pub create_container: Vec<HookPlan>,
    /// Hooks in the container, before its program.
    pub start_container: Vec<HookPlan>,
    /// The state document for those hooks, without pid and status.
    pub hook_state: HookState,
    /// The program.
    pub process: ProcessPlan,
    /// The system call filter.
    pub seccomp: Option<Filter>,
    /// How the init is told to start.
    pub gate: StartGate,
}

impl InitPlan {
    /// Whether the init runs hooks itself.
    pub(crate) fn runs_hooks(&self) -> bool {
        !(self.create_container.is_empty() && self.start_container.is_empty())
    }

    /// Whether the container's mounts lie in the host's mount namespace.
    pub(crate) fn mounts_on_host(&self) -> bool {
        self.rootfs.has_mounts() && !self.namespaces.has(Kind::Mount)
    }
}

/// What hooks are told of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookState {
    /// The configuration's version.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// The bundle.
    pub bundle: PathBuf,
    /// The configuration's annotations, sorted.
    pub annotations: Vec<(String, String)>,
}

impl HookState {
    /// The files that the hooks' standard output and errors go to.
    pub(crate) fn output(&self) -> [Option<&Path>; 2] {
        [HOOKS_STDOUT, HOOKS_STDERR].map(|name| {
            let mut all = self.annotations.iter();
            let (_, path) = all.find(|(key, path)| key == name && !path.is_empty())?;
            Some(Path::new(path))
        })
    }
}

/// How the init is told to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartGate {
    /// By a byte in a FIFO, from another process (`create`, `start`).
    Fifo,
    /// By the process that made it (`run`, `exec`).
    Socket,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootfsPlan {
    /// Its directory on the host.
    pub path: PathBuf,
    /// Its propagation.
    pub propagation: Option<Propagation>,
    /// Read-only, after everything was made.
    pub readonly: bool,
    /// Moved over `/` and entered by chroot(2).
    pub no_pivot: bool,
    /// The mounts, in order.
    pub mounts: Vec<MountOp>,
    /// The device nodes; none when `/dev` is the host's.
    pub devices: Option<Vec<DeviceNode>>,
    /// Paths that nobody inside may see.
    pub masked: Vec<PathBuf>,
    /// Paths that nobody inside may change.
    pub readonly_paths: Vec<PathBuf>,
    /// The `SELinux` label of the file systems made for it.
    pub label: Option<String>,
}

impl RootfsPlan {
    /// Whether anything is mounted, the root itself counted where it is closed.
    pub(super) fn has_mounts(&self) -> bool {
        !self.mounts.is_empty() || self.readonly
    }
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub kind: DeviceKind,
    /// Its permission bits, exact.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    /// A character device.
    Char {
        /// Its driver.
        major: u32,
        /// Its number there.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Its driver.
        major: u32,
        /// Its number there.
        minor: u32,
    },
    /// A FIFO.
    Fifo,
}

/// The hooks that the runtime runs, in its own namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HooksPlan {
    /// After the namespaces are made (deprecated).
    pub prestart: Vec<HookPlan>,
    /// After the namespaces are made.
    pub create_runtime: Vec<HookPlan>,
    /// After the program was started.
    pub poststart: Vec<HookPlan>,
    /// After the container was deleted.
    pub poststop: Vec<HookPlan>,
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookPlan {
    /// The program.
    pub path: PathBuf,
    /// Its arguments with argv\[0\]; empty: the path.
    pub args: Vec<String>,
    /// Its environment, exact; none: as its kind has it.
    pub env: Option<Vec<String>>,
    /// Seconds after which it is killed.
    pub timeout: Option<u32>,
}

/// A program to execute: the container's, or one that joins it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessPlan {
    /// The program and its arguments; never empty.
    pub args: Vec<String>,
    /// The environment, a variable once.
    pub env: Vec<String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// Ids.
    pub user: UserPlan,
    /// Capabilities.
    pub capabilities: CapSets,
    /// No exec gains privileges.
    pub no_new_privileges: bool,
    /// How readily the kernel kills it for memory.
    pub oom_score_adj: Option<i32>,
    /// Resource limits.
    pub rlimits: Vec<RlimitPlan>,
    /// A terminal of its own.
    pub terminal: Option<TerminalPlan>,
    /// The `AppArmor` profile.
    pub apparmor: Option<String>,
    /// The `SELinux` label.
    pub selinux: Option<String>,
    /// The scheduling policy.
    pub scheduler: Option<SchedulerPlan>,
    /// The input/output priority.
    pub io_priority: Option<IoPriority>,
    /// The execution domain.
    pub personality: Option<u32>,
    /// Where memory comes from.
    pub memory_policy: Option<MemoryPolicy>,
    /// Processors before the cgroup is joined, a bit each.
    pub initial_affinity: Option<Vec<u64>>,
    /// Processors in the end.
    pub final_affinity: Option<Vec<u64>>,
    /// How many descriptors from 3 on it keeps.
    pub kept_fds: u32,
}

/// The ids of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPlan {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups, exact.
    pub groups: Vec<u32>,
    /// The caller's supplementary groups in their place.
    pub keeps_groups: bool,
    /// The file mode mask.
    pub umask: Option<u32>,
}

/// One resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RlimitPlan {
    /// What is limited.
    pub resource: PosixRlimitType,
    /// In force.
    pub soft: u64,
    /// The most that the process may ask for.
    pub hard: u64,
}

impl RlimitPlan {
    /// The kernel's number of the resource (`asm-generic/resource.h`).
    pub(crate) fn number(&self) -> u32 {
        match self.resource {
            PosixRlimitType::RlimitCpu => 0,
            PosixRlimitType::RlimitFsize => 1,
            PosixRlimitType::RlimitData => 2,
            PosixRlimitType::RlimitStack => 3,
            PosixRlimitType::RlimitCore => 4,
            PosixRlimitType::RlimitRss => 5,
            PosixRlimitType::RlimitNproc => 6,
            PosixRlimitType::RlimitNofile => 7,
            PosixRlimitType::RlimitMemlock => 8,
            PosixRlimitType::RlimitAs => 9,
            PosixRlimitType::RlimitLocks => 10,
            PosixRlimitType::RlimitSigpending => 11,
            PosixRlimitType::RlimitMsgqueue => 12,
            PosixRlimitType::RlimitNice => 13,
            PosixRlimitType::RlimitRtprio => 14,
            PosixRlimitType::RlimitRttime => 15,
        }
    }
}

/// A terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalPlan {
    /// Rows and columns, where the configuration says.
    pub size: Option<(u16, u16)>,
}

/// sched_setattr(2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulerPlan {
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// For the time-sharing policies.
    pub nice: i32,
    /// For the real-time policies.
    pub priority: u32,
    /// Nanoseconds of a period, for `SCHED_DEADLINE`.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// ioprio_set(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoPriority {
    /// `IOPRIO_CLASS_*`.
    pub class: u32,
    /// 0 to 7.
    pub level: u32,
}

/// set_mempolicy(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPolicy {
    /// `MPOL_*` with `MPOL_F_*`.
    pub mode: u32,
    /// The nodes, a bit each.
    pub nodes: Vec<u64>,
}

/// The offset of a clock in a time namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOffset {
    /// `monotonic` or `boottime`.
    pub clock: String,
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds more.
    pub nanoseconds: u32,
}

/// What `exec` needs of a container: written by `create`, read by `exec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantFacts {
    /// The `CLONE_NEW*` flags of the namespaces to join.
    pub namespaces: libc::c_int,
    /// Whether a user namespace is among them.
    pub user_namespace: bool,
    /// The maps of that namespace, where we wrote them.
    pub id_maps: Option<IdMaps>,
    /// The session keyring.
    pub keyring: Option<String>,
    /// The filter.
    pub seccomp: Option<Filter>,
    /// The execution domain.
    pub personality: Option<u32>,
    /// Where memory comes from.
    pub memory_policy: Option<MemoryPolicy>,
    /// What a checkpoint needs beside.
    pub checkpoint: CheckpointFacts,
}

/// What `checkpoint` needs of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointFacts {
    /// Mount points of what is mounted from outside, as asked for.
    pub outside: Vec<PathBuf>,
    /// Masked paths.
    pub masked: Vec<PathBuf>,
    /// The `CLONE_NEW*` flags of the namespaces that were there before.
    pub joined: libc::c_int,
}

/// What a process that joins a container does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantPlan {
    /// The `CLONE_NEW*` flags of the namespaces to join.
    pub namespaces: libc::c_int,
    /// Whether the process has to join the pid namespace too, and to clone itself
    /// into it: it belongs to the container's user namespace, and the runtime
    /// has no rights there.
    pub enters_pid_namespace: bool,
    /// The session keyring to join.
    pub keyring: Option<String>,
    /// The root to change to, where no mount namespace brings it.
    pub chroot: Option<PathBuf>,
    /// The program.
    pub process: ProcessPlan,
    /// The system call filter.
    pub seccomp: Option<Filter>,
    /// The container's annotations, sorted.
    pub annotations: Vec<(String, String)>,
}
