//! Container creation behind the OCI create, start, kill, delete state machine.
//!
//! A request goes through three layers, and nothing points upwards:
//!
//! 1. [`spec`] reads `config.json` and holds no opinion of it;
//! 2. `plan` judges spec, request and host, and answers with a complete plan or
//!    with every finding that stands against it;
//! 3. `process` and [`lifecycle`] carry the plan out, and undo what they did
//!    when a step fails.
//!
//! Kernel calls go through `sys`, the only module with unsafe code.
//!
//! Nothing global is changed but what an operation says: no working directory,
//! no mask, no signal disposition. Containers are made by cloning and executing a
//! sealed image (see [`process::init_stage`]), so that a caller may have threads.
//!
//! ```no_run
//! use libcontainer::container::StateRoot;
//! use libcontainer::lifecycle::{self, CreateRequest};
//!
//! fn main() -> libcontainer::Result<()> {
//!     if std::env::args().next().as_deref() == Some("lodge-init") {
//!         libcontainer::process::init_stage();
//!     }
//!     let root = StateRoot::at("/run/example");
//!     let request = CreateRequest {
//!         id: "web".to_owned(),
//!         bundle: "/bundles/web".into(),
//!         ..CreateRequest::default()
//!     };
//!     lifecycle::create(&root, &request)?;
//!     lifecycle::start(&root, "web")
//! }
//! ```

pub(crate) mod attach;
pub mod cgroups;
pub mod check;
pub mod container;
pub mod criu;
pub mod dbus;
pub mod devices;
pub mod ebpf;
pub mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub(crate) mod hooks;
pub mod idmap;
pub mod intelrdt;
pub mod lifecycle;
pub mod mounts;
pub mod namespaces;
pub(crate) mod netlink;
pub mod network;
pub(crate) mod notify;
pub(crate) mod path;
pub mod plan;
pub mod process;
pub(crate) mod rootfs;
pub mod seccomp;
pub mod security;
pub mod spec;
pub(crate) mod state;
pub(crate) mod sys;
pub(crate) mod terminal;

pub use error::{Error, ErrorKind};

/// What a fallible operation of this library returns.
pub type Result<T> = std::result::Result<T, Error>;
