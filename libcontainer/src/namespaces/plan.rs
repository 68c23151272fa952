//! What the configuration's list of namespaces comes to.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::error::Findings;
use crate::spec::oci::LinuxNamespace;

/// The namespaces of a container; a kind that is not named is the runtime's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespacePlan {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    kind: Kind,
    /// The namespace to join; none: a new one.
    path: Option<PathBuf>,
}

impl NamespacePlan {
    fn entry(&self, kind: Kind) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == kind)
    }

    /// Whether a new namespace of this kind is made.
    #[must_use]
    pub fn is_new(&self, kind: Kind) -> bool {
        self.entry(kind).is_some_and(|entry| entry.path.is_none())
    }

    /// The namespace of this kind that is joined.
    #[must_use]
    pub fn path(&self, kind: Kind) -> Option<&Path> {
        self.entry(kind)?.path.as_deref()
    }

    /// Whether the container's differs from the runtime's, new or joined.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.entry(kind).is_some()
    }

    /// The namespaces to join, in the order of joining.
    pub fn joined(&self) -> impl Iterator<Item = (Kind, &Path)> {
        Kind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, self.path(kind)?)))
    }

    /// The `CLONE_NEW*` flags of the new namespaces of these kinds.
    #[must_use]
    pub fn new_flags(&self, kinds: &[Kind]) -> libc::c_int {
        kinds
            .iter()
            .filter(|kind| self.is_new(**kind))
            .fold(0, |flags, kind| flags | kind.flag())
    }

    /// The `CLONE_NEW*` flags of every namespace the container does not share
    /// with the runtime: what `exec` joins.
    #[must_use]
    pub fn all_flags(&self) -> libc::c_int {
        self.entries
            .iter()
            .fold(0, |flags, entry| flags | entry.kind.flag())
    }

    /// Whether the namespaces cannot be made in one clone: what is joined by
    /// path must be joined with the rights of the namespace it belongs to,
    /// which is before a new user namespace is entered and after an old one is.
    #[must_use]
    pub fn needs_second_clone(&self) -> bool {
        let user_joined = self.path(Kind::User).is_some();
        let others_joined = self
            .joined()
            .any(|(kind, _)| !matches!(kind, Kind::User | Kind::Pid));
        user_joined || (self.is_new(Kind::User) && others_joined)
    }

    /// Whether the pid namespace is joined by the container's own process, before
    /// its second clone, and not by the runtime: the user namespace that is
    /// joined may be all the right to it that there is.
    #[must_use]
    pub fn enters_pid_namespace(&self) -> bool {
        self.path(Kind::User).is_some() && self.path(Kind::Pid).is_some()
    }
}

/// Judges the list. An empty path is as good as none, as it is to runc.
pub fn plan(namespaces: &[LinuxNamespace], findings: &mut Findings) -> NamespacePlan {
    let mut plan = NamespacePlan::default();
    for (index, namespace) in namespaces.iter().enumerate() {
        let field = format!("linux.namespaces[{index}]");
        let kind = Kind::from(namespace.typ());
        let path = namespace
            .path()
            .clone()
            .filter(|path| !path.as_os_str().is_empty());
        if plan.has(kind) {
            findings.error(
                format!("{field}.type"),
                format!("duplicate namespace {:?}", kind.name()),
            );
            continue;
        }
        if let Some(path) = path.as_deref().filter(|path| !path.is_absolute()) {
            findings.error(
                format!("{field}.path"),
                format!("{} is not an absolute path", path.display()),
            );
        }
        plan.entries.push(Entry { kind, path });
    }
    plan
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{NamespacePlan, plan};
    use crate::error::Findings;
    use crate::namespaces::Kind;

    fn planned(json: &str) -> (NamespacePlan, Findings) {
        let mut findings = Findings::new();
        let list: Vec<_> = serde_json::from_str(json).unwrap();
        let plan = plan(&list, &mut findings);
        (plan, findings)
    }

    #[test]
    fn new_joined_and_shared_are_told_apart() {
        let (plan, findings) = planned(
            r#"[{"type":"pid"},{"type":"network","path":"/proc/1/ns/net"},{"type":"ipc","path":""}]"#,
        );
        assert!(!findings.has_errors());
        assert!(plan.is_new(Kind::Pid) && plan.is_new(Kind::Ipc));
        assert!(plan.has(Kind::Network) && !plan.is_new(Kind::Network));
        assert!(!plan.has(Kind::Mount));
        assert_eq!(
            plan.new_flags(&Kind::ALL),
            libc::CLONE_NEWPID | libc::CLONE_NEWIPC
        );
    }

    #[test]
    fn duplicates_and_relative_paths_are_refused() {
        let (_, findings) = planned(r#"[{"type":"pid"},{"type":"pid"},{"type":"uts","path":"x"}]"#);
        assert_eq!(
            findings.to_string(),
            "linux.namespaces[1].type: duplicate namespace \"pid\"; \
             linux.namespaces[2].path: x is not an absolute path"
        );
    }

    #[test]
    fn a_second_clone_is_for_joined_namespaces_with_a_user_namespace() {
        let needs = |json| planned(json).0.needs_second_clone();
        assert!(!needs(r#"[{"type":"user"},{"type":"network"}]"#));
        assert!(!needs(r#"[{"type":"network","path":"/n"}]"#));
        assert!(!needs(r#"[{"type":"user"},{"type":"pid","path":"/p"}]"#));
        assert!(needs(r#"[{"type":"user"},{"type":"network","path":"/n"}]"#));
        assert!(needs(r#"[{"type":"user","path":"/u"},{"type":"network"}]"#));
    }
}
