//! The engine's side of a terminal: the console socket, and a pty whose other
//! side the runtime takes for its own terminal.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::os::fd::AsFd;

use super::fault::{Fault, Outcome, patience};

/// A listening socket for `--console-socket` or `--pidfd-socket`.
#[derive(Debug)]
pub(crate) struct ConsoleSocket {
    /// Its path.
    pub(crate) path: PathBuf,
    listener: UnixListener,
}

impl ConsoleSocket {
    /// Listens.
    pub(crate) fn listen(dir: &Path) -> Outcome<Self> {
        let path = dir.join("socket");
        let listener = UnixListener::bind(&path)?;
        Ok(Self { path, listener })
    }

    /// Its path as an argument.
    pub(crate) fn arg(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Takes the one message: its text and its descriptor. The runtime has ended,
    /// so what it sent is there.
    pub(crate) fn receive(&self) -> Outcome<(String, OwnedFd)> {
        let wait = PollFd::new(self.listener.as_fd(), PollFlags::POLLIN);
        if poll(&mut [wait], PollTimeout::from(5000u16))? == 0 {
            return Err(Fault::failed("nobody connected to the socket"));
        }
        let (stream, _) = self.listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(5) * patience()))?;
        let mut bytes = [0u8; 4096];
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 4]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<()>(
            stream.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        let length = message.bytes;
        let mut fds = Vec::new();
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(rights) = control {
                fds.extend(rights);
            }
        }
        let [fd] = fds.as_slice() else {
            return Err(Fault::failed(format!("{} descriptors came", fds.len())));
        };
        let fd = own(*fd);
        let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned();
        Ok((text, fd))
    }
}

/// A descriptor that the kernel has just given to this process.
#[expect(
    unsafe_code,
    reason = "recvmsg(2) gives numbers, and somebody must own them"
)]
fn own(fd: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: the kernel made this descriptor for the message, so nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Both sides of a terminal.
#[derive(Debug)]
pub(crate) struct Pty {
    /// The side that the test reads and writes.
    pub(crate) master: File,
    /// The side that the runtime gets.
    pub(crate) slave: File,
}

impl Pty {
    /// Opens one of this size.
    pub(crate) fn open(rows: u16, columns: u16) -> Outcome<Self> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let OpenptyResult { master, slave } = openpty(Some(&size), None)?;
        Ok(Self {
            master: File::from(master),
            slave: File::from(slave),
        })
    }
}

/// Reads from a pty's master until `part` has come, or the other side is closed;
/// five seconds at most, and more in a slow guest.
pub(crate) fn read_until(master: &mut File, part: &str) -> Outcome<String> {
    let deadline = Instant::now() + Duration::from_secs(5) * patience();
    let mut text = String::new();
    while !text.contains(part) {
        let ready = {
            let wait = PollFd::new(master.as_fd(), PollFlags::POLLIN);
            poll(&mut [wait], PollTimeout::from(100u16))?
        };
        if ready == 0 {
            if Instant::now() > deadline {
                return Err(Fault::failed(format!(
                    "{part:?} did not come, but {text:?}"
                )));
            }
            continue;
        }
        let mut bytes = [0u8; 4096];
        match master.read(&mut bytes) {
            // EIO: the other side is closed.
            Ok(0) | Err(_) => break,
            Ok(n) => text.push_str(&String::from_utf8_lossy(bytes.get(..n).unwrap_or_default())),
        }
    }
    Ok(text)
}

/// Types a line.
pub(crate) fn type_line(master: &mut File, line: &str) -> Outcome {
    master.write_all(format!("{line}\n").as_bytes())?;
    Ok(())
}
