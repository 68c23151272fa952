//! Starting, changing and stopping the unit.

use std::time::{Duration, Instant};

use super::holder::{Holder, holder, invocation};
use super::manager::{INTERFACE, Manager, NAME, PATH, PATIENCE, connect};
use super::plan::UnitPlan;
use super::properties::Property;
use crate::cgroups::parse::pids;
use crate::cgroups::record::RecordedUnit;
use crate::dbus::{Call, Connection, Error, Type, Value};
use crate::error::StepError;
use crate::sys::small_file;

/// How long a unit may take to be told to stop that never came to be.
const MOMENT: Duration = Duration::from_secs(2);

type Result<T> = std::result::Result<T, Error>;

/// A connection that is made anew, once, when the other side closes it: systemd
/// does when it executes itself anew, and a bus when it is updated.
pub(super) struct Session {
    manager: Manager,
    deadline: Instant,
    connection: Connection,
    lasted: bool,
}

impl Session {
    pub(super) fn open(manager: Manager, deadline: Instant) -> Result<Self> {
        Ok(Self {
            manager,
            deadline,
            connection: connect(manager, deadline)?,
            lasted: true,
        })
    }

    pub(super) fn call(&mut self, member: &str, body: Vec<Value>) -> Result<Vec<Value>> {
        self.call_object(&Call {
            destination: NAME,
            path: PATH,
            interface: INTERFACE,
            member,
            body,
        })
    }

    fn call_object(&mut self, call: &Call<'_>) -> Result<Vec<Value>> {
        match self.connection.call(call, self.deadline) {
            Err(Error::Closed) if self.lasted => {
                self.reconnect()?;
                self.connection.call(call, self.deadline)
            }
            result => result,
        }
    }

    /// A unit's property, of what it has as a `Unit`, a `Scope` or a `Slice`.
    pub(super) fn property(
        &mut self,
        unit: &str,
        interface: &str,
        name: &str,
    ) -> Result<Option<Value>> {
        let answer = self.call_object(&Call {
            destination: NAME,
            path: &object_path(unit),
            interface: "org.freedesktop.DBus.Properties",
            member: "Get",
            body: vec![
                Value::Text(format!("{NAME}.{interface}")),
                Value::text(name),
            ],
        })?;
        Ok(match answer.into_iter().next() {
            Some(Value::Variant(value)) => Some(*value),
            _ => None,
        })
    }

    fn reconnect(&mut self) -> Result<()> {
        let wants_jobs = self.connection.is_listening();
        self.lasted = false;
        self.connection = connect(self.manager, self.deadline)?;
        if wants_jobs {
            self.listen()?;
        }
        Ok(())
    }

    /// Asks for the signals that tell of jobs; without a bus they come unasked.
    fn listen(&mut self) -> Result<()> {
        self.connection.want(INTERFACE, "JobRemoved");
        if self.connection.is_through_bus() {
            let rule = format!(
                "type='signal',sender='{NAME}',path='{PATH}',interface='{INTERFACE}',\
                 member='JobRemoved'"
            );
            let deadline = self.deadline;
            self.connection
                .call_bus("AddMatch", vec![Value::Text(rule)], deadline)?;
            self.call("Subscribe", Vec::new())?;
        }
        Ok(())
    }

    /// The result of a job, once it is done; `until` says whether what the job
    /// is for is seen already, when the signal was lost with the connection.
    fn job(&mut self, job: &Value, until: &dyn Fn() -> bool) -> Result<String> {
        loop {
            match self.connection.signal(self.deadline) {
                // JobRemoved(u id, o job, s unit, s result)
                Ok(signal) if signal.get(1) == Some(job) => {
                    let result = signal.get(3).and_then(Value::as_text);
                    return Ok(result.unwrap_or_default().to_owned());
                }
                Ok(_) => {}
                Err(Error::Closed) if self.lasted => {
                    self.reconnect()?;
                    if until() {
                        return Ok("done".to_owned());
                    }
                }
                Err(Error::TimedOut) if until() => return Ok("done".to_owned()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Starts the unit with a process in it, and waits until `folder`, its cgroup,
/// has the process. Gives its invocation.
///
/// When it fails nothing of the unit is left, but one that was there before.
pub(in crate::cgroups) fn start(
    unit: &UnitPlan,
    folder: &str,
    pid: i32,
) -> std::result::Result<String, StepError> {
    let deadline = Instant::now() + PATIENCE;
    let failed = |reason: String| StepError::refused("start unit", unit.name.as_str(), reason);
    let has_process = || is_member(folder, pid);
    let seen = || {
        if unit.is_slice() {
            small_file::open_folder(folder).is_ok()
        } else {
            has_process()
        }
    };
    let mut session =
        Session::open(unit.manager, deadline).map_err(|error| failed(error.to_string()))?;
    let job = match request_start(&mut session, unit, pid) {
        // It was asked for twice, over a connection that broke.
        Err(error) if error.is_answer("UnitExists") && !session.lasted && seen() => {
            return Ok(invocation(&mut session, &unit.name));
        }
        Err(error) if error.is_answer("UnitExists") => {
            return Err(failed(error.to_string()));
        }
        result => result.and_then(|job| session.job(&job, &seen)),
    };
    let reason = match job {
        Ok(result) if result == "done" && seen() => {
            return Ok(invocation(&mut session, &unit.name));
        }
        Ok(result) if result == "done" => format!("process {pid} is not in its cgroup {folder}"),
        Ok(result) => format!("its job ended with {result:?}; see systemctl status"),
        Err(Error::TimedOut) => format!("no answer from systemd in {} s", PATIENCE.as_secs()),
        Err(error) => error.to_string(),
    };
    let record = RecordedUnit {
        manager: unit.manager,
        name: unit.name.clone(),
        invocation: None,
    };
    if let Err(error) = stop(&record, Some(pid), Instant::now() + MOMENT) {
        log::debug!("{error}");
    }
    Err(failed(reason))
}

/// Asks for the unit; a failed one of its name is cleared away first. Gives the
/// job.
fn request_start(session: &mut Session, unit: &UnitPlan, pid: i32) -> Result<Value> {
    session.listen()?;
    let mut properties = properties(&unit.properties);
    if !unit.is_slice() {
        let pids = vec![Value::U32(u32::try_from(pid).unwrap_or_default())];
        let pids = Value::Array(Type::Basic('u'), pids);
        properties.push(pair("PIDs", pids));
    }
    let helpers = Type::single("(sa(sv))")?;
    let body = vec![
        Value::text(&unit.name),
        Value::text("replace"),
        Value::Array(pair_type(), properties),
        Value::Array(helpers, Vec::new()),
    ];
    let answer = match session.call("StartTransientUnit", body.clone()) {
        Err(error) if error.is_answer("UnitExists") && session.lasted => {
            reset_failed(session, &unit.name);
            session.call("StartTransientUnit", body)
        }
        result => result,
    };
    answer?.into_iter().next().ok_or(NO_JOB)
}

const NO_JOB: Error = Error::Malformed("answer: it names no job");

/// Stops the unit and has systemd forget it; one that is gone is fine, and one
/// that is another's stays. `own` is the process that was to be in it.
pub(in crate::cgroups) fn stop(
    unit: &RecordedUnit,
    own: Option<i32>,
    deadline: Instant,
) -> std::result::Result<Holder, StepError> {
    let failed = |reason: String| StepError::refused("stop unit", unit.name.as_str(), reason);
    let mut session =
        Session::open(unit.manager, deadline).map_err(|error| failed(error.to_string()))?;
    let holder = holder(&mut session, unit, own).map_err(|error| failed(error.to_string()))?;
    if holder != Holder::Container {
        return Ok(holder);
    }
    let stopped = request_stop(&mut session, &unit.name);
    reset_failed(&mut session, &unit.name);
    match stopped.map_err(|error| failed(error.to_string()))?.as_str() {
        "done" => {}
        result => log::warn!("{}", failed(format!("its job ended with {result:?}"))),
    }
    Ok(holder)
}

fn request_stop(session: &mut Session, name: &str) -> Result<String> {
    session.listen()?;
    let body = vec![Value::text(name), Value::text("replace")];
    match session.call("StopUnit", body) {
        Err(error) if error.is_answer("NoSuchUnit") => Ok("done".to_owned()),
        Err(error) => Err(error),
        Ok(answer) => {
            let job = answer.into_iter().next().ok_or(NO_JOB)?;
            session.job(&job, &|| false)
        }
    }
}

/// A unit that failed stays until somebody has seen it; we have.
fn reset_failed(session: &mut Session, name: &str) {
    match session.call("ResetFailedUnit", vec![Value::text(name)]) {
        Err(error) if !error.is_answer("NoSuchUnit") => {
            log::debug!("systemd: cannot reset unit {name}: {error}");
        }
        _ => {}
    }
}

/// What the unit has of properties that are to be set, and what is really to be
/// set: those that it has not already.
pub(in crate::cgroups) fn changes(
    unit: &UnitPlan,
) -> std::result::Result<(UnitPlan, UnitPlan), StepError> {
    let with = |properties| UnitPlan {
        manager: unit.manager,
        name: unit.name.clone(),
        properties,
    };
    if unit.properties.is_empty() {
        return Ok((with(Vec::new()), with(Vec::new())));
    }
    let failed = |error: Error| {
        StepError::refused(
            "read properties of unit",
            unit.name.as_str(),
            error.to_string(),
        )
    };
    let interface = if unit.is_slice() { "Slice" } else { "Scope" };
    let deadline = Instant::now() + PATIENCE;
    let mut session = Session::open(unit.manager, deadline).map_err(failed)?;
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for property in &unit.properties {
        let value = session
            .property(&unit.name, interface, &property.name)
            .map_err(failed)?;
        if value.as_ref() == Some(&property.value) {
            continue;
        }
        old.extend(value.map(|value| Property::new(property.name.as_str(), value)));
        new.push(property.clone());
    }
    Ok((with(old), with(new)))
}

/// The path of a unit's object: letters and digits stand for themselves, but no
/// digit at the start (sd_bus_path_encode(3)).
fn object_path(name: &str) -> String {
    let mut path = format!("{PATH}/unit/");
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            let digit = |half| char::from_digit(u32::from(half), 16).unwrap_or_default();
            path.extend(['_', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    path
}

/// Sets properties until the unit ends.
pub(in crate::cgroups) fn set_properties(unit: &UnitPlan) -> std::result::Result<(), StepError> {
    if unit.properties.is_empty() {
        return Ok(());
    }
    let body = vec![
        Value::text(&unit.name),
        Value::Bool(true),
        Value::Array(pair_type(), properties(&unit.properties)),
    ];
    once(unit.manager, "SetUnitProperties", body).map_err(|error| {
        StepError::refused(
            "set properties of unit",
            unit.name.as_str(),
            error.to_string(),
        )
    })
}

/// Has systemd move a process into the unit, to `below` its cgroup: where the
/// process is, an ordinary user may not take it from.
pub(in crate::cgroups) fn attach(
    unit: &RecordedUnit,
    below: &str,
    pid: i32,
) -> std::result::Result<(), StepError> {
    let pids = vec![Value::U32(u32::try_from(pid).unwrap_or_default())];
    let body = vec![
        Value::text(&unit.name),
        Value::text(if below.is_empty() { "/" } else { below }),
        Value::Array(Type::Basic('u'), pids),
    ];
    once(unit.manager, "AttachProcessesToUnit", body).map_err(|error| {
        let object = format!("adding pid {pid} to unit {}{below}", unit.name);
        StepError::refused("finish", object, error.to_string())
    })
}

fn once(manager: Manager, member: &str, body: Vec<Value>) -> Result<()> {
    let mut session = Session::open(manager, Instant::now() + PATIENCE)?;
    session.call(member, body).map(|_| ())
}

fn pair_type() -> Type {
    Type::Struct(vec![Type::Basic('s'), Type::Variant])
}

fn pair(name: &str, value: Value) -> Value {
    Value::Struct(vec![Value::text(name), value.variant()])
}

fn properties(list: &[Property]) -> Vec<Value> {
    list.iter()
        .map(|property| pair(&property.name, property.value.clone()))
        .collect()
}

/// Whether the process is in this very cgroup.
fn is_member(folder: &str, pid: i32) -> bool {
    small_file::read(&format!("{folder}/cgroup.procs")).is_ok_and(|text| pids(&text).contains(&pid))
}

#[cfg(test)]
mod tests {
    use super::object_path;

    #[test]
    fn names_become_paths() {
        assert_eq!(
            object_path("a-1.scope"),
            "/org/freedesktop/systemd1/unit/a_2d1_2escope"
        );
        assert_eq!(object_path("1"), "/org/freedesktop/systemd1/unit/_31");
    }
}
