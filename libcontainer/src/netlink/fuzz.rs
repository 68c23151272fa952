//! Any bytes where the kernel answers a request.

use super::message::{acknowledgement, attributes, messages, name, number_u16, number_u32};

/// Every part of a message lies within it.
pub(crate) fn answer(data: &[u8]) {
    for message in messages(data).unwrap_or_default() {
        let _ = acknowledgement(&message);
        for offset in [0, 4, 8, 16, usize::MAX] {
            for (_, value) in attributes(message.body, offset) {
                assert!(value.len() <= message.body.len(), "longer than the whole");
                let _ = (name(value), number_u16(value, 0), number_u32(value, 2));
            }
        }
    }
}
