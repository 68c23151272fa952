//! What the runtime and the process it made say to each other.
//!
//! One type a direction. What may come when is told by the place that waits for
//! it, and anything else there is an error.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::mounts::IdMapping;
use crate::plan::{InitPlan, TenantPlan};

/// From the runtime.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Become a container's init. Descriptors: the start FIFO when the plan has
    /// that gate, then the namespaces to join in their order.
    Init(Box<InitPlan>),
    /// Join a container. Descriptors: the pidfd of its init.
    Tenant(Box<TenantPlan>),
    /// The process is in its cgroup.
    CgroupJoined,
    /// The second clone is known to the runtime, and the maps of its user namespace
    /// are written where it is new. It says nothing before.
    Followed,
    /// The runtime's hooks have run.
    HooksDone,
    /// The mount source that was asked for, as its descriptor.
    Source,
    /// There is no such source.
    NoSource(StepError),
    /// The ids of the tree that was sent are mapped.
    MountMapped,
    /// They are not.
    MountNotMapped(StepError),
    /// The network devices are there.
    DevicesMoved,
    /// The runtime is ready: go on to the user's program.
    Proceed,
}

/// From the process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The process goes on as another: its pidfd is the descriptor, since its pid
    /// may be that of a pid namespace which is not the runtime's.
    Cloned {
        /// Whether it waits for id maps.
        waits_for_id_maps: bool,
    },
    /// A bind's source that the process's own ids cannot reach.
    NeedSource {
        /// On the host.
        path: PathBuf,
        /// With the mounts below.
        recursive: bool,
    },
    /// Ids of a mount are to be mapped. Descriptors: its detached tree, and the
    /// process's own user namespace when that has the maps.
    MapIds {
        /// The source, for messages.
        path: PathBuf,
        /// How.
        asked: IdMapping,
    },
    /// The network devices may come: the network namespace is the descriptor.
    AwaitDevices,
    /// The mounts are made; the root is not yet entered.
    RootfsReady,
    /// Everything is set up; with a terminal, its master is the descriptor.
    Ready {
        /// The terminal's name inside.
        terminal: Option<String>,
    },
    /// The filter's listener, as the descriptor's number in the process.
    Listener(i32),
    /// Something that is no failure.
    Warning(String),
    /// The step that failed.
    Failed(StepError),
    /// execve(2) of the user's program failed: the last step of all.
    NotExecuted(StepError),
}
