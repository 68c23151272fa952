//! Any bytes where a container's state was.

use super::Glance;
use super::record::{Record, Versioned as _};

/// Bytes are refused, or are a record that comes back from what it is written as, and
/// that can be listed.
pub(crate) fn record(data: &[u8]) {
    // What is listed may be pickier: about a controller that is there twice, for one.
    let _ = Glance::from_bytes("fuzz", data);
    let Ok(record) = Record::from_bytes("fuzz", data) else {
        return;
    };
    let written = record.to_bytes();
    assert!(written.is_ok(), "a record cannot be written");
    let written = written.unwrap_or_default();
    let glance = Glance::from_bytes("fuzz", &written);
    assert_eq!(
        glance.map(|it| (it.id, it.pid)).ok(),
        Some((record.id.clone(), record.pid)),
        "a record that cannot be listed"
    );
    let again = Record::from_bytes("fuzz", &written);
    let again = again.and_then(|record| record.to_bytes());
    assert_eq!(again.ok(), record.to_bytes().ok(), "a record changed");
}

/// The binary file beside it.
pub(crate) fn tenant(data: &[u8]) {
    if let Err(reason) = super::dir::parse_tenant(data) {
        assert!(!reason.is_empty(), "an error without words");
    }
}
