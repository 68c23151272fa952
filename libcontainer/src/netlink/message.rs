//! Netlink messages as bytes: a header, a structure of the request's kind, then
//! attributes, all of them aligned to four (netlink(7), rtnetlink(7)).

use crate::sys::Errno;

/// The header's length.
const HEADER: usize = 16;

/// `NLM_F_REQUEST`, `NLM_F_ACK` and `NLM_F_DUMP` of requests.
pub(super) mod flag {
    pub(in super::super) const REQUEST: u16 = 0x1;
    pub(in super::super) const ACK: u16 = 0x4;
    pub(in super::super) const DUMP: u16 = 0x300;
    /// The dump is not of one moment.
    pub(in super::super) const DUMP_INTERRUPTED: u16 = 0x10;
    /// An acknowledgement without the request's body.
    pub(super) const CAPPED: u16 = 0x100;
    /// An acknowledgement with attributes.
    pub(super) const ACK_TLVS: u16 = 0x200;
}

/// Kinds of messages that belong to no protocol.
pub(super) mod control {
    pub(in super::super) const ERROR: u16 = 2;
    pub(in super::super) const DONE: u16 = 3;
}

/// A request that is being put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request of this kind with its structure.
    pub(super) fn new(kind: u16, flags: u16, structure: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | flag::REQUEST).to_ne_bytes());
        // The sequence number, and the kernel's port.
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(structure);
        pad(&mut bytes);
        Self { bytes }
    }

    /// The same with an attribute more.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Result<Self, Errno> {
        let length = value.len().saturating_add(4);
        let length = u16::try_from(length).map_err(|_| Errno::EMSGSIZE)?;
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        pad(&mut self.bytes);
        Ok(self)
    }

    /// The same with an attribute that is a name.
    pub(super) fn with_name(self, kind: u16, name: &str) -> Result<Self, Errno> {
        let mut bytes = name.as_bytes().to_vec();
        bytes.push(0);
        self.with(kind, &bytes)
    }

    /// The bytes to send.
    pub(super) fn finish(mut self, sequence: u32) -> Result<Vec<u8>, Errno> {
        let length = u32::try_from(self.bytes.len()).map_err(|_| Errno::EMSGSIZE)?;
        for (place, number) in [(0, length), (8, sequence)] {
            for (to, from) in self.bytes.iter_mut().skip(place).zip(number.to_ne_bytes()) {
                *to = from;
            }
        }
        Ok(self.bytes)
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A message of the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    /// Structure and attributes.
    pub(super) body: &'a [u8],
}

/// The messages of one datagram; `EBADMSG` where the lengths in it are wrong.
pub(super) fn messages(mut bytes: &[u8]) -> Result<Vec<Message<'_>>, Errno> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = number_u32(bytes, 0).ok_or(Errno::EBADMSG)?;
        let length = usize::try_from(length).map_err(|_| Errno::EBADMSG)?;
        let one = bytes.get(..length).ok_or(Errno::EBADMSG)?;
        found.push(Message {
            kind: number_u16(one, 4).ok_or(Errno::EBADMSG)?,
            flags: number_u16(one, 6).ok_or(Errno::EBADMSG)?,
            sequence: number_u32(one, 8).ok_or(Errno::EBADMSG)?,
            body: one.get(HEADER..).ok_or(Errno::EBADMSG)?,
        });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(found)
}

/// The attributes from `offset` on; what is wrong ends them.
pub(super) fn attributes(body: &[u8], offset: usize) -> impl Iterator<Item = (u16, &[u8])> {
    // NLA_F_NESTED and NLA_F_NET_BYTEORDER are no part of the kind.
    const KIND: u16 = 0x3fff;
    let mut rest = body.get(offset..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(number_u16(rest, 0)?);
        let kind = number_u16(rest, 2)?;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & KIND, value))
    })
}

/// What an acknowledgement says: the kernel's errno, 0 for none, and its words.
pub(super) fn acknowledgement(message: &Message<'_>) -> Result<(i32, String), Errno> {
    const ATTR_MSG: u16 = 1;
    let errno = number_u32(message.body, 0).ok_or(Errno::EBADMSG)?;
    let errno = i32::from_ne_bytes(errno.to_ne_bytes()).wrapping_neg();
    let mut words = String::new();
    if message.flags & flag::ACK_TLVS != 0 {
        // The request's header, and where it was refused its body too.
        let request = if message.flags & flag::CAPPED != 0 || errno == 0 {
            HEADER
        } else {
            let length = number_u32(message.body, 4).ok_or(Errno::EBADMSG)?;
            usize::try_from(length).map_err(|_| Errno::EBADMSG)?
        };
        let offset = request.saturating_add(4).next_multiple_of(4);
        let said = attributes(message.body, offset).find(|(kind, _)| *kind == ATTR_MSG);
        words = said.map_or_else(String::new, |(_, text)| name(text));
    }
    Ok((errno, words))
}

/// A C string as text.
pub(super) fn name(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

pub(super) fn number_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

pub(super) fn number_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up fails the test"
)]
mod tests {
    use super::{Message, Request, acknowledgement, attributes, flag, messages};
    use crate::sys::Errno;
    use proptest::prelude::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_request_has_a_fixed_form() {
        let request = Request::new(16, flag::ACK, &[1; 6]).with_name(3, "lo");
        let request = request.unwrap().with(28, &7_u32.to_ne_bytes()).unwrap();
        assert_eq!(
            request.finish(9).unwrap(),
            [
                40, 0, 0, 0, 16, 0, 5, 0, 9, 0, 0, 0, 0, 0, 0, 0, // header
                1, 1, 1, 1, 1, 1, 0, 0, // structure
                7, 0, 3, 0, b'l', b'o', 0, 0, // name
                8, 0, 28, 0, 7, 0, 0, 0,
            ]
        );
    }

    #[test]
    fn messages_are_read_back() {
        let one = Request::new(5, 0, &[]).with(1, &[9]).unwrap();
        let mut bytes = one.finish(3).unwrap();
        bytes.extend(Request::new(6, 0, &[8; 4]).finish(4).unwrap());
        let read = messages(&bytes).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kind, read[0].sequence), (5, 3));
        let found: Vec<_> = attributes(read[0].body, 0).collect();
        assert_eq!(found, [(1, [9_u8].as_slice())]);
        assert_eq!(read[1].body, [8; 4]);
    }

    #[test]
    fn an_attribute_too_long_is_refused() {
        let long = vec![0; 70_000];
        let refused = Request::new(1, 0, &[]).with(1, &long);
        assert_eq!(refused, Err(Errno::EMSGSIZE));
    }

    /// An acknowledgement whose request had a body of these bytes.
    fn ack(errno: i32, flags: u16, request_body: &[u8], words: Option<&str>) -> (i32, String) {
        let mut body = errno.wrapping_neg().to_ne_bytes().to_vec();
        body.extend(Request::new(16, 0, request_body).finish(1).unwrap());
        if let Some(words) = words {
            let with = Request::new(0, 0, &[]).with_name(1, words).unwrap();
            body.extend(&with.finish(0).unwrap()[16..]);
        }
        acknowledgement(&Message {
            kind: 2,
            flags,
            sequence: 1,
            body: &body,
        })
        .unwrap()
    }

    #[test]
    fn the_kernels_words_are_found() {
        let tlvs = flag::ACK_TLVS;
        let said = Some("No such thing");
        let expected = (22, "No such thing".to_owned());
        assert_eq!(ack(22, tlvs, &[1; 12], said), expected);
        assert_eq!(ack(22, tlvs | flag::CAPPED, &[], said), expected);
        assert_eq!(ack(0, tlvs, &[], said), (0, "No such thing".to_owned()));
        assert_eq!(ack(22, 0, &[1; 12], None), (22, String::new()));
    }

    #[test]
    fn short_messages_are_refused() {
        let whole = Request::new(5, 0, &[1; 4]).finish(3).unwrap();
        for length in 1..whole.len() {
            assert_eq!(messages(&whole[..length]), Err(Errno::EBADMSG), "{length}");
        }
        assert_eq!(messages(&[0; 16]), Err(Errno::EBADMSG));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), offset in 0_usize..300) {
            if let Ok(read) = messages(&bytes) {
                for message in &read {
                    let _ = acknowledgement(message);
                }
            }
            prop_assert!(attributes(&bytes, offset).count() <= bytes.len() / 4);
        }
    }
}
