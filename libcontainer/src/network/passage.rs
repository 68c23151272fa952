//! The way of a device into the container's network namespace, and back.

use std::borrow::Cow;
use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::NetDevice;
use super::plan::is_pattern;
use crate::error::StepError;
use crate::netlink::{Address, Change, Connection, Link, Refused};
use crate::sys::Errno;
use crate::sys::open::open;

/// Both network namespaces.
#[derive(Debug)]
pub(crate) struct Passage {
    host: Connection,
    host_namespace: OwnedFd,
    container: Connection,
    container_namespace: OwnedFd,
}

/// A device of the host before it is moved.
#[derive(Debug)]
pub(crate) struct Traveller {
    device: NetDevice,
    link: Link,
    addresses: Vec<Address>,
    /// Its number in the container, once it is there.
    inside: Cell<Option<u32>>,
}

impl Passage {
    /// Between the network namespace of the thread that calls and another.
    pub(crate) fn open(container: OwnedFd) -> Result<Self, StepError> {
        let failed = |whose: &'static str| {
            move |errno| StepError::new("open", format!("the {whose} network namespace"), errno)
        };
        let host_namespace = open(
            "/proc/thread-self/ns/net",
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(failed("host's"))?;
        Ok(Self {
            host: Connection::open().map_err(failed("host's"))?,
            host_namespace,
            container: Connection::open_in(container.as_fd()).map_err(failed("container's"))?,
            container_namespace: container,
        })
    }

    /// Looks at a device of the host, of which nothing is changed yet.
    pub(crate) fn find(&self, device: &NetDevice) -> Result<Traveller, StepError> {
        let failed = |refused| error("find", device, refused);
        let link = self.host.link(&device.host).map_err(failed)?;
        if link.is_loopback {
            return Err(StepError::refused(
                "move",
                object(device),
                "a loopback device belongs to its network namespace",
            ));
        }
        let addresses = self.host.addresses(link.index).map_err(failed)?;
        Ok(Traveller {
            device: device.clone(),
            link,
            addresses,
            inside: Cell::new(None),
        })
    }

    /// Moves it, with another name and with its addresses, and brings it up.
    pub(crate) fn move_in(&self, traveller: &Traveller) -> Result<(), StepError> {
        let Traveller {
            device,
            link,
            addresses,
            inside,
        } = traveller;
        if !is_pattern(&device.name) && self.container.link(&device.name).is_ok() {
            return Err(error("move", device, Errno::EEXIST.into())
                .with_detail(format!("there is a {} in the container", device.name)));
        }
        // A name that the other namespace has already would leave it there under
        // its old one: it arrives under one that nobody else has.
        let arrival = arrival_name(link);
        let change = Change {
            name: Some(&arrival),
            namespace: Some(self.container_namespace.as_fd()),
            ..Change::default()
        };
        self.host
            .change_link(link.index, &change)
            .map_err(|refused| error("move", device, refused))?;
        let index = self
            .container
            .link(&arrival)
            .map_err(|refused| error("find again", device, refused))?
            .index;
        inside.set(Some(index));
        let change = Change {
            name: Some(&device.name),
            ..Change::default()
        };
        self.container
            .change_link(index, &change)
            .map_err(|refused| error("rename", device, refused))?;
        for address in addresses {
            if address.is_permanent() && address.is_global() {
                self.container
                    .add_address(index, address)
                    .map_err(|refused| {
                        let action = format!("give address {address} to");
                        error(action, device, refused)
                    })?;
            }
        }
        let change = Change {
            up: Some(true),
            ..Change::default()
        };
        self.container
            .change_link(index, &change)
            .map_err(|refused| error("bring up", device, refused))
    }

    /// Moves it back from wherever it has got to, as it was.
    pub(crate) fn move_back(&self, traveller: &Traveller) -> Result<(), StepError> {
        let Traveller {
            device,
            link,
            addresses,
            inside,
        } = traveller;
        let still = self.host.link_at(link.index);
        if still.is_ok_and(|still| still.name == link.name) {
            return Ok(());
        }
        let failed = |refused| error("move back", device, refused);
        let index = match inside.get() {
            Some(index) => index,
            None => self.find_inside(link).map_err(failed)?,
        };
        let change = Change {
            name: Some(&device.host),
            namespace: Some(self.host_namespace.as_fd()),
            ..Change::default()
        };
        self.container.change_link(index, &change).map_err(failed)?;
        let index = self.host.link(&device.host).map_err(failed)?.index;
        if link.master.is_some() {
            let change = Change {
                master: link.master,
                ..Change::default()
            };
            self.host.change_link(index, &change).map_err(failed)?;
        }
        for address in addresses.iter().filter(|address| address.is_permanent()) {
            match self.host.add_address(index, address) {
                Ok(()) => {}
                // Those that the kernel gives by itself.
                Err(refused) if refused.errno == Errno::EEXIST => {}
                Err(refused) => return Err(failed(refused)),
            }
        }
        if !link.is_up {
            return Ok(());
        }
        let change = Change {
            up: Some(true),
            ..Change::default()
        };
        self.host.change_link(index, &change).map_err(failed)
    }

    /// One that was moved and not yet found: under its new name, or under its old
    /// one where somebody else had that.
    fn find_inside(&self, link: &Link) -> Result<u32, Refused> {
        let found = self
            .container
            .link(&arrival_name(link))
            .or_else(|_| self.container.link(&link.name))?;
        Ok(found.index)
    }
}

/// No longer than a name may be, for any number.
fn arrival_name(link: &Link) -> String {
    format!("lodge{}", link.index)
}

fn object(device: &NetDevice) -> String {
    format!("network device {0} (linux.netDevices.{0})", device.host)
}

/// The kernel's reason, with its words.
fn error(action: impl Into<Cow<'static, str>>, device: &NetDevice, refused: Refused) -> StepError {
    let failed = StepError::new(action, object(device), refused.errno);
    if refused.said.is_empty() {
        failed
    } else {
        failed.with_detail(refused.said)
    }
}
