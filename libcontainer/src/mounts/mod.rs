//! The mounts of a container: what their options mean, and how each is made.

mod apply;
mod bind;
mod cgroupfs;
mod copy_up;
mod filesystem;
mod op;
mod options;
mod plan;

pub(crate) use apply::{Applied, Context, Outside, apply, close, propagate};
pub use op::{
    Attributes, CgroupMount, IdMapping, LegacyHierarchy, MapNamespace, MountKind, MountOp,
    Parameter, Propagation, TmpfsMode,
};
pub use options::{NAMES, Options};
pub use plan::{Facts, plan};
