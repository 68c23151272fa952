//! The log of a host: the journal, or what listens for syslog.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use libcontainer::Result;

use super::cannot;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Daemon {
    /// systemd's, by its native protocol (systemd's `JOURNAL_NATIVE_PROTOCOL`).
    Journal,
    /// As syslog(3) sends it.
    Syslog,
}

impl Daemon {
    fn socket(self) -> &'static Path {
        Path::new(match self {
            Self::Journal => "/run/systemd/journal/socket",
            Self::Syslog => "/dev/log",
        })
    }

    /// A line as the daemon takes it, under the identifier of its sender.
    fn datagram(self, identifier: &str, level: &str, message: &str) -> Vec<u8> {
        let priority = priority(level);
        match self {
            Self::Journal => {
                let mut fields = Vec::with_capacity(message.len() + identifier.len() + 64);
                for (name, value) in [
                    ("PRIORITY", priority.to_string().as_str()),
                    ("SYSLOG_IDENTIFIER", identifier),
                    ("MESSAGE", message),
                ] {
                    // With its length before it a value may hold anything.
                    fields.extend_from_slice(name.as_bytes());
                    fields.push(b'\n');
                    let length = u64::try_from(value.len()).unwrap_or_default();
                    fields.extend_from_slice(&length.to_le_bytes());
                    fields.extend_from_slice(value.as_bytes());
                    fields.push(b'\n');
                }
                fields
            }
            Self::Syslog => {
                // RFC 3164's facility of programs that serve others.
                const DAEMON: u8 = 3 << 3;
                let message = message.replace(['\n', '\0'], " ");
                format!("<{}>{identifier}: {message}", DAEMON | priority).into_bytes()
            }
        }
    }
}

/// syslog(3)'s number of a level.
fn priority(level: &str) -> u8 {
    match level {
        "error" => 3,
        "warning" => 4,
        "info" => 6,
        _ => 7,
    }
}

/// A daemon that listens.
#[derive(Debug)]
pub(super) struct Listener {
    daemon: Daemon,
    identifier: String,
    socket: UnixDatagram,
}

impl Listener {
    /// Finds the daemon.
    ///
    /// # Errors
    /// Nobody listens.
    pub(super) fn new(daemon: Daemon, identifier: &str) -> Result<Self> {
        let path = daemon.socket();
        Self::at(path, daemon, identifier)
            .map_err(|error| cannot("open log", &path.to_string_lossy(), &error))
    }

    fn at(path: &Path, daemon: Daemon, identifier: &str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        // A daemon that does not read must not hold up a container.
        socket.set_nonblocking(true)?;
        Ok(Self {
            daemon,
            identifier: identifier.to_owned(),
            socket,
        })
    }

    /// Tells it a line.
    pub(super) fn write(&self, level: &str, message: &str) -> io::Result<()> {
        let datagram = self.daemon.datagram(&self.identifier, level, message);
        self.socket.send(&datagram).map(|_| ())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Daemon, Listener};
    use std::os::unix::net::UnixDatagram;

    fn received(daemon: Daemon, level: &str, message: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listening = UnixDatagram::bind(&path).unwrap();
        let listener = Listener::at(&path, daemon, "c1").unwrap();
        listener.write(level, message).unwrap();
        let mut buffer = [0; 256];
        let length = listening.recv(&mut buffer).unwrap();
        buffer.get(..length).unwrap().to_vec()
    }

    #[test]
    fn syslog_has_one_line_with_facility_and_level() {
        assert_eq!(
            received(Daemon::Syslog, "error", "two\nlines"),
            b"<27>c1: two lines"
        );
        assert_eq!(received(Daemon::Syslog, "debug", "x"), b"<31>c1: x");
    }

    #[test]
    fn the_journal_has_fields_with_their_lengths() {
        assert_eq!(
            received(Daemon::Journal, "warning", "two\nlines"),
            b"PRIORITY\n\x01\0\0\0\0\0\0\x004\nSYSLOG_IDENTIFIER\n\x02\0\0\0\0\0\0\0c1\n\
              MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n"
        );
    }

    #[test]
    fn a_daemon_that_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("socket");
        assert!(Listener::at(&missing, Daemon::Syslog, "c1").is_err());
    }
}
