//! Bytes as values. Nothing is believed: lengths end where the bytes end,
//! padding is zero, texts are UTF-8 and end with NUL.

use super::Error;
use super::types::Type;
use super::value::Value;

/// The deepest nesting of variants and what is in them.
const DEEPEST: usize = 64;

/// Bytes that start at a multiple of 8 of a message.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], big_endian: bool) -> Self {
        Self {
            bytes,
            at: 0,
            big_endian,
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn align(&mut self, alignment: usize) -> Result<(), Error> {
        let padding = self.at.next_multiple_of(alignment).saturating_sub(self.at);
        if self.take(padding)?.iter().any(|byte| *byte != 0) {
            return Err(Error::Malformed("padding"));
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(Error::Malformed("message: it ends early"))?;
        self.at = self.at.saturating_add(count);
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.align(N)?;
        let mut number = [0; N];
        number.copy_from_slice(self.take(N)?);
        // As little-endian from here on.
        if self.big_endian {
            number.reverse();
        }
        Ok(number)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        self.number().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.number().map(u32::from_le_bytes)
    }

    /// A length in bytes, which may be more than there are.
    fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(self.u32()?).map_err(|_| Error::Malformed("length"))
    }

    /// A value of this type.
    pub(super) fn value(&mut self, kind: &Type) -> Result<Value, Error> {
        self.nested(kind, DEEPEST)
    }

    fn nested(&mut self, kind: &Type, depth: usize) -> Result<Value, Error> {
        let deep = Error::Malformed("message: it nests too deep");
        let depth = depth.checked_sub(1).ok_or(deep)?;
        Ok(match kind {
            Type::Basic(letter) => self.basic(*letter)?,
            Type::Variant => {
                let kind = Type::single(&self.signature()?)?;
                self.nested(&kind, depth)?.variant()
            }
            Type::Array(element) => {
                let length = self.length()?;
                self.align(element.alignment())?;
                let end = self.at.saturating_add(length);
                if end > self.bytes.len() {
                    return Err(Error::Malformed("message: it ends early"));
                }
                let mut elements = Vec::new();
                while self.at < end {
                    elements.push(self.nested(element, depth)?);
                }
                if self.at != end {
                    return Err(Error::Malformed("array"));
                }
                Value::Array((**element).clone(), elements)
            }
            Type::Struct(members) => {
                self.align(8)?;
                let members = members.iter().map(|member| self.nested(member, depth));
                Value::Struct(members.collect::<Result<_, _>>()?)
            }
            Type::Entry(key, value) => {
                self.align(8)?;
                let key = self.nested(key, depth)?;
                Value::Entry(Box::new(key), Box::new(self.nested(value, depth)?))
            }
        })
    }

    fn basic(&mut self, letter: char) -> Result<Value, Error> {
        Ok(match letter {
            'y' => Value::Byte(self.byte()?),
            'b' => match self.u32()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(Error::Malformed("truth value")),
            },
            'n' => Value::I16(self.number().map(i16::from_le_bytes)?),
            'q' => Value::U16(self.number().map(u16::from_le_bytes)?),
            'i' => Value::I32(self.number().map(i32::from_le_bytes)?),
            'u' => Value::U32(self.u32()?),
            'x' => Value::I64(self.number().map(i64::from_le_bytes)?),
            't' => Value::U64(self.number().map(u64::from_le_bytes)?),
            'd' => Value::Double(self.number().map(u64::from_le_bytes)?),
            's' => Value::Text(self.text()?),
            'o' => Value::Path(self.text()?),
            'g' => Value::Signature(self.signature()?),
            _ => return Err(Error::Malformed("signature")),
        })
    }

    fn text(&mut self) -> Result<String, Error> {
        let length = self.length()?;
        self.terminated(length)
    }

    fn signature(&mut self) -> Result<String, Error> {
        let length = self.byte()?;
        self.terminated(usize::from(length))
    }

    fn terminated(&mut self, length: usize) -> Result<String, Error> {
        let text = self.take(length)?;
        if self.take(1)? != [0] || text.contains(&0) {
            return Err(Error::Malformed("text"));
        }
        let text = std::str::from_utf8(text).map_err(|_| Error::Malformed("text"))?;
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::value::tests::any_value;
    use super::super::writer::Writer;
    use super::*;

    fn read(bytes: &[u8], signature: &str) -> Result<Value, Error> {
        Reader::new(bytes, false).value(&Type::single(signature)?)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(value in any_value()) {
            let mut writer = Writer::default();
            writer.value(&value);
            let mut reader = Reader::new(&writer.bytes, false);
            prop_assert_eq!(reader.value(&value.kind()), Ok(value));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn garbage_is_an_error_or_a_value(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            kind in any_value(),
            big in any::<bool>(),
        ) {
            let _ = Reader::new(&bytes, big).value(&kind.kind());
        }

        #[test]
        fn damage_does_no_harm(value in any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut writer = Writer::default();
            writer.value(&value);
            if let Some(slot) = writer.bytes.get_mut(at.index(4096)) {
                *slot = byte;
            }
            let _ = Reader::new(&writer.bytes, false).value(&value.kind());
        }
    }

    #[test]
    fn both_byte_orders_are_read() {
        assert_eq!(Reader::new(&[0, 0, 1, 2], true).u32(), Ok(258));
        assert_eq!(Reader::new(&[2, 1, 0, 0], false).u32(), Ok(258));
    }

    #[test]
    fn broken_bytes_are_named() {
        let early = Err(Error::Malformed("message: it ends early"));
        assert_eq!(read(&[1, 0, 0], "u"), early);
        assert_eq!(read(&[255, 255, 255, 255, b'x', 0], "s"), early);
        assert_eq!(read(&[255, 255, 255, 255], "ay"), early);
        let text = Err(Error::Malformed("text"));
        assert_eq!(read(&[1, 0, 0, 0, b'x', b'y'], "s"), text);
        assert_eq!(read(&[1, 0, 0, 0, 0, 0], "s"), text);
        assert_eq!(read(&[1, 0, 0, 0, 0xff, 0], "s"), text);
        assert_eq!(
            read(&[2, 0, 0, 0], "b"),
            Err(Error::Malformed("truth value"))
        );
        assert_eq!(read(&[6, 0, 0, 0, 1, 0, 0, 0, 2, 0], "au"), early);
        assert_eq!(
            read(&[1, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0], "at"),
            Err(Error::Malformed("padding"))
        );
    }

    #[test]
    fn variants_in_variants_end() {
        let nested: Vec<u8> = b"\x01v\0".repeat(100);
        assert_eq!(
            read(&nested, "v"),
            Err(Error::Malformed("message: it nests too deep"))
        );
    }
}
