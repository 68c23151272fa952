//! Whose a unit is: names are anybody's to take, before the container's unit was
//! there and after it has ended.

use std::fmt::Write;
use std::time::Instant;

use super::manager::PATIENCE;
use super::unit::Session;
use crate::cgroups::record::RecordedUnit;
use crate::dbus::{Error, Value};

/// Who has the name of a container's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cgroups) enum Holder {
    /// There is no such unit, or it has not run.
    Nobody,
    /// The container.
    Container,
    /// Somebody else, who wants it to live on.
    Another,
}

/// Whether somebody else's unit has the name by now. Where systemd does not say,
/// it is taken to be ours only if it was.
pub(in crate::cgroups) fn is_anothers(unit: &RecordedUnit) -> bool {
    let found = Session::open(unit.manager, Instant::now() + PATIENCE)
        .and_then(|mut session| holder(&mut session, unit, None));
    match found {
        Ok(found) => found == Holder::Another,
        Err(error) => {
            log::warn!("cannot tell whose unit {} is: {error}", unit.name);
            unit.invocation.is_none()
        }
    }
}

/// Finds whose the unit is. Each run of a unit has an invocation of its own; a
/// `create` that was killed may not have noted it: then the unit is the
/// container's when it is transient, and has no process but perhaps `own`.
pub(super) fn holder(
    session: &mut Session,
    unit: &RecordedUnit,
    own: Option<i32>,
) -> Result<Holder, Error> {
    if unit.invocation.as_deref() == Some("") {
        return Ok(Holder::Container);
    }
    let current = match session.property(&unit.name, "Unit", "InvocationID") {
        Err(error) if is_absent(&error) => return Ok(Holder::Nobody),
        value => hex(value?.as_ref()),
    };
    if current.is_empty() {
        return Ok(Holder::Nobody);
    }
    let whose = |ours| {
        if ours {
            Holder::Container
        } else {
            Holder::Another
        }
    };
    if let Some(known) = &unit.invocation {
        return Ok(whose(*known == current));
    }
    let transient = session.property(&unit.name, "Unit", "Transient")?;
    if transient != Some(Value::Bool(true)) {
        return Ok(Holder::Another);
    }
    // GetUnitProcesses(s name) gives a(s cgroup, u pid, s command line).
    match session.call("GetUnitProcesses", vec![Value::text(&unit.name)]) {
        Err(error) if is_absent(&error) => Ok(Holder::Nobody),
        answer => Ok(whose(has_only(answer?.first(), own))),
    }
}

/// The invocation of a unit that was just started; empty where systemd has none
/// to give (before 232).
pub(super) fn invocation(session: &mut Session, name: &str) -> String {
    match session.property(name, "Unit", "InvocationID") {
        Ok(value) => hex(value.as_ref()),
        Err(error) => {
            log::debug!("systemd: no invocation of unit {name}: {error}");
            String::new()
        }
    }
}

fn is_absent(error: &Error) -> bool {
    error.is_answer("NoSuchUnit") || error.is_answer("UnknownObject")
}

fn has_only(processes: Option<&Value>, own: Option<i32>) -> bool {
    let own = own.and_then(|pid| u32::try_from(pid).ok());
    let Some(Value::Array(_, processes)) = processes else {
        return false;
    };
    processes.iter().all(|process| {
        let Value::Struct(members) = process else {
            return false;
        };
        let pid = members.get(1).and_then(Value::as_u32);
        pid.is_some() && pid == own
    })
}

fn hex(bytes: Option<&Value>) -> String {
    let mut text = String::new();
    if let Some(Value::Array(_, bytes)) = bytes {
        for byte in bytes {
            if let Value::Byte(byte) = byte {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{has_only, hex};
    use crate::dbus::{Type, Value};

    fn processes(pids: &[u32]) -> Value {
        let process = |pid: &u32| {
            Value::Struct(vec![
                Value::text("/a.scope"),
                Value::U32(*pid),
                Value::text("sleep 1"),
            ])
        };
        let kind = process(&0).kind();
        Value::Array(kind, pids.iter().map(process).collect())
    }

    #[test]
    fn one_process_of_another_makes_it_anothers() {
        assert!(has_only(Some(&processes(&[])), None));
        assert!(has_only(Some(&processes(&[7])), Some(7)));
        assert!(!has_only(Some(&processes(&[7])), None));
        assert!(!has_only(Some(&processes(&[7, 8])), Some(7)));
        assert!(!has_only(None, Some(7)));
    }

    #[test]
    fn an_invocation_is_read_as_systemctl_shows_it() {
        let bytes = vec![Value::Byte(0x0a), Value::Byte(0xff)];
        let value = Value::Array(Type::Basic('y'), bytes);
        assert_eq!(hex(Some(&value)), "0aff");
        assert_eq!(hex(Some(&Value::Bool(true))), "");
        assert_eq!(hex(None), "");
    }
}
