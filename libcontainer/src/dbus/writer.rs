//! Values as bytes, little-endian (D-Bus Specification, "Wire Format").

use super::value::Value;

/// Bytes of a message or of a part of one that starts at a multiple of 8.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    /// Zeros up to a multiple of `alignment`.
    pub(super) fn align(&mut self, alignment: usize) {
        let length = self.bytes.len().next_multiple_of(alignment);
        self.bytes.resize(length, 0);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.align(4);
        self.bytes.extend(number.to_le_bytes());
    }

    pub(super) fn value(&mut self, value: &Value) {
        self.align(value.kind().alignment());
        match value {
            Value::Byte(number) => self.bytes.push(*number),
            Value::Bool(truth) => self.u32(u32::from(*truth)),
            Value::I16(number) => self.bytes.extend(number.to_le_bytes()),
            Value::U16(number) => self.bytes.extend(number.to_le_bytes()),
            Value::I32(number) => self.bytes.extend(number.to_le_bytes()),
            Value::U32(number) => self.u32(*number),
            Value::I64(number) => self.bytes.extend(number.to_le_bytes()),
            Value::U64(number) | Value::Double(number) => self.bytes.extend(number.to_le_bytes()),
            Value::Text(text) | Value::Path(text) => {
                self.u32(length(text.len()));
                self.terminated(text);
            }
            Value::Signature(text) => self.signature(text),
            Value::Variant(inner) => {
                self.signature(&inner.kind().to_string());
                self.value(inner);
            }
            Value::Array(element, elements) => {
                self.u32(0);
                let place = self.bytes.len();
                self.align(element.alignment());
                let start = self.bytes.len();
                for one in elements {
                    self.value(one);
                }
                let count = length(self.bytes.len().saturating_sub(start)).to_le_bytes();
                let before = place.saturating_sub(4);
                if let Some(slot) = self.bytes.get_mut(before..place) {
                    slot.copy_from_slice(&count);
                }
            }
            Value::Struct(members) => {
                for one in members {
                    self.value(one);
                }
            }
            Value::Entry(key, value) => {
                self.value(key);
                self.value(value);
            }
        }
    }

    fn signature(&mut self, text: &str) {
        // Longer ones do not come from a `Type`, and the peer refuses this.
        self.bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.terminated(text);
    }

    fn terminated(&mut self, text: &str) {
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }
}

/// A length that no message reaches stands for one that does not fit.
pub(super) fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
