//! `linux.cgroupsPath` for systemd, `slice:prefix:name`, and the cgroup that the
//! unit gets.

use crate::error::Findings;

const FIELD: &str = "linux.cgroupsPath";
const SLICE: &str = ".slice";
/// The prefix where the configuration names no unit.
const PREFIX: &str = "lodge";
/// `UNIT_NAME_MAX`, without its NUL.
const LONGEST: usize = 255;

/// A unit and the slice that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cgroups) struct UnitName {
    /// As `docker-c1.scope`, or a slice of its own.
    pub(in crate::cgroups) unit: String,
    /// As `system.slice`.
    pub(in crate::cgroups) slice: String,
    /// The unit's cgroup below the manager's, as `/system.slice/docker-c1.scope`.
    pub(in crate::cgroups) path: String,
}

impl UnitName {
    /// Reads `linux.cgroupsPath`. A name that ends in `.slice` is a slice, and
    /// anything else the name of a scope.
    pub(in crate::cgroups) fn read(
        path: Option<&str>,
        id: &str,
        default_slice: &str,
        findings: &mut Findings,
    ) -> Option<Self> {
        let (slice, prefix, name) = match path.filter(|path| !path.is_empty()) {
            None => ("", PREFIX, id),
            Some(text) => {
                let mut parts = text.split(':');
                match (parts.next(), parts.next(), parts.next(), parts.next()) {
                    (Some(slice), Some(prefix), Some(name), None) => (slice, prefix, name),
                    _ => {
                        findings.error(
                            FIELD,
                            format!(
                                "expected cgroupsPath to be of format \"slice:prefix:name\" for \
                                 systemd cgroups, got {text:?} instead"
                            ),
                        );
                        return None;
                    }
                }
            }
        };
        let slice = if slice.is_empty() {
            default_slice
        } else {
            slice
        };
        let Some(parent) = expand(slice) else {
            findings.error(FIELD, format!("invalid slice name: {slice}"));
            return None;
        };
        let is_slice = is_slice(name);
        let unit = if is_slice {
            name.to_owned()
        } else {
            format!("{prefix}-{name}.scope")
        };
        if name.is_empty() || !is_unit_name(&unit) {
            findings.error(FIELD, format!("invalid unit name: {unit}"));
            return None;
        }
        let path = if is_slice {
            // A slice is where its own name says.
            expand(&unit).filter(|path| !path.is_empty())
        } else {
            Some(format!("{parent}/{}", folder(&unit)))
        };
        let Some(path) = path else {
            findings.error(FIELD, format!("invalid slice name: {unit}"));
            return None;
        };
        Some(Self {
            unit,
            slice: slice.to_owned(),
            path,
        })
    }
}

/// Whether a unit's name is that of a slice.
pub(in crate::cgroups) fn is_slice(unit: &str) -> bool {
    unit.ends_with(SLICE)
}

/// The cgroup of a slice: each dash in its name is a level, `a-b.slice` is in
/// `a.slice`; `-.slice` is the root (systemd.slice(5)).
fn expand(slice: &str) -> Option<String> {
    let name = slice.strip_suffix(SLICE)?;
    if name == "-" {
        return Some(String::new());
    }
    if !is_unit_name(slice) {
        return None;
    }
    let mut path = String::new();
    for (at, _) in name.match_indices('-').chain([(name.len(), "")]) {
        let prefix = name.get(..at)?;
        if prefix.is_empty() || prefix.ends_with('-') {
            return None;
        }
        path.push('/');
        path.push_str(&folder(&format!("{prefix}{SLICE}")));
    }
    Some(path)
}

/// A unit's name as that of its folder: one that could be a file of the kernel's
/// gets a mark before it (the kernel's own names have no leading underscore).
fn folder(unit: &str) -> String {
    if unit.starts_with(['_', '.']) || unit.starts_with("cgroup.") {
        format!("_{unit}")
    } else {
        unit.to_owned()
    }
}

/// Whether systemd takes this for a unit's name (systemd.unit(5)).
fn is_unit_name(name: &str) -> bool {
    name.len() <= LONGEST
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<(String, String), String> {
        let mut findings = Findings::new();
        UnitName::read(Some(path), "c1", "system.slice", &mut findings)
            .map(|name| (name.unit, name.path))
            .ok_or_else(|| findings.to_string())
    }

    fn pair(unit: &str, path: &str) -> (String, String) {
        (unit.to_owned(), path.to_owned())
    }

    #[test]
    fn a_scope_is_in_its_slice() {
        let name = "docker-x.scope";
        assert_eq!(
            read("system.slice:docker:x"),
            Ok(pair(name, "/system.slice/docker-x.scope"))
        );
        assert_eq!(
            read(":docker:x"),
            Ok(pair(name, "/system.slice/docker-x.scope"))
        );
        assert_eq!(read("-.slice:docker:x"), Ok(pair(name, "/docker-x.scope")));
        assert_eq!(
            read("a-b-c.slice:docker:x"),
            Ok(pair(name, "/a.slice/a-b.slice/a-b-c.slice/docker-x.scope"))
        );
        assert_eq!(
            read(":cri-containerd:x-y"),
            Ok(pair(
                "cri-containerd-x-y.scope",
                "/system.slice/cri-containerd-x-y.scope"
            ))
        );
        assert_eq!(read("::x"), Ok(pair("-x.scope", "/system.slice/-x.scope")));
        assert_eq!(
            read(":_p:x"),
            Ok(pair("_p-x.scope", "/system.slice/__p-x.scope"))
        );
        assert_eq!(
            read(""),
            Ok(pair("lodge-c1.scope", "/system.slice/lodge-c1.scope"))
        );
    }

    #[test]
    fn a_slice_is_where_its_name_says() {
        assert_eq!(
            read("kube.slice::kube-pod.slice"),
            Ok(pair("kube-pod.slice", "/kube.slice/kube-pod.slice"))
        );
    }

    #[test]
    fn what_systemd_would_refuse_is_said() {
        for path in ["/a/b", "a:b", "a.slice:b:c:d", "x"] {
            assert_eq!(
                read(path),
                Err(format!(
                    "linux.cgroupsPath: expected cgroupsPath to be of format \
                     \"slice:prefix:name\" for systemd cgroups, got {path:?} instead"
                ))
            );
        }
        for slice in [
            "a",
            "a/b.slice",
            "-a.slice",
            "a-.slice",
            "a--b.slice",
            ".slice",
            "a b.slice",
        ] {
            assert_eq!(
                read(&format!("{slice}:p:x")),
                Err(format!("linux.cgroupsPath: invalid slice name: {slice}"))
            );
        }
        for name in ["a/b", "", "a+b", "a\nb", "../x", &"x".repeat(250)] {
            assert_eq!(
                read(&format!(":p:{name}")),
                Err(format!(
                    "linux.cgroupsPath: invalid unit name: p-{name}.scope"
                ))
            );
        }
        assert!(read("::-.slice").is_err());
        assert!(read("::a--b.slice").is_err());
    }
}
