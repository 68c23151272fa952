//! Where a bus listens (D-Bus Specification, "Server Addresses").

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A local socket; other transports are for other machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A socket in the file system.
    File(PathBuf),
    /// A name without a file.
    Abstract(Vec<u8>),
}

impl Address {
    /// The local sockets of a list of addresses, in their order.
    pub(crate) fn list(text: &str) -> Vec<Self> {
        text.split(';').filter_map(one).collect()
    }
}

fn one(address: &str) -> Option<Address> {
    let keys = address.strip_prefix("unix:")?;
    keys.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = unescape(value)?;
        match key {
            "path" => Some(Address::File(OsString::from_vec(value).into())),
            "abstract" => Some(Address::Abstract(value)),
            _ => None,
        }
    })
}

/// `%2f` as `/`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        plain.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn local_sockets_are_picked() {
        let list = Address::list(
            "tcp:host=x,port=1;unix:path=/run/a%20b,guid=00;unix:guid=1,abstract=/tmp/x;unix:path=%2",
        );
        assert_eq!(
            list,
            [
                Address::File("/run/a b".into()),
                Address::Abstract(b"/tmp/x".to_vec())
            ]
        );
        assert_eq!(Address::list("autolaunch:"), []);
    }
}
