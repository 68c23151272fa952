//! Any bytes where a container's state was.

use super::record::Record;

/// Bytes are refused, or are a record that comes back from what it is written as.
pub(crate) fn record(data: &[u8]) {
    let Ok(record) = Record::from_bytes("fuzz", data) else {
        return;
    };
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
