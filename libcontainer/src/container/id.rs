//! A container's id, which is also a directory's name.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// An id that is safe as a file name: 1 to 1024 of `A-Z a-z 0-9 _ + - .`, and
/// neither `.` nor `..`.
///
/// ```
/// use libcontainer::container::ContainerId;
///
/// assert!(ContainerId::new("web-1").is_ok());
/// assert!(ContainerId::new("../web").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContainerId(String);

impl ContainerId {
    /// The longest id that engines use.
    pub const MAX_BYTES: usize = 1024;

    /// Checks an id.
    ///
    /// # Errors
    /// `InvalidConfig`, with the words that engines know: `invalid container ID
    /// format`.
    pub fn new(id: &str) -> Result<Self, Error> {
        let known = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'+' | b'-' | b'.');
        let sound = !id.is_empty()
            && id.len() <= Self::MAX_BYTES
            && id != "."
            && id != ".."
            && id.bytes().all(known);
        if sound {
            return Ok(Self(id.to_owned()));
        }
        Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("invalid container ID format: {:?}", shorten(id)),
        )
        .with_advice("an id is 1 to 1024 letters, digits or _ + - . and neither . nor .."))
    }

    /// The id as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first part of a text too long for a message.
fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::ContainerId;

    #[test]
    fn takes_what_engines_send() {
        for id in ["a", "A.b_c+d-9", ".x", "...", &"x".repeat(1024)] {
            assert!(ContainerId::new(id).is_ok(), "{id}");
        }
    }

    #[test]
    fn refuses_what_is_no_file_name() {
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "a\n",
            "ä",
            "a\0",
            &"x".repeat(1025),
        ] {
            assert!(ContainerId::new(id).is_err(), "{id:?}");
        }
    }
}
