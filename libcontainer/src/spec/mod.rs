//! What a configuration says, without judgement.

mod keys;
mod locate;
mod mend;
mod nul;
mod objects;
mod reader;

pub use reader::{Document, read_process, read_resources, read_spec};
mod default;

pub use default::{DefaultConfig, default_config};
pub use oci_spec::runtime as oci;

/// The newest version of the runtime-spec that this library implements.
pub const VERSION: &str = "1.3.0";
