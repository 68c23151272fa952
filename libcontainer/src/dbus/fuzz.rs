//! Any bytes where the bus answers, and any text where a property is given.

use super::message::Message;
use super::text::parse;

/// A message that was read can be written and read again.
pub(crate) fn message(data: &[u8]) {
    let length = Message::length(data);
    let Ok(message) = Message::from_bytes(data) else {
        return;
    };
    assert!(
        length.is_ok_and(|length| length.is_some()),
        "a message without length"
    );
    let again = Message::from_bytes(&message.to_bytes());
    // Bytes of a number that is none may differ from themselves.
    let same = |message: &Message| format!("{message:?}");
    assert_eq!(
        again.as_ref().map(same).ok(),
        Some(same(&message)),
        "a message changed"
    );
}

/// A value that was read is of one kind.
pub(crate) fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(value) = parse(&text) {
        let _ = value.kind().to_string();
    }
}
