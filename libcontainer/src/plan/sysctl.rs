//! Kernel settings that belong to a namespace of the container.

use std::collections::HashMap;

use crate::error::Findings;
use crate::namespaces::{Kind, NamespacePlan};

/// What belongs to the IPC namespace beside `fs.mqueue` (ipc_namespaces(7)).
const IPC: [&str; 9] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
    "kernel/sem_next_id",
];

/// Judges the settings: each as its path below `/proc/sys` and its value, sorted.
pub(super) fn plan(
    settings: &HashMap<String, String>,
    namespaces: &NamespacePlan,
    network_is_the_hosts: bool,
    domainname: Option<&str>,
    findings: &mut Findings,
) -> Vec<(String, String)> {
    let mut plan: Vec<(String, String)> = settings
        .iter()
        .map(|(name, value)| (path(name), value.clone()))
        .collect();
    plan.sort();
    for (path, value) in &plan {
        let field = format!("linux.sysctl[{:?}]", path.replace('/', "."));
        if let Some(reason) = refusal(path, value, namespaces, network_is_the_hosts, domainname) {
            findings.error(field, reason);
        }
    }
    plan
}

/// A name as a path: with a slash first among its separators, slashes separate
/// and dots belong to names (`net/ipv4/conf/eno2.100/rp_filter`); else dots
/// separate and slashes belong to names (sysctl(8)).
fn path(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name.get(at..).is_some_and(|rest| rest.starts_with('.')) => name
            .chars()
            .map(|letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

fn refusal(
    path: &str,
    value: &str,
    namespaces: &NamespacePlan,
    network_is_the_hosts: bool,
    domainname: Option<&str>,
) -> Option<String> {
    let name = path.replace('/', ".");
    let needs = |kind: Kind| {
        (!namespaces.has(kind)).then(|| {
            format!(
                "sysctl {name:?} is not allowed without a {} namespace of the container's own",
                kind.name()
            )
        })
    };
    if path.split('/').any(|part| part.is_empty() || part == "..") || path.contains('\0') {
        return Some(format!("{name:?} is no name of a kernel setting"));
    }
    if IPC.contains(&path) || path.starts_with("fs/mqueue/") {
        return needs(Kind::Ipc);
    }
    if path.starts_with("net/") {
        if network_is_the_hosts {
            return Some(format!(
                "sysctl {name:?} not allowed in host network namespace"
            ));
        }
        return needs(Kind::Network);
    }
    if path.starts_with("user/") {
        return needs(Kind::User);
    }
    match path {
        "kernel/domainname" => match domainname {
            Some(asked) if asked != value => Some(format!(
                "conflicts with domainname {asked:?}: {value:?}"
            )),
            _ => needs(Kind::Uts),
        },
        "kernel/hostname" => Some(
            "sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field".to_owned(),
        ),
        _ => Some(format!("sysctl {name:?} is not in a separate kernel namespace")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{path, plan};
    use crate::error::Findings;
    use crate::namespaces;

    fn refused(name: &str, kinds: &[&str]) -> Option<String> {
        let list: Vec<String> = kinds
            .iter()
            .map(|kind| format!(r#"{{"type":"{kind}"}}"#))
            .collect();
        let list: Vec<_> = serde_json::from_str(&format!("[{}]", list.join(","))).unwrap();
        let mut findings = Findings::new();
        let namespaces = namespaces::plan(&list, &mut findings);
        let settings = [(name.to_owned(), "1".to_owned())].into();
        plan(&settings, &namespaces, false, None, &mut findings);
        findings.has_errors().then(|| findings.to_string())
    }

    #[test]
    fn both_separators_are_read() {
        assert_eq!(path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(path("net/ipv4/ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(
            path("net.ipv4.conf.eno2/100.rp_filter"),
            "net/ipv4/conf/eno2.100/rp_filter"
        );
        assert_eq!(
            path("net/ipv4/conf/eno2.100/rp_filter"),
            "net/ipv4/conf/eno2.100/rp_filter"
        );
    }

    #[test]
    fn a_setting_needs_its_namespace() {
        for (name, kind) in [
            ("net.core.somaxconn", "network"),
            ("kernel.shmmax", "ipc"),
            ("fs.mqueue.msg_max", "ipc"),
            ("kernel.domainname", "uts"),
            ("user.max_user_namespaces", "user"),
        ] {
            assert_eq!(refused(name, &[kind]), None, "{name}");
            assert!(refused(name, &["pid"]).is_some(), "{name}");
        }
    }

    #[test]
    fn what_has_no_namespace_is_refused() {
        let all = ["network", "ipc", "uts", "pid", "mount", "user"];
        for name in [
            "vm.swappiness",
            "kernel.hostname",
            "kernel.core_pattern",
            "net/../kernel/x",
            "a..b",
        ] {
            assert!(refused(name, &all).is_some(), "{name}");
        }
    }
}
