//! Keys in another case than the specification's: Go's decoder, which engines and
//! scripts were tried with, takes `pagesize` for `pageSize`.

use serde_json::{Map, Value};

/// Every key of the specification that concerns Linux, sorted without regard to
/// case.
const KNOWN: [&str; 147] = [
    "access",
    "action",
    "additionalGids",
    "allow",
    "ambient",
    "annotations",
    "apparmorProfile",
    "architectures",
    "args",
    "blockIO",
    "bounding",
    "burst",
    "capabilities",
    "cgroupsPath",
    "checkBeforeUpdate",
    "class",
    "classID",
    "closID",
    "consoleSize",
    "containerID",
    "cpu",
    "cpus",
    "createContainer",
    "createRuntime",
    "cwd",
    "deadline",
    "defaultAction",
    "defaultErrnoRet",
    "destination",
    "devices",
    "disableOOMKiller",
    "domain",
    "domainname",
    "effective",
    "enableMonitoring",
    "env",
    "errnoRet",
    "execCPUAffinity",
    "fileMode",
    "final",
    "flags",
    "gid",
    "gidMappings",
    "hard",
    "hcaHandles",
    "hcaObjects",
    "height",
    "hooks",
    "hostID",
    "hostname",
    "hugepageLimits",
    "idle",
    "index",
    "inheritable",
    "initial",
    "intelRdt",
    "ioPriority",
    "kernel",
    "kernelTCP",
    "l3CacheSchema",
    "leafWeight",
    "limit",
    "linux",
    "listenerMetadata",
    "listenerPath",
    "major",
    "maskedPaths",
    "memBwSchema",
    "memory",
    "memoryPolicy",
    "mems",
    "minor",
    "mode",
    "mountLabel",
    "mounts",
    "name",
    "names",
    "namespaces",
    "nanosecs",
    "netDevices",
    "network",
    "nice",
    "nodes",
    "noNewPrivileges",
    "ociVersion",
    "oomScoreAdj",
    "op",
    "options",
    "pageSize",
    "path",
    "period",
    "permitted",
    "personality",
    "pids",
    "policy",
    "poststart",
    "poststop",
    "prestart",
    "priorities",
    "priority",
    "process",
    "quota",
    "rate",
    "rdma",
    "readonly",
    "readonlyPaths",
    "realtimePeriod",
    "realtimeRuntime",
    "reservation",
    "resources",
    "rlimits",
    "root",
    "rootfsPropagation",
    "runtime",
    "scheduler",
    "schemata",
    "seccomp",
    "secs",
    "selinuxLabel",
    "shares",
    "size",
    "soft",
    "source",
    "startContainer",
    "swap",
    "swappiness",
    "syscalls",
    "sysctl",
    "terminal",
    "throttleReadBpsDevice",
    "throttleReadIOPSDevice",
    "throttleWriteBpsDevice",
    "throttleWriteIOPSDevice",
    "timeOffsets",
    "timeout",
    "type",
    "uid",
    "uidMappings",
    "umask",
    "unified",
    "useHierarchy",
    "user",
    "value",
    "valueTwo",
    "weight",
    "weightDevice",
    "width",
];

/// Objects whose keys are names of things, not of the specification's.
const FREE: [&str; 7] = [
    "annotations",
    "listenerMetadata",
    "netDevices",
    "rdma",
    "sysctl",
    "timeOffsets",
    "unified",
];

/// The specification's spelling of a key; none when it is not one of its keys.
fn known(key: &str) -> Option<&'static str> {
    let order = |known: &&str| {
        let left = known.bytes().map(|byte| byte.to_ascii_lowercase());
        left.cmp(key.bytes().map(|byte| byte.to_ascii_lowercase()))
    };
    let index = KNOWN.binary_search_by(order).ok()?;
    KNOWN.get(index).copied()
}

/// Whether a text has a key in another case: one look at its strings, since most
/// texts have none.
pub(super) fn has_other_case(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(start) = rest.iter().position(|&byte| byte == b'"') {
        let body = rest.get(start.saturating_add(1)..).unwrap_or_default();
        let Some(end) = end_of_string(body) else {
            return false;
        };
        let after = body.get(end.saturating_add(1)..).unwrap_or_default();
        let next = after.iter().find(|byte| !byte.is_ascii_whitespace());
        if next == Some(&b':')
            && let Some(key) = body
                .get(..end)
                .and_then(|key| std::str::from_utf8(key).ok())
            && known(key).is_some_and(|known| known != key)
        {
            return true;
        }
        rest = after;
    }
    false
}

fn end_of_string(body: &[u8]) -> Option<usize> {
    let mut escaped = false;
    body.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// Gives each key the specification's spelling. Objects that are there in both
/// become one, as Go's decoder fills the same fields twice; of other values the one
/// in the right spelling wins.
pub(super) fn respell(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let other: Vec<(String, &'static str)> = fields
                .keys()
                .filter_map(|key| Some((key.clone(), known(key).filter(|known| known != key)?)))
                .collect();
            for (key, known) in other {
                if let Some(field) = fields.remove(&key) {
                    add(fields, known, field);
                }
            }
            for (key, field) in fields.iter_mut() {
                if !FREE.contains(&key.as_str()) {
                    respell(field);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(respell),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn add(fields: &mut Map<String, Value>, key: &str, field: Value) {
    match (fields.get_mut(key), field) {
        (None, field) => {
            fields.insert(key.to_owned(), field);
        }
        (Some(Value::Object(present)), Value::Object(more)) => {
            for (key, field) in more {
                add(present, &key, field);
            }
        }
        (Some(_), _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, has_other_case, known, respell};
    use serde_json::json;

    #[test]
    fn the_table_is_sorted() {
        let lower = |key: &&str| key.to_ascii_lowercase();
        assert!(KNOWN.is_sorted_by_key(lower));
        assert_eq!(known("PAGESIZE"), Some("pageSize"));
        assert_eq!(known("nosuchkey"), None);
    }

    #[test]
    fn only_keys_are_looked_at() {
        assert!(has_other_case(br#"{"a":1,"pagesize" : 2}"#));
        assert!(!has_other_case(
            br#"{"pageSize":"pagesize","b\"Type\"":["Type"],"x":"Path"}"#
        ));
        assert!(!has_other_case(br#"{"unterminated"#));
    }

    #[test]
    fn names_of_things_keep_their_case() {
        let mut value = json!({
            "Process": {"Env": ["PATH=x"], "cwd": "/", "CWD": "/other"},
            "annotations": {"Type": "x"},
            "linux": {"resources": {"hugepageLimits": [{"pagesize": "2MB"}], "unified": {"Cpu": "1"}}},
        });
        respell(&mut value);
        assert_eq!(
            value,
            json!({
                "process": {"env": ["PATH=x"], "cwd": "/"},
                "annotations": {"Type": "x"},
                "linux": {"resources": {"hugepageLimits": [{"pageSize": "2MB"}], "unified": {"Cpu": "1"}}},
            })
        );
    }

    #[test]
    fn an_object_in_two_spellings_is_one() {
        let mut value = json!({
            "cpu": {"shares": 100, "cpus": "1"},
            "CPU": {"Cpus": "0", "Mems": "0"},
        });
        respell(&mut value);
        assert_eq!(
            value,
            json!({"cpu": {"shares": 100, "cpus": "1", "mems": "0"}})
        );
    }
}
