//! The network as far as a container's set-up needs it.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::Result;
use super::call::Call;

/// `struct ifreq` of netdevice(7), with flags in its union of 24 bytes.
#[repr(C, align(8))]
pub(super) struct InterfaceRequest {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// Brings the loopback device up (netdevice(7)).
pub(crate) fn loopback_up() -> Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let mut request = InterfaceRequest {
        name: [0; 16],
        flags: (libc::IFF_UP | libc::IFF_RUNNING) as i16,
        rest: [0; 22],
    };
    request.name[..2].copy_from_slice(b"lo");
    Call::IoctlSetInterface(socket.as_fd(), &request).make()?;
    Ok(())
}

/// Lets the kernel say in words why it refuses a netlink request, and not send
/// the request back (netlink(7), Linux 4.12 and 4.3).
pub(crate) fn explain_refusals(socket: BorrowedFd<'_>) -> Result<()> {
    const SOL_NETLINK: libc::c_int = 270;
    const NETLINK_CAP_ACK: libc::c_int = 10;
    const NETLINK_EXT_ACK: libc::c_int = 11;
    for option in [NETLINK_CAP_ACK, NETLINK_EXT_ACK] {
        Call::Setsockopt(socket, SOL_NETLINK, option, &1).make()?;
    }
    Ok(())
}
