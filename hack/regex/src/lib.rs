//! `regex-lite` under the name of `regex`, see `[patch.crates-io]` in the workspace's manifest.
//!
//! oci-spec checks one field by a regular expression and asks for the whole engine
//! with Unicode's tables: more than a megabyte, and thirty pages that each start of
//! the program would relocate. Both crates are of the same project, and what is used here is the
//! same in both.
#![forbid(unsafe_code)]

pub use regex_lite::*;
