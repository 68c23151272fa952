//! Descriptors that travel over UNIX sockets (unix(7), SCM_RIGHTS).
//!
//! By libc: nix lets the control buffer lie at any address, and the structures
//! in it want theirs aligned.

#![expect(
    clippy::cast_ptr_alignment,
    reason = "descriptors in a control message are read and written unaligned"
)]

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::{Errno, Result, check, fd};

/// The most descriptors that one message carries here.
const MAX_FDS: usize = 16;

/// Room for a header and that many descriptors.
const CONTROL: usize = 16 + MAX_FDS * size_of::<RawFd>();

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Sends bytes with descriptors; no SIGPIPE, through EINTR.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize> {
    if fds.len() > MAX_FDS {
        return Err(Errno::EINVAL);
    }
    let mut control = Control([0; CONTROL]);
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut message = header(&mut part);
    if !fds.is_empty() {
        let length = fds.len() * size_of::<RawFd>();
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: computes a number from a number.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(length as libc::c_uint) } as _;
        // SAFETY: the control buffer is as long as the header says, which is
        // enough for one structure.
        let first = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
        // SAFETY: computes a number from a number.
        let whole = unsafe { libc::CMSG_LEN(length as libc::c_uint) };
        // SAFETY: `first` points to an aligned structure in the control buffer.
        let rights = unsafe { &mut *first };
        rights.cmsg_level = libc::SOL_SOCKET;
        rights.cmsg_type = libc::SCM_RIGHTS;
        rights.cmsg_len = whole as _;
        // SAFETY: within the control buffer, behind the structure.
        let mut slot = unsafe { libc::CMSG_DATA(first) }.cast::<RawFd>();
        for fd in fds {
            // SAFETY: there is room for as many as there are.
            unsafe { slot.write_unaligned(fd.as_raw_fd()) };
            // SAFETY: at most one past the last.
            slot = unsafe { slot.add(1) };
        }
    }
    loop {
        // SAFETY: every pointer of the message lives through the call.
        let sent =
            unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
        match check(sent as libc::c_long) {
            Err(Errno::EINTR) => {}
            sent => return sent.map(|sent| sent as usize),
        }
    }
}

/// Receives bytes and the descriptors that came with them, close-on-exec,
/// through EINTR. 0 bytes: the peer has closed.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> Result<usize> {
    let mut control = Control([0; CONTROL]);
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut message = header(&mut part);
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL as _;
    let received = loop {
        // SAFETY: every pointer of the message lives through the call.
        let received =
            unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
        match check(received as libc::c_long) {
            Err(Errno::EINTR) => {}
            received => break received? as usize,
        }
    };
    // SAFETY: the kernel has filled the buffer and set its length.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !next.is_null() {
        // SAFETY: points to a structure in the control buffer.
        let part = unsafe { next.read_unaligned() };
        if part.cmsg_level == libc::SOL_SOCKET && part.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: computes a number from a number.
            let head = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (part.cmsg_len as usize).saturating_sub(head) / size_of::<RawFd>();
            // SAFETY: within the control buffer, behind the structure.
            let mut slot = unsafe { libc::CMSG_DATA(next) }.cast::<RawFd>();
            for _ in 0..count {
                // SAFETY: the kernel wrote that many.
                let number = unsafe { slot.read_unaligned() };
                fds.push(fd::own(number.into()));
                // SAFETY: at most one past the last.
                slot = unsafe { slot.add(1) };
            }
        }
        // SAFETY: both are of this message.
        next = unsafe { libc::CMSG_NXTHDR(&raw const message, next) };
    }
    Ok(received)
}

/// A message of one part, to nobody in particular.
fn header(part: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: a structure of numbers and pointers; zero is valid for both, and
    // its padding differs between C libraries.
    let mut message = unsafe { std::mem::zeroed::<libc::msghdr>() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message
}
