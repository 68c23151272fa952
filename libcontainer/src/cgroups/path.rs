//! Where the container's cgroup is in a hierarchy.

use crate::error::Findings;

const FIELD: &str = "linux.cgroupsPath";
/// `NAME_MAX`.
const LONGEST_NAME: usize = 255;

/// The path that the configuration asks for, cleaned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CgroupPath {
    /// From the root of each hierarchy: `/a/b`.
    Absolute(String),
    /// Below our own cgroup: `/a/b` too.
    Relative(String),
}

impl CgroupPath {
    /// Reads `linux.cgroupsPath`; without one the name is the container's id.
    pub(super) fn read(path: Option<&str>, id: &str, findings: &mut Findings) -> Option<Self> {
        let text = path.filter(|path| !path.is_empty()).unwrap_or(id);
        let mut cleaned = String::with_capacity(text.len().saturating_add(1));
        for part in text.split('/') {
            if part.is_empty() || part == "." {
                continue;
            }
            if let Err(reason) = check(part) {
                findings.error(FIELD, format!("{reason} in {text:?}"));
                return None;
            }
            cleaned.push('/');
            cleaned.push_str(part);
        }
        if cleaned.is_empty() {
            findings.error(FIELD, format!("{text:?} names no cgroup of its own"));
            return None;
        }
        Some(if text.starts_with('/') {
            Self::Absolute(cleaned)
        } else {
            Self::Relative(cleaned)
        })
    }

    /// The path in a hierarchy, from its mount point.
    ///
    /// Below our own cgroup on v1. Below the parent of our own on v2: ours has
    /// processes, and no cgroup with processes may have children with
    /// controllers.
    pub(super) fn within(&self, own: Option<&str>, beside: bool) -> Option<String> {
        match self {
            Self::Absolute(path) => Some(path.clone()),
            Self::Relative(path) => {
                let mut base = own?.trim_end_matches('/');
                if beside {
                    base = base.rsplit_once('/').map_or("", |(parent, _)| parent);
                }
                Some(format!("{base}{path}"))
            }
        }
    }
}

fn check(part: &str) -> Result<(), &'static str> {
    if part == ".." {
        return Err("\"..\" is not allowed");
    }
    if part.len() > LONGEST_NAME {
        return Err("a name of more than 255 bytes");
    }
    if part.chars().any(char::is_control) {
        return Err("a control character");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Option<CgroupPath> {
        CgroupPath::read(Some(path), "id", &mut Findings::new())
    }

    #[test]
    fn paths_are_cleaned() {
        for path in ["/a/b", "//a/./b/", "/a//b"] {
            assert_eq!(read(path), Some(CgroupPath::Absolute("/a/b".to_owned())));
        }
        assert_eq!(read("a/b"), Some(CgroupPath::Relative("/a/b".to_owned())));
        assert_eq!(
            read("system.slice:docker:c1"),
            Some(CgroupPath::Relative("/system.slice:docker:c1".to_owned()))
        );
        assert_eq!(read(""), Some(CgroupPath::Relative("/id".to_owned())));
        assert_eq!(
            CgroupPath::read(None, "id", &mut Findings::new()),
            Some(CgroupPath::Relative("/id".to_owned()))
        );
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let long = format!("/{}", "x".repeat(256));
        for path in [
            "/",
            "/.",
            "/a/../b",
            "../x",
            "..",
            "a\0b",
            "/a\nb",
            long.as_str(),
        ] {
            let mut findings = Findings::new();
            assert_eq!(CgroupPath::read(Some(path), "id", &mut findings), None);
            assert!(
                findings.to_string().starts_with("linux.cgroupsPath: "),
                "{path:?}"
            );
        }
    }

    #[test]
    fn relative_paths_are_below_ours_or_beside_it() {
        let relative = CgroupPath::Relative("/c".to_owned());
        let within = |own, beside| relative.within(Some(own), beside);
        assert_eq!(within("/", false).as_deref(), Some("/c"));
        assert_eq!(within("/user/me", false).as_deref(), Some("/user/me/c"));
        assert_eq!(within("/", true).as_deref(), Some("/c"));
        assert_eq!(within("/me", true).as_deref(), Some("/c"));
        assert_eq!(within("/user/me", true).as_deref(), Some("/user/c"));
        assert_eq!(relative.within(None, true), None);
        let absolute = CgroupPath::Absolute("/c".to_owned());
        assert_eq!(absolute.within(None, true).as_deref(), Some("/c"));
    }
}
