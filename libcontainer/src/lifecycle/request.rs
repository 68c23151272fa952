//! What callers ask for, in words and numbers; nothing here was looked up yet.

use std::path::PathBuf;

use crate::criu::{PageServer, Settings};

/// Who makes the cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CgroupManager {
    /// We do, in the cgroup file system.
    #[default]
    Cgroupfs,
    /// systemd does, as a transient unit.
    Systemd,
    /// Nobody: the container stays in the caller's cgroup.
    Disabled,
}

/// Whether failures that only root can avoid are tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rootless {
    /// As the caller's user and user namespace tell.
    #[default]
    Auto,
    /// Yes.
    True,
    /// No.
    False,
}

/// The sockets, files and descriptors that a new process is wired to.
#[derive(Debug, Clone, Default)]
pub struct StdioRequest {
    /// The socket that the pty's master is sent to (`--console-socket`).
    pub console_socket: Option<PathBuf>,
    /// The socket that the process's pidfd is sent to (`--pidfd-socket`).
    pub pidfd_socket: Option<PathBuf>,
    /// The file that the process's pid is written to (`--pid-file`), relative to
    /// the caller's directory.
    pub pid_file: Option<PathBuf>,
    /// How many descriptors from 3 on the process keeps (`--preserve-fds`).
    pub preserve_fds: u32,
}

/// What `create` and `run` are asked for.
#[derive(Debug, Clone, Default)]
pub struct CreateRequest {
    /// The container's id, not yet checked.
    pub id: String,
    /// The bundle's directory; empty means the caller's.
    pub bundle: PathBuf,
    /// A configuration elsewhere than `config.json` in the bundle (`--config`).
    pub config: Option<PathBuf>,
    /// What the process is wired to.
    pub stdio: StdioRequest,
    /// Move the root file system over `/` in place of pivot_root(2).
    pub no_pivot: bool,
    /// Stay in the caller's session keyring.
    pub no_new_keyring: bool,
    /// Who makes the cgroup.
    pub cgroup_manager: CgroupManager,
    /// Whether the caller is to be taken for an ordinary user.
    pub rootless: Rootless,
}

/// How `run` and `exec` go on once the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// Return when it runs.
    Detached,
    /// Relay terminal and signals until it ends, then (`run`) delete it.
    Foreground {
        /// Keep the stopped container (`--keep`).
        keep: bool,
        /// Do not become a child subreaper (`--no-subreaper`).
        no_subreaper: bool,
        /// Give up what this needs no more, once the process runs: capabilities,
        /// files, most system calls. They are not given back, and the container is
        /// deleted by a copy of the process that was left behind for it. For a
        /// program of one thread that ends afterwards; another only gets a warning.
        confined: bool,
    },
}

/// How a process ended, as the exit code of a foreground command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

/// The process of an `exec`.
#[derive(Debug, Clone)]
pub enum ExecProcess {
    /// A process document (`--process FILE`), as its text.
    Document(String),
    /// The process of the bundle's configuration with these changes.
    Overrides(Box<ExecOverrides>),
}

/// What `exec` changes in the process of the bundle's configuration.
#[derive(Debug, Clone, Default)]
pub struct ExecOverrides {
    /// The command and its arguments; never empty.
    pub args: Vec<String>,
    /// The working directory (`--cwd`).
    pub cwd: Option<String>,
    /// Variables added to the environment, `KEY=VALUE` (`--env`).
    pub env: Vec<String>,
    /// Whether it gets a terminal; the configuration's answer is not inherited.
    pub tty: bool,
    /// The user id and, when given, the group id (`--user`).
    pub user: Option<(u32, Option<u32>)>,
    /// Supplementary groups (`--additional-gids`).
    pub additional_gids: Vec<u32>,
    /// The `SELinux` label (`--process-label`).
    pub process_label: Option<String>,
    /// The `AppArmor` profile (`--apparmor`).
    pub apparmor: Option<String>,
    /// Set `no_new_privs` (`--no-new-privs`), also when the configuration does not.
    pub no_new_privs: bool,
    /// Capabilities added (`--cap`), names as the user wrote them.
    pub caps: Vec<String>,
}

/// What `exec` is asked for.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// The process.
    pub process: ExecProcess,
    /// What it is wired to.
    pub stdio: StdioRequest,
    /// Detached, or in the foreground (where `keep` means nothing).
    pub mode: RunMode,
    /// Sub-cgroups to join, as the user wrote them (`--cgroup`).
    pub cgroups: Vec<String>,
    /// Go on when the container is paused (`--ignore-paused`).
    pub ignore_paused: bool,
}

/// What `checkpoint` is asked for.
#[derive(Debug, Clone, Default)]
pub struct CheckpointRequest {
    /// Where the images go (`--image-path`); made when missing.
    pub image_path: PathBuf,
    /// Where CRIU's log goes (`--work-path`); to the images without it.
    pub work_path: Option<PathBuf>,
    /// Images of an earlier pre-dump, from those of this one (`--parent-path`).
    pub parent_path: Option<PathBuf>,
    /// What a restore is told as well.
    pub settings: Settings,
    /// Leave the container as it is (`--leave-running`).
    pub leave_running: bool,
    /// Only write memory, and leave it running (`--pre-dump`).
    pub pre_dump: bool,
    /// Leave TCP connections out that are not established yet
    /// (`--tcp-skip-in-flight`).
    pub tcp_skip_in_flight: bool,
    /// Give names to files that have none any more (`--link-remap`).
    pub link_remap: bool,
    /// Where pages are sent to (`--page-server`).
    pub page_server: Option<PageServer>,
    /// The caller's descriptor that gets a byte when pages can be fetched
    /// (`--status-fd`).
    pub status_fd: Option<i32>,
}

/// What `restore` is asked for.
#[derive(Debug, Clone, Default)]
pub struct RestoreRequest {
    /// The container to be made.
    pub container: CreateRequest,
    /// Where the images are (`--image-path`).
    pub image_path: PathBuf,
    /// Where CRIU's log goes (`--work-path`); to the images without it.
    pub work_path: Option<PathBuf>,
    /// What the checkpoint was told as well.
    pub settings: Settings,
    /// Close established TCP connections (`--tcp-close`).
    pub tcp_close: bool,
    /// Another LSM profile than the images', `TYPE:NAME` (`--lsm-profile`).
    pub lsm_profile: Option<String>,
    /// The `SELinux` context of mounts (`--lsm-mount-context`).
    pub lsm_mount_context: Option<String>,
}
