//! The network as far as a container's set-up needs it.

use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{Result, check};

/// Brings the loopback device up (netdevice(7)).
pub(crate) fn loopback_up() -> Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: a structure of numbers and arrays of them; zero is valid.
    let mut request = unsafe { std::mem::zeroed::<libc::ifreq>() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo\0") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    let bring_up = libc::SIOCSIFFLAGS;
    // SAFETY: the request reads the structure given.
    let returned = unsafe { libc::ioctl(socket.as_raw_fd(), bring_up as _, &raw const request) };
    check(returned.into())?;
    Ok(())
}
