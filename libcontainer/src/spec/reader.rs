//! Reading `config.json` and process documents.
//!
//! The strict parse of oci-spec is tried first. When it refuses, the text is
//! read as plain JSON, what runc accepts beyond the strict form is mended with a
//! note for each, and the result is parsed again; what still fails is named by
//! its path in the document.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::locate::path_at;
use super::oci::{LinuxResources, Process, Spec};
use super::{keys, mend, nul, objects};
use crate::error::{Error, ErrorKind};

/// A document that was read, and what had to be mended.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<T> {
    /// What it says.
    pub content: T,
    /// One line for each mend, for the log.
    pub notes: Vec<String>,
}

/// The parts of a configuration that reach the kernel: not its annotations, nor
/// what nobody knows.
const SECTIONS: [&str; 7] = [
    "process",
    "root",
    "hostname",
    "domainname",
    "mounts",
    "hooks",
    "linux",
];

/// Reads a container's configuration. `name` is how errors call the file.
///
/// # Errors
/// `InvalidConfig` with the line and column, or the path of the value at fault.
pub fn read_spec(name: &str, text: &[u8]) -> Result<Document<Spec>, Error> {
    nul::refuse(text, &SECTIONS)?;
    read(name, text, mend::spec)
}

/// Reads a process document, as `exec --process` takes it.
///
/// # Errors
/// As [`read_spec`].
pub fn read_process(name: &str, text: &[u8]) -> Result<Document<Process>, Error> {
    nul::refuse(text, &[])?;
    read(name, text, mend::process_document)
}

/// Reads a document of limits, as `update --resources` takes it: what
/// `linux.resources` of a configuration holds.
///
/// # Errors
/// As [`read_spec`].
pub fn read_resources(name: &str, text: &[u8]) -> Result<Document<LinuxResources>, Error> {
    nul::refuse(text, &[])?;
    // The strict form takes an absent limit of pids for 0, which is a limit.
    mended(name, text, mend::resources)
}

fn read<T: DeserializeOwned>(
    name: &str,
    text: &[u8],
    mend: fn(&mut Value, &mut Vec<String>),
) -> Result<Document<T>, Error> {
    // Text after the document is left alone, as Go's decoder does.
    let mut strict = serde_json::Deserializer::from_slice(text);
    if !keys::has_other_case(text)
        && let Ok(content) = objects::read(&mut strict)
    {
        return Ok(Document {
            content,
            notes: Vec::new(),
        });
    }
    mended(name, text, mend)
}

fn mended<T: DeserializeOwned>(
    name: &str,
    text: &[u8],
    mend: fn(&mut Value, &mut Vec<String>),
) -> Result<Document<T>, Error> {
    let mut lenient = serde_json::Deserializer::from_slice(text);
    let mut value =
        serde::Deserialize::deserialize(&mut lenient).map_err(|error| invalid(name, "", &error))?;
    let mut notes = Vec::new();
    keys::respell(&mut value);
    mend(&mut value, &mut notes);
    // As text once more: one parser for the types is enough to carry.
    let text = serde_json::to_vec(&value).map_err(|error| invalid(name, "", &error))?;
    let mut strict = serde_json::Deserializer::from_slice(&text);
    let content = objects::read(&mut strict).map_err(|error| {
        let path = path_at(&text, error.line(), error.column());
        invalid(name, place(&path, &error), &error)
    })?;
    Ok(Document { content, notes })
}

/// The path of what is at fault: a list is met at its first item.
fn place<'a>(path: &'a str, error: &serde_json::Error) -> &'a str {
    let first_item = error.to_string().starts_with(objects::LIST_FOR_OBJECT);
    let list = path.strip_suffix("[0]").filter(|_| first_item);
    list.unwrap_or(path)
}

/// What the parser said; its line and column only where no path names the place.
fn invalid(name: &str, path: &str, error: &serde_json::Error) -> Error {
    let mut text = error.to_string();
    if !path.is_empty()
        && let Some(place) = text.rfind(" at line ")
    {
        text.truncate(place);
        text.insert_str(0, &format!("{path}: {}", known_words(path, &text)));
    }
    Error::new(
        ErrorKind::InvalidConfig,
        format!("cannot read {name}: {text}"),
    )
    .with_path(path)
}

/// What users of runc look for in the refusal of a value.
fn known_words(path: &str, text: &str) -> &'static str {
    match path {
        "linux.memoryPolicy.mode" => "invalid memory policy mode: ",
        "linux.memoryPolicy" if text.contains("`mode`") => "invalid memory policy mode: ",
        path if path.starts_with("linux.memoryPolicy.flags") => "invalid memory policy flag: ",
        _ => "",
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{read_process, read_resources, read_spec};

    fn notes(text: &str) -> Vec<String> {
        read_spec("config.json", text.as_bytes()).unwrap().notes
    }

    fn refusal(text: &str) -> String {
        let error = read_spec("config.json", text.as_bytes()).unwrap_err();
        error.to_string()
    }

    #[test]
    fn strict_form_needs_no_mend() {
        let text = r#"{"ociVersion":"1.3.0","root":{"path":"rootfs"},"unknown":1} trailing"#;
        let document = read_spec("config.json", text.as_bytes()).unwrap();
        assert!(document.notes.is_empty());
        assert_eq!(document.content.version(), "1.3.0");
    }

    #[test]
    fn unknown_capabilities_are_dropped_with_a_note() {
        let text = r#"{"process":{"user":{},"cwd":"/","capabilities":
            {"bounding":["CAP_KILL","kill","CAP_NOPE"],"effective":["CAP_NOPE"]}}}"#;
        let document = read_spec("config.json", text.as_bytes()).unwrap();
        let process = document.content.process().clone().unwrap();
        let bounding = process
            .capabilities()
            .clone()
            .unwrap()
            .bounding()
            .clone()
            .unwrap();
        assert_eq!(bounding.len(), 1);
        // In one line, in the words that callers know.
        assert_eq!(
            document.notes,
            ["process.capabilities: ignoring unknown or unavailable capabilities: [CAP_NOPE kill]"]
        );
    }

    #[test]
    fn what_go_takes_as_zero_is_taken() {
        let text = r#"{"process":{"user":null,"args":["x"]},
            "linux":{"resources":{"devices":[{"allow":false,"type":"","access":"rwm"}],
            "hugepageLimits":[{"pageSize":"2MB","limit":18446744073709551615}]}}}"#;
        let document = read_spec("config.json", text.as_bytes()).unwrap();
        let process = document.content.process().clone().unwrap();
        assert_eq!(process.user().uid(), 0);
        assert!(process.cwd().as_os_str().is_empty());
    }

    #[test]
    fn the_spec_name_of_reset_on_fork_is_known() {
        let text = r#"{"user":{},"cwd":"/","scheduler":
            {"policy":"SCHED_OTHER","flags":["SCHED_FLAG_RESET_ON_FORK"]}}"#;
        assert!(read_process("process.json", text.as_bytes()).is_ok());
    }

    #[test]
    fn another_case_of_a_key_is_taken() {
        let text = r#"{"Process":{"User":{"UID":7},"cwd":"/"}}"#;
        let document = read_spec("config.json", text.as_bytes()).unwrap();
        let process = document.content.process().clone().unwrap();
        assert_eq!(process.user().uid(), 7);
    }

    #[test]
    fn limits_of_an_update_are_read() {
        let read = |text: &str| {
            let document = read_resources("limits", text.as_bytes()).unwrap();
            document.content
        };
        let found = read(r#"{"CPU": {"Cpus": "1"}, "pids": {}, "memory": null} trailing"#);
        let cpu = found.cpu().clone().unwrap();
        assert_eq!(cpu.cpus().as_deref(), Some("1"));
        // No limit is no wish, and not the limit 0.
        assert!(found.pids().is_none() && found.memory().is_none());
        assert!(read(r#"{"pids": {"limit": 0}}"#).pids().is_some());
        let error = read_resources("limits", br#"{"memory": {"limit": "1M"}}"#).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read limits: memory.limit: "),
            "{error}"
        );
    }

    #[test]
    fn the_last_of_two_keys_wins() {
        let text = r#"{"hostname":"a","hostname":"b"}"#;
        let document = read_spec("config.json", text.as_bytes()).unwrap();
        assert_eq!(document.content.hostname().as_deref(), Some("b"));
        assert!(notes(text).is_empty());
    }

    #[test]
    fn faults_are_named_by_path() {
        let text = r#"{"process":{"user":{"uid":"root"},"cwd":"/"}}"#;
        let refusal = refusal(text);
        assert!(
            refusal.starts_with("cannot read config.json: process.user.uid: "),
            "{refusal}"
        );
    }

    #[test]
    fn a_list_is_no_object() {
        for (text, path) in [
            (r#"{"linux":[]}"#, "linux: "),
            (r#"{"root":["rootfs"]}"#, "root: "),
            (r#"{"mounts":[{"destination":"/a"},[]]}"#, "mounts[1]: "),
            (r#"{"mounts":[["/a"]]}"#, "mounts[0]: "),
            (r#"{"process":{"user":[0,0],"cwd":"/"}}"#, "process.user: "),
            (
                r#"{"linux":{"resources":{"cpu":[7]}}}"#,
                "linux.resources.cpu: ",
            ),
            (
                r#"{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":
                    [{"names":["a"],"action":"SCMP_ACT_LOG","args":[[0,1]]}]}}}"#,
                "linux.seccomp.syscalls[0].args[0]: ",
            ),
            ("[]", ""),
        ] {
            let wanted =
                format!("cannot read config.json: {path}a list, where an object has to be");
            let refusal = refusal(text);
            assert!(refusal.starts_with(&wanted), "{refusal}");
        }
        for text in ["[]", r#"{"user":[]}"#] {
            assert!(read_process("process.json", text.as_bytes()).is_err());
        }
        for text in ["[]", r#"{"memory":[1]}"#] {
            assert!(read_resources("limits", text.as_bytes()).is_err());
        }
    }

    #[test]
    fn faults_of_the_memory_policy_are_called_so() {
        for (policy, words) in [
            ("{}", "linux.memoryPolicy: invalid memory policy mode: "),
            (
                r#"{"mode":"INTERLEAVE"}"#,
                "linux.memoryPolicy.mode: invalid memory policy mode: ",
            ),
            (
                r#"{"mode":"MPOL_BIND","flags":["bad"]}"#,
                "linux.memoryPolicy.flags[0]: invalid memory policy flag: ",
            ),
        ] {
            let refusal = refusal(&format!(r#"{{"linux":{{"memoryPolicy":{policy}}}}}"#));
            assert!(refusal.contains(words), "{refusal}");
        }
    }

    #[test]
    fn broken_text_is_named_by_line() {
        let refusal = refusal("{\n \"root\": ");
        assert!(refusal.contains("line 2"), "{refusal}");
    }
}
