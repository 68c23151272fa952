//! What is refused, with which words, and what is skipped.

use super::{compile, spec};
use crate::error::Findings;
use crate::seccomp::{Arch, Filter, Listener};

fn result(json: &str) -> Result<Option<Filter>, Findings> {
    compile(&spec(json), Arch::X86_64)
}

fn faults(json: &str) -> Vec<String> {
    let findings = result(json).unwrap_err();
    findings.errors().map(ToString::to_string).collect()
}

#[test]
fn nothing_to_filter_is_no_filter() {
    assert_eq!(result(r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#), Ok(None));
    let empty = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}"#;
    assert_eq!(result(empty), Ok(None));
    let denies = r#"{"defaultAction":"SCMP_ACT_ERRNO"}"#;
    assert!(result(denies).unwrap().is_some());
}

#[test]
fn all_faults_are_named() {
    let faults = faults(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1,"syscalls":[
            {"names":["read"],"action":"SCMP_ACT_KILL","errnoRet":2},
            {"names":["open",""],"action":"SCMP_ACT_ERRNO","errnoRet":65536},
            {"names":["open"],"action":"SCMP_ACT_ERRNO",
             "args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"},
                     {"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    let places: Vec<_> = faults
        .iter()
        .map(|fault| fault.split_once(": ").unwrap().0)
        .collect();
    assert_eq!(
        places,
        [
            "linux.seccomp.defaultErrnoRet",
            "linux.seccomp.syscalls[0].errnoRet",
            "linux.seccomp.syscalls[1].errnoRet",
            "linux.seccomp.syscalls[1].names[1]",
            "linux.seccomp.syscalls[2].args[1].index",
        ]
    );
}

#[test]
fn notify_has_its_conditions() {
    let rule = |name: &str, more: &str| {
        format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW",{more}
                "syscalls":[{{"names":["{name}"],"action":"SCMP_ACT_NOTIFY"}}]}}"#
        )
    };
    assert!(faults(&rule("mkdir", ""))[0].contains("listenerPath is not set"));
    let write = faults(&rule("write", r#""listenerPath":"/agent","#));
    assert!(write[0].ends_with("SCMP_ACT_NOTIFY cannot be used for the write syscall"));
    let default = faults(r#"{"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/agent"}"#);
    assert_eq!(
        default,
        ["linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action"]
    );
    let metadata = r#"{"defaultAction":"SCMP_ACT_ERRNO","listenerMetadata":"x"}"#;
    assert!(faults(metadata)[0].starts_with("linux.seccomp.listenerMetadata: "));

    let more = r#""listenerPath":"/agent","listenerMetadata":"x","#;
    let filter = result(&rule("mkdir", more)).unwrap().unwrap();
    let path = "/agent".into();
    let metadata = Some("x".to_owned());
    assert_eq!(filter.listener, Some(Listener { path, metadata }));
    assert_eq!(filter.flags, 4 | 8);
}

#[test]
fn a_listener_that_nobody_notifies_is_ignored() {
    let json = r#"{"defaultAction":"SCMP_ACT_ERRNO","listenerPath":"/agent"}"#;
    let filter = result(json).unwrap().unwrap();
    assert_eq!((filter.listener, filter.flags), (None, 4));
}

#[test]
fn flags_reach_the_kernel() {
    let flags = |more: &str| {
        let json = format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO"{more}}}"#);
        result(&json).unwrap().unwrap().flags
    };
    assert_eq!(flags(""), 4);
    assert_eq!(flags(r#","flags":[]"#), 0);
    assert_eq!(flags(r#","flags":["SECCOMP_FILTER_FLAG_LOG"]"#), 2);
    assert_eq!(flags(r#","flags":["SECCOMP_FILTER_FLAG_TSYNC"]"#), 0);
    let both = r#","flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_SPEC_ALLOW"]"#;
    assert_eq!(flags(both), 6);
    let wait = r#""flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]"#;
    assert_eq!(flags(&format!(",{wait}")), 0, "without a listener");
    let json = format!(
        r#"{{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/agent",{wait},
            "syscalls":[{{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}}]}}"#
    );
    assert_eq!(result(&json).unwrap().unwrap().flags, 40);
}

#[test]
fn a_filter_that_the_kernel_would_refuse_says_its_length() {
    let rules: Vec<String> = (0..1200)
        .map(|value| {
            format!(
                r#"{{"names":["ioctl"],"action":"SCMP_ACT_ERRNO","args":[
                    {{"index":1,"value":{value},"op":"SCMP_CMP_EQ"}},
                    {{"index":2,"value":{value},"op":"SCMP_CMP_GT"}}]}}"#
            )
        })
        .collect();
    let profile = |count: usize| {
        let rules = rules[..count].join(",");
        format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rules}]}}"#)
    };
    let filter = result(&profile(500)).unwrap().unwrap();
    super::interpreter::check(&filter.program);
    let faults = faults(&profile(1200));
    let count = faults[0]
        .split_whitespace()
        .find_map(|word| word.parse::<usize>().ok());
    assert!(count.unwrap() > 4096, "{faults:?}");
    assert!(faults[0].starts_with("linux.seccomp: "));
}

#[test]
fn a_filter_survives_the_way_to_the_init() {
    let filter = super::filter(super::DOCKER);
    let bytes = postcard::to_allocvec(&filter).unwrap();
    assert_eq!(postcard::from_bytes::<Filter>(&bytes).unwrap(), filter);
}
