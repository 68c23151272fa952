//! Network devices: RTM_GETLINK and RTM_NEWLINK.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{Message, Request, attributes, flag, name, number_u16, number_u32};
use super::socket::{Connection, Refused};
use crate::sys::Errno;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
/// `struct ifinfomsg`.
const STRUCTURE: usize = 16;

/// `IFLA_*`.
mod attribute {
    pub(super) const NAME: u16 = 3;
    pub(super) const MASTER: u16 = 10;
    pub(super) const NAMESPACE: u16 = 28;
}

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) is_up: bool,
    pub(crate) is_loopback: bool,
    /// The device that it is a port of, as of a bridge.
    pub(crate) master: Option<u32>,
}

/// What is changed of one.
#[derive(Debug, Default)]
pub(crate) struct Change<'a> {
    /// Brought up, or down.
    pub(crate) up: Option<bool>,
    /// Another name; with `%d` in it the kernel finds a free number, but not on
    /// the way to another namespace.
    pub(crate) name: Option<&'a str>,
    /// Moved to this network namespace.
    pub(crate) namespace: Option<BorrowedFd<'a>>,
    /// Made a port of this device.
    pub(crate) master: Option<u32>,
}

impl Connection {
    /// The device of this name.
    pub(crate) fn link(&self, name: &str) -> Result<Link, Refused> {
        let request = Request::new(RTM_GETLINK, flag::ACK, &structure(0, None))
            .with_name(attribute::NAME, name)?;
        self.one(&request)
    }

    /// The device of this number.
    pub(crate) fn link_at(&self, index: u32) -> Result<Link, Refused> {
        let structure = structure(index, None);
        self.one(&Request::new(RTM_GETLINK, flag::ACK, &structure))
    }

    fn one(&self, request: &Request) -> Result<Link, Refused> {
        let mut found = None;
        self.dump(request, &mut |message| match message {
            Some(message) if message.kind == RTM_NEWLINK => found = parse(message),
            Some(_) => {}
            None => found = None,
        })?;
        found.ok_or_else(|| Errno::ENODEV.into())
    }

    /// Changes the device of this number, all at once.
    pub(crate) fn change_link(&self, index: u32, change: &Change<'_>) -> Result<(), Refused> {
        self.change(request(index, change)?)
    }
}

fn request(index: u32, change: &Change<'_>) -> Result<Request, Errno> {
    let mut request = Request::new(RTM_NEWLINK, flag::ACK, &structure(index, change.up));
    if let Some(name) = change.name {
        request = request.with_name(attribute::NAME, name)?;
    }
    if let Some(namespace) = change.namespace {
        let number = namespace.as_raw_fd().to_ne_bytes();
        request = request.with(attribute::NAMESPACE, &number)?;
    }
    if let Some(master) = change.master {
        request = request.with(attribute::MASTER, &master.to_ne_bytes())?;
    }
    Ok(request)
}

/// `struct ifinfomsg`: family, type, number, flags, and which of them count.
fn structure(index: u32, up: Option<bool>) -> [u8; STRUCTURE] {
    let flag = u32::from(up.unwrap_or_default()).to_ne_bytes();
    let counts = u32::from(up.is_some()).to_ne_bytes();
    let mut structure = [0; STRUCTURE];
    let parts = index.to_ne_bytes().into_iter().chain(flag).chain(counts);
    for (to, from) in structure.iter_mut().skip(4).zip(parts) {
        *to = from;
    }
    structure
}

fn parse(message: &Message<'_>) -> Option<Link> {
    const IFF_UP: u32 = 1;
    const ARPHRD_LOOPBACK: u16 = 772;
    let index = number_u32(message.body, 4)?;
    let flags = number_u32(message.body, 8)?;
    let mut link = Link {
        index,
        name: String::new(),
        is_up: flags & IFF_UP != 0,
        is_loopback: number_u16(message.body, 2)? == ARPHRD_LOOPBACK,
        master: None,
    };
    for (kind, value) in attributes(message.body, STRUCTURE) {
        match kind {
            attribute::NAME => link.name = name(value),
            attribute::MASTER => link.master = number_u32(value, 0),
            _ => {}
        }
    }
    Some(link)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Change, Connection, Message, RTM_NEWLINK, Request, attribute, parse, request};
    use crate::sys::Errno;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_move_has_a_fixed_form() {
        use std::os::fd::BorrowedFd;
        let stdin = std::io::stdin();
        let namespace: BorrowedFd<'_> = std::os::fd::AsFd::as_fd(&stdin);
        let change = Change {
            up: Some(false),
            name: Some("eth0"),
            namespace: Some(namespace),
            master: None,
        };
        assert_eq!(
            request(5, &change).unwrap().finish(1).unwrap(),
            [
                52, 0, 0, 0, 16, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, // header
                0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, // the device, down
                9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0, // its name
                8, 0, 28, 0, 0, 0, 0, 0, // the namespace
            ]
        );
    }

    #[test]
    fn a_device_is_read() {
        let mut body = vec![0; 4];
        body.extend(7_u32.to_ne_bytes());
        body.extend(0x1003_u32.to_ne_bytes());
        body.extend([0; 4]);
        let rest = Request::new(RTM_NEWLINK, 0, &[])
            .with_name(attribute::NAME, "veth1")
            .and_then(|it| it.with(attribute::MASTER, &3_u32.to_ne_bytes()));
        let rest = rest.unwrap().finish(0).unwrap();
        body.extend(rest.get(16..).unwrap());
        let link = parse(&Message {
            kind: RTM_NEWLINK,
            flags: 0,
            sequence: 0,
            body: &body,
        });
        let link = link.unwrap();
        assert_eq!((link.index, link.name.as_str()), (7, "veth1"));
        assert!(link.is_up && !link.is_loopback);
        assert_eq!(link.master, Some(3));
    }

    #[test]
    fn the_kernel_is_asked() {
        let connection = Connection::open().unwrap();
        let lo = connection.link("lo").unwrap();
        assert!(lo.is_loopback);
        assert_eq!(connection.link_at(lo.index).unwrap(), lo);
        let refused = connection.link("no-such-device").unwrap_err();
        assert_eq!(refused.errno, Errno::ENODEV);
    }
}
