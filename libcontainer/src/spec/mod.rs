//! What a configuration says, without judgement.

mod mend;
mod reader;

pub use oci_spec::runtime as oci;
pub use reader::{Document, read_process, read_spec};
