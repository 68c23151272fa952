//! User and group ids from the command line.

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};

/// The user id and, when given, the group id of `UID[:GID]`.
///
/// # Errors
/// Anything else; a name is never looked up, and nothing becomes 0 by accident.
pub(super) fn user(text: &str) -> Result<(u32, Option<u32>)> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    Ok((id("uid", uid)?, gid.map(|gid| id("gid", gid)).transpose()?))
}

/// A supplementary group id.
///
/// # Errors
/// Anything but a group id.
pub(super) fn additional_gid(text: &str) -> Result<u32> {
    id("additional gid", text)
}

/// Decimal digits alone, up to 4294967294: the kernel takes the highest number,
/// -1, for "leave the id as it is" (setresuid(2)).
fn id(what: &str, text: &str) -> Result<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|&id| id != u32::MAX)
        .ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, format!("bad {what}: {text:?}"))
                .with_advice("an id is a whole number from 0 to 4294967294")
        })
}

#[cfg(test)]
mod tests {
    use super::{additional_gid, user};

    #[test]
    fn exactly_what_was_written() {
        for (text, wanted) in [
            ("0", (0, None)),
            ("1", (1, None)),
            ("01", (1, None)),
            ("1:2", (1, Some(2))),
            ("0:0", (0, Some(0))),
            (
                "4294967294:4294967294",
                (4_294_967_294, Some(4_294_967_294)),
            ),
        ] {
            assert_eq!(user(text).ok(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            "",
            "+1",
            " 1",
            "1 ",
            "-1",
            "4294967295",
            "4294967296",
            "0x0",
            "1:",
            ":1",
            ":",
            "1:2:3",
            "root",
            "root:root",
            "1:+2",
            "1:-1",
            "1:4294967295",
            "1e3",
            "1_000",
            "١",
            "1\n",
            "99999999999999999999999999",
        ] {
            assert!(user(text).is_err(), "{text:?}");
            assert!(additional_gid(text).is_err(), "{text:?}");
        }
        assert!(additional_gid("1:2").is_err());
        assert_eq!(additional_gid("65534").ok(), Some(65534));
    }

    #[test]
    fn the_fault_is_named() {
        let say = |text| user(text).err().map(|error| error.to_string());
        assert_eq!(say("x:1").as_deref(), Some("bad uid: \"x\""));
        assert_eq!(say("1:x").as_deref(), Some("bad gid: \"x\""));
    }
}
