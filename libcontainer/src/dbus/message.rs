//! Messages: a header, and a body of values (D-Bus Specification, "Message
//! Protocol").

use super::Error;
use super::reader::Reader;
use super::types::Type;
use super::value::Value;
use super::writer::{Writer, length};

/// A call that wants an answer.
pub(super) const CALL: u8 = 1;
/// An answer.
pub(super) const ANSWER: u8 = 2;
/// An answer that is an error.
pub(super) const ERROR: u8 = 3;
/// A signal.
pub(super) const SIGNAL: u8 = 4;

/// Bytes before the header's fields, their length included.
pub(super) const FIXED: usize = 16;
/// The longest message that is read. The specification allows 128 MiB; what is
/// asked for here takes less than a page.
const LONGEST: usize = 1 << 20;

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) serial: u32,
    /// The call that it answers.
    pub(super) answers: u32,
    pub(super) path: String,
    pub(super) interface: String,
    pub(super) member: String,
    pub(super) error: String,
    pub(super) destination: String,
    pub(super) sender: String,
    pub(super) body: Vec<Value>,
}

impl Message {
    /// The message as bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut body = Writer::default();
        for value in &self.body {
            body.value(value);
        }
        let signature: String = self.body.iter().map(|v| v.kind().to_string()).collect();
        let texts = [
            (1, Value::Path(self.path.clone()), self.path.is_empty()),
            (2, Value::text(&self.interface), self.interface.is_empty()),
            (3, Value::text(&self.member), self.member.is_empty()),
            (4, Value::text(&self.error), self.error.is_empty()),
            (5, Value::U32(self.answers), self.answers == 0),
            (
                6,
                Value::text(&self.destination),
                self.destination.is_empty(),
            ),
            (7, Value::text(&self.sender), self.sender.is_empty()),
            (8, Value::Signature(signature), self.body.is_empty()),
        ];
        let fields: Vec<Value> = texts
            .into_iter()
            .filter(|(.., absent)| !absent)
            .map(|(code, value, _)| Value::Struct(vec![Value::Byte(code), value.variant()]))
            .collect();
        let mut message = Writer::default();
        message.bytes.extend([b'l', self.kind, 0, 1]);
        message.u32(length(body.bytes.len()));
        message.u32(self.serial);
        let kind = Type::Struct(vec![Type::Basic('y'), Type::Variant]);
        message.value(&Value::Array(kind, fields));
        message.align(8);
        message.bytes.append(&mut body.bytes);
        message.bytes
    }

    /// How long the message is whose first bytes these are; none while there are
    /// too few to tell.
    pub(super) fn length(start: &[u8]) -> Result<Option<usize>, Error> {
        if start.len() < FIXED {
            return Ok(None);
        }
        let mut reader = Reader::new(start, is_big_endian(start)?);
        let fixed: [u32; 3] = {
            reader.u32()?;
            [reader.u32()?, reader.u32()?, reader.u32()?]
        };
        let [body, _, fields] = fixed.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let header = FIXED
            .saturating_add(fields)
            .min(LONGEST)
            .next_multiple_of(8);
        let whole = header.saturating_add(body);
        if whole > LONGEST {
            return Err(Error::Malformed("message: it is too long"));
        }
        Ok(Some(whole))
    }

    /// Reads a whole message.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let big_endian = is_big_endian(bytes)?;
        let mut reader = Reader::new(bytes, big_endian);
        reader.byte()?;
        let mut message = Self {
            kind: reader.byte()?,
            ..Self::default()
        };
        reader.byte()?;
        if reader.byte()? != 1 {
            return Err(Error::Malformed("message: its protocol is not version 1"));
        }
        let length = reader.u32()?;
        message.serial = reader.u32()?;
        let kind = Type::Struct(vec![Type::Basic('y'), Type::Variant]).array();
        let fields = reader.value(&kind)?;
        reader.align(8)?;
        let signature = message.take_fields(fields)?;
        let body = usize::try_from(length)
            .ok()
            .and_then(|length| bytes.len().checked_sub(length))
            .and_then(|start| bytes.get(start..))
            .ok_or(Error::Malformed("length"))?;
        let mut reader = Reader::new(body, big_endian);
        for kind in Type::list(&signature)? {
            message.body.push(reader.value(&kind)?);
        }
        if !reader.is_at_end() {
            return Err(Error::Malformed("message: it is longer than its signature"));
        }
        Ok(message)
    }

    /// Takes the header's fields, and gives the body's signature.
    fn take_fields(&mut self, fields: Value) -> Result<String, Error> {
        let malformed = Error::Malformed("header");
        let mut signature = String::new();
        let Value::Array(_, fields) = fields else {
            return Err(malformed);
        };
        for field in &fields {
            let Value::Struct(parts) = field else {
                return Err(malformed);
            };
            let [Value::Byte(code), value] = parts.as_slice() else {
                return Err(malformed);
            };
            let text = value.as_text().map(str::to_owned).ok_or(malformed.clone());
            match code {
                1 => self.path = text?,
                2 => self.interface = text?,
                3 => self.member = text?,
                4 => self.error = text?,
                5 => self.answers = value.as_u32().ok_or(malformed.clone())?,
                6 => self.destination = text?,
                7 => self.sender = text?,
                8 => signature = text?,
                // Unknown fields are to be ignored.
                _ => {}
            }
        }
        Ok(signature)
    }
}

fn is_big_endian(bytes: &[u8]) -> Result<bool, Error> {
    match bytes.first() {
        Some(b'l') => Ok(false),
        Some(b'B') => Ok(true),
        _ => Err(Error::Malformed("message: no byte order")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops where its ground is missing"
    )]

    use proptest::prelude::*;

    use super::super::value::tests::any_value;
    use super::*;

    fn call() -> Message {
        Message {
            kind: CALL,
            serial: 7,
            path: "/a".to_owned(),
            interface: "b.C".to_owned(),
            member: "D".to_owned(),
            destination: "e.F".to_owned(),
            body: vec![Value::text("xy"), Value::U32(9)],
            ..Message::default()
        }
    }

    #[test]
    fn a_call_has_these_bytes() {
        let golden: &[u8] = b"l\x01\0\x01\x0c\0\0\0\x07\0\0\0\x48\0\0\0\
            \x01\x01o\0\x02\0\0\0/a\0\0\0\0\0\0\
            \x02\x01s\0\x03\0\0\0b.C\0\0\0\0\0\
            \x03\x01s\0\x01\0\0\0D\0\0\0\0\0\0\0\
            \x06\x01s\0\x03\0\0\0e.F\0\0\0\0\0\
            \x08\x01g\0\x02su\0\
            \x02\0\0\0xy\0\0\x09\0\0\0";
        assert_eq!(call().to_bytes(), golden);
    }

    #[test]
    fn an_answer_from_a_big_endian_peer_is_read() {
        let bytes = b"B\x03\x01\x01\0\0\0\x06\0\0\0\x02\0\0\0\x1f\
            \x05\x01u\0\0\0\0\x07\x04\x01s\0\0\0\0\x03x.Y\0\0\0\0\0\x08\x01g\0\x01s\0\0\
            \0\0\0\x01z\0";
        let message = Message::from_bytes(bytes).unwrap();
        assert_eq!((message.kind, message.answers), (ERROR, 7));
        assert_eq!(message.error, "x.Y");
        assert_eq!(message.body, [Value::text("z")]);
        assert_eq!(Message::length(bytes), Ok(Some(bytes.len())));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(body in prop::collection::vec(any_value(), 0..3)) {
            let message = Message { body, ..call() };
            let signature: String = message.body.iter().map(|v| v.kind().to_string()).collect();
            prop_assume!(signature.len() < 256);
            let bytes = message.to_bytes();
            prop_assert_eq!(Message::length(&bytes), Ok(Some(bytes.len())));
            prop_assert_eq!(Message::from_bytes(&bytes), Ok(message));
        }

        #[test]
        fn damage_is_an_error_or_a_message(at in 0_usize..150, byte in any::<u8>(), cut in 0_usize..150) {
            let mut bytes = call().to_bytes();
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            bytes.truncate(cut);
            let _ = Message::length(&bytes);
            let _ = Message::from_bytes(&bytes);
        }
    }

    #[test]
    fn a_long_message_is_refused_before_it_is_read() {
        let mut bytes = call().to_bytes();
        for at in [4, 12] {
            let saved: Vec<u8> = bytes[at..at + 4].to_vec();
            bytes[at..at + 4].copy_from_slice(&[255; 4]);
            assert!(Message::length(&bytes).is_err());
            bytes[at..at + 4].copy_from_slice(&saved);
        }
        assert_eq!(Message::length(&bytes[..15]), Ok(None));
        assert!(Message::length(b"x234567890123456").is_err());
    }
}
