//! Addresses of network devices: RTM_GETADDR and RTM_NEWADDR.

use super::message::{Message, Request, attributes, flag, number_u32};
use super::socket::{Connection, Refused};
use crate::sys::Errno;

const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
/// `struct ifaddrmsg`.
const STRUCTURE: usize = 8;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_EXCL: u16 = 0x200;

/// `IFA_*`.
mod attribute {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const LOCAL: u16 = 2;
    pub(super) const BROADCAST: u16 = 4;
    pub(super) const FLAGS: u16 = 8;
    pub(super) const PRIORITY: u16 = 9;
}

/// What is said of an address beside its flags.
const KEPT: [u16; 4] = [
    attribute::ADDRESS,
    attribute::LOCAL,
    attribute::BROADCAST,
    attribute::PRIORITY,
];

/// An address of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    family: u8,
    prefix: u8,
    flags: u32,
    scope: u8,
    /// By their kinds.
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Address {
    /// Whether somebody gave it to the device for good, and not a router or a
    /// lease for a while.
    pub(crate) fn is_permanent(&self) -> bool {
        const PERMANENT: u32 = 0x80;
        self.flags & PERMANENT != 0
    }

    /// Whether it is valid everywhere, and not on this link or host alone.
    pub(crate) fn is_global(&self) -> bool {
        const UNIVERSE: u8 = 0;
        self.scope == UNIVERSE
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::net::{Ipv4Addr, Ipv6Addr};
        let value = |wanted: u16| {
            let mut found = self.attributes.iter().filter(|(kind, _)| *kind == wanted);
            found.next().map(|(_, value)| value.as_slice())
        };
        let bytes = value(attribute::LOCAL).or_else(|| value(attribute::ADDRESS));
        let bytes = bytes.unwrap_or_default();
        if let Ok(four) = <[u8; 4]>::try_from(bytes) {
            write!(f, "{}/{}", Ipv4Addr::from(four), self.prefix)
        } else if let Ok(sixteen) = <[u8; 16]>::try_from(bytes) {
            write!(f, "{}/{}", Ipv6Addr::from(sixteen), self.prefix)
        } else {
            write!(f, "{bytes:02x?}/{}", self.prefix)
        }
    }
}

impl Connection {
    /// The addresses of a device, in the kernel's order.
    pub(crate) fn addresses(&self, index: u32) -> Result<Vec<Address>, Refused> {
        let request = Request::new(RTM_GETADDR, flag::DUMP, &[0; STRUCTURE]);
        let mut found = Vec::new();
        self.dump(&request, &mut |message| match message {
            Some(message) if message.kind == RTM_NEWADDR => found.extend(parse(message, index)),
            Some(_) => {}
            None => found.clear(),
        })?;
        Ok(found)
    }

    /// Gives a device an address.
    pub(crate) fn add_address(&self, index: u32, address: &Address) -> Result<(), Refused> {
        self.change(request(index, address)?)
    }
}

fn request(index: u32, address: &Address) -> Result<Request, Errno> {
    // IFA_F_NODAD, HOMEADDRESS, MANAGETEMPADDR, NOPREFIXROUTE, MCAUTOJOIN: what is
    // asked for. The others tell of the kernel's own state.
    const ASKED: u32 = 0x02 | 0x10 | 0x100 | 0x200 | 0x400;
    let [a, b, c, d] = index.to_ne_bytes();
    let structure = [address.family, address.prefix, 0, address.scope, a, b, c, d];
    let flags = flag::ACK | NLM_F_CREATE | NLM_F_EXCL;
    let mut request = Request::new(RTM_NEWADDR, flags, &structure);
    for (kind, value) in &address.attributes {
        request = request.with(*kind, value)?;
    }
    match address.flags & ASKED {
        0 => Ok(request),
        flags => request.with(attribute::FLAGS, &flags.to_ne_bytes()),
    }
}

/// An address of this device; none of another's.
fn parse(message: &Message<'_>, index: u32) -> Option<Address> {
    let &[family, prefix, flags, scope, ..] = message.body.first_chunk::<STRUCTURE>()?;
    if number_u32(message.body, 4)? != index {
        return None;
    }
    let mut address = Address {
        family,
        prefix,
        flags: flags.into(),
        scope,
        attributes: Vec::new(),
    };
    for (kind, value) in attributes(message.body, STRUCTURE) {
        if kind == attribute::FLAGS {
            // Those of the structure, and the ones that it has no room for.
            address.flags = number_u32(value, 0)?;
        } else if KEPT.contains(&kind) {
            address.attributes.push((kind, value.to_vec()));
        }
    }
    Some(address)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Address, Connection, Message, RTM_NEWADDR, Request, attribute, parse, request};

    fn address() -> Address {
        Address {
            family: 2,
            prefix: 24,
            flags: 0x280,
            scope: 0,
            attributes: vec![
                (attribute::LOCAL, vec![10, 0, 0, 1]),
                (attribute::BROADCAST, vec![10, 0, 0, 255]),
            ],
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn an_address_is_added_in_a_fixed_form() {
        assert_eq!(
            request(5, &address()).unwrap().finish(1).unwrap(),
            [
                48, 0, 0, 0, 20, 0, 5, 6, 1, 0, 0, 0, 0, 0, 0, 0, // header
                2, 24, 0, 0, 5, 0, 0, 0, // structure
                8, 0, 2, 0, 10, 0, 0, 1, // local
                8, 0, 4, 0, 10, 0, 0, 255, // broadcast
                8, 0, 8, 0, 0, 2, 0, 0, // noprefixroute, no more the permanent one
            ]
        );
    }

    #[test]
    fn an_address_is_read_with_what_is_kept_of_it() {
        let mut body = vec![2, 24, 0x80, 0];
        body.extend(5_u32.to_ne_bytes());
        let rest = Request::new(RTM_NEWADDR, 0, &[])
            .with(attribute::LOCAL, &[10, 0, 0, 1])
            .and_then(|it| it.with_name(3, "label"))
            .and_then(|it| it.with(attribute::BROADCAST, &[10, 0, 0, 255]))
            .and_then(|it| it.with(attribute::FLAGS, &0x280_u32.to_ne_bytes()));
        let rest = rest.unwrap().finish(0).unwrap();
        body.extend(rest.get(16..).unwrap());
        let message = Message {
            kind: RTM_NEWADDR,
            flags: 0,
            sequence: 0,
            body: &body,
        };
        let read = parse(&message, 5).unwrap();
        assert_eq!(read, address());
        assert!(read.is_permanent() && read.is_global());
        assert_eq!(read.to_string(), "10.0.0.1/24");
        assert_eq!(parse(&message, 6), None);
    }

    #[test]
    fn the_loopback_has_its_address() {
        let connection = Connection::open().unwrap();
        let lo = connection.link("lo").unwrap();
        if lo.is_up {
            let addresses = connection.addresses(lo.index).unwrap();
            let local = addresses.iter().find(|it| it.to_string() == "127.0.0.1/8");
            assert!(local.is_some_and(|it| it.is_permanent() && !it.is_global()));
        }
    }
}
