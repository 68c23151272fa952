//! NUL bytes: the kernel takes a text up to the first one, so that it would do
//! something else than what a document says.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Findings};

/// How JSON writes it, after a backslash; as itself it may not stand in a string.
const ESCAPE: &[u8] = b"u0000";

/// Refuses a document with a NUL in a string of these sections, of all when none
/// is named, by its path.
///
/// The text is searched first: there is next to never anything to look for in
/// what can be read from it.
pub(super) fn refuse(text: &[u8], sections: &[&str]) -> Result<(), Error> {
    let mut escapes = text.split(|&byte| byte == b'\\').skip(1);
    if !escapes.any(|rest| rest.starts_with(ESCAPE)) {
        return Ok(());
    }
    let mut document = serde_json::Deserializer::from_slice(text);
    let Ok(Value::Object(fields)) = Value::deserialize(&mut document) else {
        // What else is wrong with it is told by who reads it.
        return Ok(());
    };
    let mut findings = Findings::new();
    for (name, value) in &fields {
        let known = |section: &&str| name.eq_ignore_ascii_case(section);
        if sections.is_empty() || sections.iter().any(known) {
            look(name, value, &mut findings);
        }
    }
    if findings.has_errors() {
        return Err(findings.into());
    }
    Ok(())
}

fn look(path: &str, value: &Value, findings: &mut Findings) {
    match value {
        Value::String(text) => check(path, text, findings),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                look(&format!("{path}[{index}]"), item, findings);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{path}.{}", name.escape_debug());
                check(&path, name, findings);
                look(&path, field, findings);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn check(path: &str, text: &str, findings: &mut Findings) {
    if text.contains('\0') {
        findings.error(path, "contains a NUL byte");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use crate::spec::{read_process, read_spec};

    fn refused(text: &str) -> Option<String> {
        let read = read_spec("config.json", text.as_bytes());
        read.err().map(|error| error.to_string())
    }

    #[test]
    fn every_string_is_looked_at() {
        for (text, path) in [
            (r#"{"hostname":"a\u0000"}"#, "hostname"),
            (r#"{"domainname":"a\u0000"}"#, "domainname"),
            (r#"{"root":{"path":"\u0000"}}"#, "root.path"),
            (
                r#"{"process":{"user":{},"cwd":"/\u0000","args":["a"]}}"#,
                "process.cwd",
            ),
            (
                r#"{"process":{"user":{},"cwd":"/","args":["a","\u0000b"]}}"#,
                "process.args[1]",
            ),
            (
                r#"{"process":{"user":{},"cwd":"/","env":["A=\u0000b"]}}"#,
                "process.env[0]",
            ),
            (
                r#"{"mounts":[{"destination":"/a"},{"destination":"/b","options":["ro\u0000"]}]}"#,
                "mounts[1].options[0]",
            ),
            (
                r#"{"hooks":{"poststop":[{"path":"/x\u0000"}]}}"#,
                "hooks.poststop[0].path",
            ),
            (
                r#"{"hooks":{"startContainer":[{"path":"/x","env":["A=\u0000"]}]}}"#,
                "hooks.startContainer[0].env[0]",
            ),
            (
                r#"{"linux":{"maskedPaths":["/a\u0000"]}}"#,
                "linux.maskedPaths[0]",
            ),
            (
                r#"{"linux":{"devices":[{"path":"/dev/\u0000","type":"p"}]}}"#,
                "linux.devices[0].path",
            ),
            (
                r#"{"linux":{"sysctl":{"net.x":"1\u0000"}}}"#,
                "linux.sysctl.net.x",
            ),
            (
                r#"{"linux":{"namespaces":[{"type":"pid","path":"/p\u0000"}]}}"#,
                "linux.namespaces[0].path",
            ),
            (
                r#"{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/l\u0000"}}}"#,
                "linux.seccomp.listenerPath",
            ),
        ] {
            assert_eq!(
                refused(text),
                Some(format!("{path}: contains a NUL byte")),
                "{text}"
            );
        }
        let process = br#"{"user":{},"cwd":"/","args":["\u0000"]}"#;
        assert!(read_process("process.json", process).is_err());
    }

    #[test]
    fn names_count_too() {
        let text = r#"{"linux":{"sysctl":{"net.\u0000":"1"}}}"#;
        assert_eq!(
            refused(text).unwrap(),
            r"linux.sysctl.net.\0: contains a NUL byte"
        );
    }

    #[test]
    fn annotations_and_what_nobody_reads_may_hold_any_text() {
        for text in [
            r#"{"annotations":{"a":"\u0000","\u0000":"b"}}"#,
            r#"{"unknown":"\u0000"}"#,
            r#"{"hostname":"\\u0000"}"#,
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }
}
