//! Any bytes where the runtime and a container's process talk, and in files of the
//! image that are read.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::link::Link;
use super::passwd;
use super::protocol::{Order, Report};

/// What the buffer of a socket surely takes.
const MOST: usize = 32 * 1024;

/// Messages end with the bytes, or are refused; neither side waits for more.
pub(crate) fn protocol(data: &[u8]) {
    let data = data.get(..MOST).unwrap_or(data);
    let receive = |from: UnixStream| Link::from(std::os::fd::OwnedFd::from(from));
    for runtime in [false, true] {
        let Ok((mut sender, receiver)) = UnixStream::pair() else {
            return;
        };
        if sender.write_all(data).is_err() || sender.shutdown(Shutdown::Both).is_err() {
            return;
        }
        let link = receive(receiver);
        let patience = Some(Duration::from_secs(1));
        if runtime {
            while let Ok(Some(_)) = link.receive::<Report>(patience) {}
        } else {
            while let Ok(Some(_)) = link.receive::<Order>(patience) {}
        }
    }
}

/// A home is a field of the text.
pub(crate) fn users(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for uid in [0, 1, 1000, u32::MAX] {
        if let Some(home) = passwd::find(&text, uid) {
            assert!(text.contains(&home), "a home out of nowhere");
            assert!(!home.contains([':', '\n']), "a home of several fields");
        }
    }
}
