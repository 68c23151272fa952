//! Descriptors that travel over UNIX sockets (unix(7), SCM_RIGHTS).
//!
//! Not by nix, which lets the control buffer lie at any address where the
//! structures in it want theirs aligned.

use std::cell::Cell;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::call::Call;
use super::{Errno, Result, fd};

/// The most descriptors that one message carries here.
const MAX_FDS: usize = 16;

/// `struct cmsghdr`: a length, the level, the type.
const HEADER: usize = size_of::<usize>() + 2 * size_of::<libc::c_int>();

/// Room for a header and that many descriptors.
const CONTROL: usize = HEADER + MAX_FDS * size_of::<RawFd>();

/// Control messages, at the alignment that the kernel's macros count with.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// `struct iovec`.
#[repr(C)]
struct Part<'a> {
    first: *mut u8,
    length: usize,
    bytes: PhantomData<&'a [u8]>,
}

/// `struct user_msghdr` of the kernel: a message of one part, to nobody in
/// particular. The C libraries' differ in its padding. What the kernel writes when
/// it receives is in cells.
#[repr(C)]
pub(super) struct Message<'a> {
    name: *mut u8,
    name_length: Cell<libc::c_int>,
    parts: *const Part<'a>,
    part_count: usize,
    control: *mut u8,
    control_length: Cell<usize>,
    flags: Cell<libc::c_uint>,
    memory: PhantomData<&'a Control>,
}

impl<'a> Part<'a> {
    /// To be received into.
    fn of(bytes: &'a mut [u8]) -> Self {
        Self {
            first: bytes.as_mut_ptr(),
            length: bytes.len(),
            bytes: PhantomData,
        }
    }

    /// To be sent: the kernel only reads.
    fn to_send(bytes: &'a [u8]) -> Self {
        Self {
            first: bytes.as_ptr().cast_mut(),
            length: bytes.len(),
            bytes: PhantomData,
        }
    }
}

impl<'a> Message<'a> {
    fn new(part: &'a Part<'a>, control: &'a mut Control, control_length: usize) -> Self {
        Self {
            name: std::ptr::null_mut(),
            name_length: Cell::new(0),
            parts: part,
            part_count: 1,
            control: control.0.as_mut_ptr(),
            control_length: Cell::new(control_length.min(CONTROL)),
            flags: Cell::new(0),
            memory: PhantomData,
        }
    }
}

/// Sends bytes with descriptors; no SIGPIPE, through EINTR.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize> {
    if fds.len() > MAX_FDS {
        return Err(Errno::EINVAL);
    }
    let mut control = Control([0; CONTROL]);
    let length = if fds.is_empty() {
        0
    } else {
        write_rights(&mut control.0, fds)
    };
    let part = Part::to_send(bytes);
    let message = Message::new(&part, &mut control, length);
    loop {
        match Call::Sendmsg(socket, &message, libc::MSG_NOSIGNAL).make() {
            Err(Errno::EINTR) => {}
            sent => return sent.map(|sent| sent as usize),
        }
    }
}

/// One control message with the descriptors: its length, as the header says it
/// and as the kernel wants it, for the last one needs no padding.
fn write_rights(control: &mut [u8; CONTROL], fds: &[BorrowedFd<'_>]) -> usize {
    let length = HEADER + fds.len() * size_of::<RawFd>();
    let numbers = fds.iter().flat_map(|fd| fd.as_raw_fd().to_ne_bytes());
    let bytes = length
        .to_ne_bytes()
        .into_iter()
        .chain(libc::SOL_SOCKET.to_ne_bytes())
        .chain(libc::SCM_RIGHTS.to_ne_bytes())
        .chain(numbers);
    for (place, byte) in control.iter_mut().zip(bytes) {
        *place = byte;
    }
    length
}

/// Receives bytes and the descriptors that came with them, close-on-exec,
/// through EINTR. 0 bytes: the peer has closed.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> Result<usize> {
    let mut control = Control([0; CONTROL]);
    let part = Part::of(bytes);
    let message = Message::new(&part, &mut control, CONTROL);
    let received = loop {
        match Call::Recvmsg(socket, &message, libc::MSG_CMSG_CLOEXEC).make() {
            Err(Errno::EINTR) => {}
            received => break received? as usize,
        }
    };
    let length = message.control_length.get();
    let filled = control.0.get(..length).unwrap_or_default();
    fds.extend(rights(filled).map(|number| fd::own(number.into())));
    Ok(received)
}

/// The descriptors in what the kernel has filled of the control buffer.
fn rights(mut control: &[u8]) -> impl Iterator<Item = RawFd> {
    std::iter::from_fn(move || {
        let (length, rest) = control.split_first_chunk()?;
        let length = usize::from_ne_bytes(*length);
        let (level, rest) = rest.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let data = control.get(HEADER..length)?;
        control = control
            .get(length.next_multiple_of(size_of::<usize>())..)
            .unwrap_or_default();
        let is_rights = libc::c_int::from_ne_bytes(*level) == libc::SOL_SOCKET
            && libc::c_int::from_ne_bytes(*kind) == libc::SCM_RIGHTS;
        Some(if is_rights { data } else { &[] })
    })
    .flat_map(|data| data.chunks_exact(size_of::<RawFd>()))
    .filter_map(|number| Some(RawFd::from_ne_bytes(*number.first_chunk()?)))
}
