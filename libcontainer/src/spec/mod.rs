//! What a configuration says, without judgement.

pub use oci_spec::runtime as oci;
