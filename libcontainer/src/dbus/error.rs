//! Why talking to a bus failed.

use std::fmt;

use crate::error::reason;
use crate::sys::Errno;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The kernel's reason.
    Os(Errno),
    /// The peer has closed the connection.
    Closed,
    /// The deadline is over.
    TimedOut,
    /// The peer does not take us for whom the kernel says we are.
    Rejected,
    /// The peer's answer to the call is an error.
    Answer {
        /// As `org.freedesktop.DBus.Error.AccessDenied`.
        name: String,
        /// In words.
        message: String,
    },
    /// Bytes, a signature or an address that the specification does not know.
    Malformed(&'static str),
}

impl Error {
    /// Whether the peer answered with this error, named by its last word.
    pub(crate) fn is_answer(&self, word: &str) -> bool {
        matches!(self, Self::Answer { name, .. } if name.rsplit('.').next() == Some(word))
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        if matches!(errno, Errno::EPIPE | Errno::ECONNRESET) {
            return Self::Closed;
        }
        Self::Os(errno)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Errno::from_raw(error.raw_os_error().unwrap_or_default()).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Os(errno) => f.write_str(&reason(*errno)),
            Self::Closed => f.write_str("the connection was closed"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Rejected => f.write_str("the bus rejected our credentials"),
            Self::Answer { name, message } if message.is_empty() => f.write_str(name),
            Self::Answer { message, .. } => f.write_str(message),
            Self::Malformed(what) => write!(f, "malformed {what}"),
        }
    }
}

impl std::error::Error for Error {}
