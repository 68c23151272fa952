//! Annotations that crun acts upon. What is not done here is refused rather than
//! passed over: the container would be another than its author means.

use std::collections::HashMap;
use std::path::Path;

use crate::error::Findings;
use crate::spec::oci::Spec;

/// A listening socket that is sent a pidfd of the process, as `--pidfd-socket`.
pub(crate) const PIDFD_RECEIVER: &str = "run.oci.pidfd_receiver";
/// A file that the hooks' standard output is appended to.
pub(super) const HOOKS_STDOUT: &str = "run.oci.hooks.stdout";
/// The same for what they write to standard error.
pub(super) const HOOKS_STDERR: &str = "run.oci.hooks.stderr";
/// `linux.seccomp.listenerPath`, where that is not given.
pub(super) const SECCOMP_RECEIVER: &str = "run.oci.seccomp.receiver";
/// A program in base64 in place of what `linux.seccomp` comes to.
pub(super) const SECCOMP_PROGRAM: &str = "run.oci.seccomp_bpf_data";
/// The container's cgroup below its unit of systemd's.
pub(super) const SUBGROUP: &str = "run.oci.systemd.subgroup";
/// The process's cgroup below the container's.
pub(super) const DELEGATED: &str = "run.oci.delegate-cgroup";
const CONTEXT_TYPE: &str = "run.oci.mount_context_type";
const KEEP_GROUPS: &str = "run.oci.keep_original_groups";
const FAIL_UNKNOWN: &str = "run.oci.seccomp_fail_unknown_syscall";

/// Those that are refused, and why.
const REFUSED: [(&str, &str); 3] = [
    (
        "run.oci.handler",
        "there are no handlers: programs are executed by the kernel alone",
    ),
    (
        "run.oci.seccomp.plugins",
        "no foreign code is loaded into the runtime",
    ),
    (
        "run.oci.systemd.force_cgroup_v1",
        "a cgroup v1 hierarchy of systemd's is not mounted for a container",
    ),
];

/// What the others ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The caller's supplementary groups stay.
    pub(super) keep_groups: bool,
}

/// Judges them.
pub(super) fn plan(spec: &Spec, rootless: bool, findings: &mut Findings) -> Asked {
    let none = HashMap::new();
    let all = spec.annotations().as_ref().unwrap_or(&none);
    for (name, reason) in REFUSED {
        if value(spec, name).is_some() {
            findings.error(place(name), format!("not supported: {reason}"));
        }
    }
    for name in [HOOKS_STDOUT, HOOKS_STDERR] {
        path(spec, name, findings);
    }
    let is_on = |name: &str| all.get(name).is_some_and(|value| value == "1");
    if is_on(FAIL_UNKNOWN) {
        unknown_calls(spec, findings);
    }
    let keep_groups = is_on(KEEP_GROUPS);
    if keep_groups && !rootless {
        // Groups of root's would give rights over the host's files.
        findings.warning(place(KEEP_GROUPS), "ignored: it is for rootless containers");
    }
    Asked {
        keep_groups: keep_groups && rootless,
    }
}

/// The annotation's value, unless that is empty: engines that mean none may still
/// write the key.
pub(super) fn value<'a>(spec: &'a Spec, name: &str) -> Option<&'a str> {
    let value = spec.annotations().as_ref()?.get(name)?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

/// The annotation's value where that has to be an absolute path.
pub(super) fn path<'a>(spec: &'a Spec, name: &str, findings: &mut Findings) -> Option<&'a Path> {
    let path = Path::new(value(spec, name)?);
    if !path.is_absolute() {
        findings.error(
            place(name),
            format!("{:?} is not an absolute path", path.to_string_lossy()),
        );
    }
    Some(path)
}

/// The mount option that `linux.mountLabel` is given by (mount(8)).
pub(super) fn label_option(spec: &Spec, findings: &mut Findings) -> &'static str {
    const KNOWN: [&str; 4] = ["context", "fscontext", "defcontext", "rootcontext"];
    let Some(asked) = value(spec, CONTEXT_TYPE) else {
        return "context";
    };
    KNOWN
        .into_iter()
        .find(|known| *known == asked)
        .unwrap_or_else(|| {
            let known = KNOWN.join(", ");
            findings.error(
                place(CONTEXT_TYPE),
                format!("unknown type {asked:?}; known: {known}"),
            );
            "context"
        })
}

/// The annotation, as findings name it.
pub(super) fn place(name: &str) -> String {
    format!("annotations[{name:?}]")
}

fn unknown_calls(spec: &Spec, findings: &mut Findings) {
    let seccomp = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.seccomp().as_ref());
    let rules = seccomp.and_then(|seccomp| seccomp.syscalls().as_deref());
    for (n, rule) in rules.unwrap_or_default().iter().enumerate() {
        for (m, name) in rule.names().iter().enumerate() {
            if !crate::seccomp::is_known(name) {
                findings.error(
                    format!("linux.seccomp.syscalls[{n}].names[{m}]"),
                    format!("unknown system call {name:?}"),
                );
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Asked, CONTEXT_TYPE, REFUSED, label_option, plan};
    use crate::error::Findings;
    use crate::spec::oci::Spec;
    use serde_json::json;

    fn judged(name: &str, value: &str, rootless: bool) -> (Asked, Findings) {
        let mut spec = Spec::default();
        spec.set_annotations(Some([(name.to_owned(), value.to_owned())].into()));
        let seccomp = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["getcwd", "no_such_call"], "action": "SCMP_ACT_ERRNO"}]});
        if let Some(linux) = spec.linux_mut() {
            linux.set_seccomp(Some(serde_json::from_value(seccomp).unwrap()));
        }
        let mut findings = Findings::new();
        let asked = plan(&spec, rootless, &mut findings);
        (asked, findings)
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for (name, _) in REFUSED {
            let (_, findings) = judged(name, "/x", true);
            assert!(findings.has_errors(), "{name}");
            assert!(findings.to_string().contains(name), "{findings}");
            // Engines that mean none may still write the key.
            assert!(!judged(name, "", true).1.has_errors(), "{name}");
        }
        assert!(!judged("org.example.handler", "x", false).1.has_errors());
    }

    #[test]
    fn labels_of_mounts_have_one_of_four_options() {
        for (asked, option) in [("", "context"), ("defcontext", "defcontext")] {
            let mut spec = Spec::default();
            spec.set_annotations(Some([(CONTEXT_TYPE.to_owned(), asked.to_owned())].into()));
            let mut findings = Findings::new();
            assert_eq!(label_option(&spec, &mut findings), option);
            assert!(!findings.has_errors());
        }
        let mut spec = Spec::default();
        spec.set_annotations(Some(
            [(CONTEXT_TYPE.to_owned(), "seclabel".to_owned())].into(),
        ));
        let mut findings = Findings::new();
        label_option(&spec, &mut findings);
        assert!(findings.to_string().contains("unknown type \"seclabel\""));
    }

    #[test]
    fn files_for_hooks_are_absolute() {
        for name in ["run.oci.hooks.stdout", "run.oci.hooks.stderr"] {
            let (_, findings) = judged(name, "../x", false);
            assert!(findings.to_string().contains(name), "{findings}");
            for path in ["/x", ""] {
                assert!(!judged(name, path, false).1.has_errors(), "{name} {path}");
            }
        }
    }

    #[test]
    fn unknown_calls_are_an_error_when_that_is_asked_for() {
        let name = "run.oci.seccomp_fail_unknown_syscall";
        assert!(!judged(name, "0", false).1.has_errors());
        let (_, findings) = judged(name, "1", false);
        let text = findings.to_string();
        assert!(
            text.contains("syscalls[0].names[1]: unknown system call \"no_such_call\""),
            "{text}"
        );
        assert!(!text.contains("getcwd"), "{text}");
    }

    #[test]
    fn only_rootless_containers_keep_groups() {
        let name = "run.oci.keep_original_groups";
        assert!(judged(name, "1", true).0.keep_groups);
        let (asked, findings) = judged(name, "1", false);
        assert!(!asked.keep_groups && !findings.has_errors());
        assert_eq!(findings.warnings().count(), 1);
        assert!(!judged(name, "0", true).0.keep_groups);
    }
}
