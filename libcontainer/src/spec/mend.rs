//! What runc's reader takes and the strict one refuses, made strict.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::oci::Capability;

/// Mends a whole configuration.
pub(super) fn spec(document: &mut Value, notes: &mut Vec<String>) {
    drop_nulls(document);
    if let Some(process) = document.get_mut("process") {
        mend_process(process, "process", notes);
    }
    if let Some(resources) = document.pointer_mut("/linux/resources") {
        mend_resources(resources);
    }
}

/// Mends a document of limits.
pub(super) fn resources(document: &mut Value, _notes: &mut Vec<String>) {
    drop_nulls(document);
    mend_resources(document);
}

fn mend_resources(resources: &mut Value) {
    if let Some(rules) = resources.get_mut("devices") {
        for rule in items(rules) {
            // No type means every type.
            if rule.get("type").is_some_and(|kind| kind == "") {
                rule.remove("type");
            }
        }
    }
    if let Some(limits) = resources.get_mut("hugepageLimits") {
        for limit in items(limits) {
            // The specification's numbers go to 2^64 - 1, the strict ones to
            // 2^63 - 1; both are more than any machine has.
            if limit
                .get("limit")
                .and_then(Value::as_u64)
                .is_some_and(|value| i64::try_from(value).is_err())
            {
                limit.insert("limit".to_owned(), json!(i64::MAX));
            }
        }
    }
    if let Value::Object(fields) = resources
        && fields
            .get("pids")
            .is_some_and(|pids| pids.get("limit").is_none())
    {
        fields.remove("pids");
    }
}

/// Mends a process document.
pub(super) fn process_document(document: &mut Value, notes: &mut Vec<String>) {
    drop_nulls(document);
    mend_process(document, "", notes);
}

fn mend_process(process: &mut Value, path: &str, notes: &mut Vec<String>) {
    let Value::Object(process) = process else {
        return;
    };
    // Absent is zero, and what is wrong with that is said by the plan.
    process
        .entry("user")
        .or_insert_with(|| json!({"uid": 0, "gid": 0}));
    process.entry("cwd").or_insert_with(|| json!(""));
    if let Some(Value::Object(sets)) = process.get_mut("capabilities") {
        let mut unknown = BTreeSet::new();
        for set in sets.values_mut() {
            known_capabilities(set, &mut unknown);
        }
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.into_iter().collect();
            notes.push(format!(
                "{}: ignoring unknown or unavailable capabilities: [{}]",
                join(path, "capabilities"),
                names.join(" ")
            ));
        }
    }
    if let Some(Value::Array(flags)) = process
        .get_mut("scheduler")
        .and_then(|scheduler| scheduler.get_mut("flags"))
    {
        for flag in flags {
            // The specification's name for it.
            if flag == "SCHED_FLAG_RESET_ON_FORK" {
                *flag = json!("SCHED_RESET_ON_FORK");
            }
        }
    }
}

/// Takes out what is no capability, and says what it was.
fn known_capabilities(set: &mut Value, unknown: &mut BTreeSet<String>) {
    let Value::Array(names) = set else { return };
    names.retain(|name| {
        let Some(text) = name.as_str() else {
            return true;
        };
        let known = text
            .strip_prefix("CAP_")
            .is_some_and(|short| Capability::from_str(short).is_ok());
        if !known {
            unknown.insert(text.to_owned());
        }
        known
    });
}

/// A null is the zero value to Go's decoder, which is what an absent key is.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(elements) => elements.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn items(list: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    list.as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}
