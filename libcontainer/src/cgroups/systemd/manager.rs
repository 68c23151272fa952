//! The systemd that makes the units: the host's, or the user's own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::dbus::{self, Address, Call, Connection, Value};
use crate::error::{Error, ErrorKind};

/// How long systemd has for an answer, and for a unit to be there or gone. It
/// may be reloading, or busy with a boot.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Where systemd is on its bus.
pub(super) const NAME: &str = "org.freedesktop.systemd1";
pub(super) const PATH: &str = "/org/freedesktop/systemd1";
pub(super) const INTERFACE: &str = "org.freedesktop.systemd1.Manager";

const SYSTEM_BUS: &str = "unix:path=/run/dbus/system_bus_socket";
const ADVICE: &str = "leave out --systemd-cgroup: cgroups are then made without systemd";

/// Which systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manager {
    /// The host's.
    System,
    /// The calling user's.
    User,
}

/// What planning has to know of systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Systemd {
    /// Which one it is.
    pub manager: Manager,
    /// 257; 0 when it does not say.
    pub version: u32,
    /// Its own cgroup, below which all its units are: empty for the root.
    pub control_group: String,
}

/// Asks systemd what planning has to know.
///
/// # Errors
/// `Unsupported` where there is none, or none for us.
pub fn probe(manager: Manager) -> Result<Systemd, Error> {
    if manager == Manager::System && !Path::new("/run/systemd/system").is_dir() {
        let message = "systemd is not running on this host: there is no /run/systemd/system";
        return Err(Error::new(ErrorKind::Unsupported, message).with_advice(ADVICE));
    }
    let deadline = Instant::now() + PATIENCE;
    let unreachable = |error: dbus::Error| {
        let whose = match manager {
            Manager::System => "systemd",
            Manager::User => "the user's systemd",
        };
        let advice = match manager {
            Manager::System => ADVICE,
            Manager::User => {
                "log in so that a user manager runs (loginctl enable-linger keeps it), with \
                 XDG_RUNTIME_DIR or DBUS_SESSION_BUS_ADDRESS set, or leave out --systemd-cgroup"
            }
        };
        Error::new(
            ErrorKind::Unsupported,
            format!("cannot reach {whose}: {error}"),
        )
        .with_advice(advice)
    };
    let mut connection = connect(manager, deadline).map_err(unreachable)?;
    let mut property = |name: &str| {
        let call = Call {
            destination: NAME,
            path: PATH,
            interface: "org.freedesktop.DBus.Properties",
            member: "Get",
            body: vec![Value::text(INTERFACE), Value::text(name)],
        };
        let answer = connection.call(&call, deadline).map_err(unreachable)?;
        let text = answer.first().and_then(Value::as_text).unwrap_or_default();
        Ok::<_, Error>(text.to_owned())
    };
    let control_group = property("ControlGroup")?;
    Ok(Systemd {
        manager,
        version: version(&property("Version")?),
        control_group: control_group.trim_end_matches('/').to_owned(),
    })
}

/// The first number of what systemd calls its version: `v257.3-1`, `252 (252-1)`.
fn version(text: &str) -> u32 {
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(digits.len());
    digits
        .get(..end)
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// The user whose session bus we can reach, as the bus sees them: in a user
/// namespace we may be somebody else than we think. None without such a bus.
#[must_use]
pub fn owner_of_session() -> Option<u32> {
    let deadline = Instant::now() + PATIENCE;
    let mut connection = session_buses()
        .iter()
        .find_map(|address| Connection::bus(address, deadline).ok())?;
    let answer = connection
        .call_bus(
            "GetConnectionCredentials",
            vec![Value::text(NAME)],
            deadline,
        )
        .ok()?;
    answer.first()?.get("UnixUserID")?.as_u32()
}

/// Connects, in the order in which there is least between us. Root needs no bus
/// to speak to the host's systemd, which then works while the bus does not.
pub(super) fn connect(manager: Manager, deadline: Instant) -> Result<Connection, dbus::Error> {
    let private = |path: PathBuf| Connection::direct(&Address::File(path), deadline);
    let mut first_error = None;
    let mut attempt = |result: Result<Connection, dbus::Error>| match result {
        Ok(connection) => Some(Ok(connection)),
        // It would not answer elsewhere either.
        Err(dbus::Error::TimedOut) => Some(Err(dbus::Error::TimedOut)),
        Err(error) => {
            log::debug!("systemd: {error}");
            first_error.get_or_insert(error);
            None
        }
    };
    match manager {
        Manager::System => {
            if let Some(result) = attempt(private("/run/systemd/private".into())) {
                return result;
            }
            let named = std::env::var("DBUS_SYSTEM_BUS_ADDRESS");
            for address in Address::list(named.as_deref().unwrap_or(SYSTEM_BUS)) {
                if let Some(result) = attempt(Connection::bus(&address, deadline)) {
                    return result;
                }
            }
        }
        Manager::User => {
            for address in session_buses() {
                if let Some(result) = attempt(Connection::bus(&address, deadline)) {
                    return result;
                }
            }
            if let Some(directory) = runtime_directory()
                && let Some(result) = attempt(private(directory.join("systemd/private")))
            {
                return result;
            }
        }
    }
    Err(first_error.unwrap_or(dbus::Error::Malformed("address: there is no bus for us")))
}

/// The addresses of the user's bus: the one that is named, else the usual one.
fn session_buses() -> Vec<Address> {
    if let Ok(named) = std::env::var("DBUS_SESSION_BUS_ADDRESS")
        && !named.is_empty()
    {
        return Address::list(&named);
    }
    runtime_directory()
        .map(|directory| Address::File(directory.join("bus")))
        .into_iter()
        .collect()
}

/// `XDG_RUNTIME_DIR`, or where systemd makes it.
fn runtime_directory() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("XDG_RUNTIME_DIR")
        && !named.is_empty()
    {
        return Some(named.into());
    }
    let usual = PathBuf::from(format!("/run/user/{}", nix::unistd::getuid()));
    usual.is_dir().then_some(usual)
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_numbers() {
        for (text, number) in [
            ("257", 257),
            ("v245.4-1.fc32", 245),
            ("252 (252.39-1~deb12u1)", 252),
            ("\"v245", 245),
            ("", 0),
            ("x", 0),
        ] {
            assert_eq!(version(text), number, "{text:?}");
        }
    }
}
