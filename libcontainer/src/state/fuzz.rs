//! Any bytes where a container's state was.

use super::Glance;
use super::record::{Record, Versioned as _};

/// Bytes are refused, or are a record that comes back from what it is written as, and
/// that can be listed.
pub(crate) fn record(data: &[u8]) {
    let glance = Glance::from_bytes("fuzz", data);
    let Ok(record) = Record::from_bytes("fuzz", data) else {
        return;
    };
    assert_eq!(
        glance.map(|it| (it.id, it.pid)).ok(),
        Some((record.id.clone(), record.pid)),
        "a record that cannot be listed"
    );
    let written = record.to_bytes();
    assert!(written.is_ok(), "a record cannot be written");
    let again = Record::from_bytes("fuzz", &written.unwrap_or_default());
    let again = again.and_then(|record| record.to_bytes());
    assert_eq!(again.ok(), record.to_bytes().ok(), "a record changed");
}

/// The binary file beside it.
pub(crate) fn tenant(data: &[u8]) {
    if let Err(reason) = super::dir::parse_tenant(data) {
        assert!(!reason.is_empty(), "an error without words");
    }
}
