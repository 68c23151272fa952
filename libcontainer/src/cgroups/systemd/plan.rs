//! The unit, as the plan has it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::annotations;
use super::manager::{Manager, Systemd};
use super::name::{UnitName, is_slice};
use super::properties::{Properties, Property, resources};
use super::unified::oom_policy;
use crate::dbus::{Type, Value};
use crate::error::Findings;
use crate::spec::oci::LinuxResources;

/// What planning a unit goes by.
#[derive(Debug)]
pub struct UnitRequest<'a> {
    /// The host's systemd.
    pub systemd: &'a Systemd,
    /// The device rules.
    pub devices: UnitDevices,
    /// The container's annotations.
    pub annotations: &'a HashMap<String, String>,
}

/// Device rules in systemd's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitDevices {
    /// Leave devices alone.
    Untouched,
    /// All are allowed, as far as systemd is concerned.
    Open,
    /// These, and what is done to them: `/dev/char/1:3` and `rwm`.
    Strict(Vec<(String, String)>),
}

/// A transient unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitPlan {
    /// Which systemd has it.
    pub manager: Manager,
    /// As `docker-c1.scope`.
    pub name: String,
    /// The properties to set, in their order, without the process.
    pub properties: Vec<Property>,
}

impl UnitPlan {
    /// Whether it is a slice, which takes no process from systemd.
    #[must_use]
    pub fn is_slice(&self) -> bool {
        is_slice(&self.name)
    }
}

/// Plans a unit; `asked` are resources as systemd can hold them.
pub(in crate::cgroups) fn unit(
    name: UnitName,
    id: &str,
    request: &UnitRequest<'_>,
    asked: Option<&LinuxResources>,
    legacy: bool,
    findings: &mut Findings,
) -> UnitPlan {
    let version = request.systemd.version;
    let mut properties = Properties::new(version);
    let description = format!("lodge container {id}");
    properties.set("Description", Value::text(description));
    if is_slice(&name.unit) {
        // A slice's place is in its name; this only starts the other one.
        let wants = vec![Value::text(name.slice)];
        properties.set("Wants", Value::Array(Type::Basic('s'), wants));
    } else {
        properties.set("Slice", Value::text(name.slice));
        properties.set("Delegate", Value::Bool(true));
    }
    let io = if legacy {
        "BlockIOAccounting"
    } else {
        "IOAccounting"
    };
    for accounting in ["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"] {
        properties.set(accounting, Value::Bool(true));
    }
    properties.set("DefaultDependencies", Value::Bool(false));
    for property in annotations::properties(request.annotations, findings) {
        properties.set(&property.name, property.value);
    }
    add_devices(&request.devices, &mut properties);
    if let Some(asked) = asked {
        for property in resources(asked, version, legacy, findings) {
            properties.set(&property.name, property.value);
        }
        if let Some(map) = asked.unified() {
            oom_policy(map, &mut properties);
        }
    }
    UnitPlan {
        manager: request.systemd.manager,
        name: name.unit,
        properties: properties.list,
    }
}

fn add_devices(devices: &UnitDevices, properties: &mut Properties) {
    let (policy, allowed) = match devices {
        UnitDevices::Untouched => return,
        UnitDevices::Open => ("auto", Vec::new()),
        UnitDevices::Strict(allowed) => ("strict", allowed.clone()),
    };
    let entries = allowed
        .into_iter()
        .map(|(device, access)| Value::Struct(vec![Value::Text(device), Value::Text(access)]))
        .collect();
    let entry = Type::Struct(vec![Type::Basic('s'), Type::Basic('s')]);
    properties.set("DevicePolicy", Value::text(policy));
    properties.set("DeviceAllow", Value::Array(entry, entries));
}
