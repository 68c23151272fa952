//! rtnetlink(7), as far as network devices are moved with their addresses: one
//! socket a network namespace, requests that are answered, dumps that are
//! bounded, and the kernel's own words where it refuses (NETLINK_EXT_ACK,
//! Linux 4.12).

mod address;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod link;
mod message;
mod socket;

pub(crate) use address::Address;
pub(crate) use link::{Change, Link};
pub(crate) use socket::{Connection, Refused};
