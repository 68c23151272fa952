//! A small D-Bus client: one connection, calls that block until their deadline,
//! and the signals that the caller wants to see (D-Bus Specification).
//!
//! Every length that the peer sends is capped before anything is made of it. No
//! descriptors are passed.

mod address;
mod connection;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod message;
mod reader;
mod text;
mod types;
mod value;
mod writer;

pub(crate) use address::Address;
pub(crate) use connection::{Call, Connection};
pub use error::Error;
pub(crate) use text::parse as parse_text;
pub use types::Type;
pub use value::Value;
