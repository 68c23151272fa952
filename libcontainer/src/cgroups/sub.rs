//! Sub-cgroups for `exec`: those that the user names, and the one that the
//! container's init is in by now.

use super::parse;
use super::record::{Cgroup, CgroupRecord};
use crate::error::StepError;
use crate::sys::small_file;

impl Cgroup {
    /// The cgroups that `--cgroup` names, each `[CONTROLLER[,CONTROLLER]…:]PATH`
    /// below the container's own: a path without controllers is for every
    /// hierarchy, and a hierarchy that is not named stays at the container's.
    pub fn sub(&self, requests: &[String]) -> Result<Self, StepError> {
        let mut record = self.record.clone();
        let mut named: Vec<&str> = Vec::new();
        for request in requests {
            match request.split_once(':') {
                None => {
                    if requests.len() > 1 {
                        return Err(bad("missing <controller>: prefix", request));
                    }
                    for tree in &mut record.hierarchies {
                        tree.path.push_str(&cleaned(request)?);
                    }
                }
                Some((controllers, path)) => {
                    let path = cleaned(path)?;
                    for controller in controllers.split(',') {
                        if named.contains(&controller) {
                            return Err(bad("duplicate controller", request));
                        }
                        named.push(controller);
                        extend(&mut record, &self.record, controller, &path)?;
                    }
                }
            }
        }
        Ok(Self::from_record(record))
    }

    /// The cgroup that a process of the container, its init, is in on v2, for when
    /// its own is gone or takes no processes any more because the container has
    /// made sub-cgroups with controllers of it. None on v1, where it is the same.
    pub fn followed(&self, init: i32) -> Result<Option<Self>, StepError> {
        if !self.is_unified() {
            return Ok(None);
        }
        let file = format!("/proc/{init}/cgroup");
        let text =
            small_file::read_proc(&file).map_err(|errno| StepError::new("read", file, errno))?;
        let path = parse::memberships(&text)
            .into_iter()
            .find(|membership| membership.controllers.is_empty())
            .map(|membership| membership.path)
            .filter(|path| path.len() > 1 && path.split('/').all(|part| part != ".."));
        let mut record = self.record.clone();
        match (record.hierarchies.first_mut(), path) {
            (Some(tree), Some(path)) => tree.path = path,
            _ => return Ok(None),
        }
        Ok(Some(Self::from_record(record)))
    }
}

/// Puts the hierarchy of a controller to its sub-cgroup. Controllers that share
/// a hierarchy must agree.
fn extend(
    record: &mut CgroupRecord,
    own: &CgroupRecord,
    controller: &str,
    path: &str,
) -> Result<(), StepError> {
    let trees = record.hierarchies.iter_mut().zip(&own.hierarchies);
    for (tree, own) in trees {
        if tree.has(controller) || (controller.is_empty() && tree.is_v2()) {
            let target = format!("{}{path}", own.path);
            if tree.path != own.path && tree.path != target {
                return Err(bad("two paths for one hierarchy", controller));
            }
            tree.path = target;
            return Ok(());
        }
    }
    Err(bad("unknown controller", controller))
}

/// `/a/b` of a path below the container's cgroup; nothing for `/`.
fn cleaned(path: &str) -> Result<String, StepError> {
    let mut cleaned = String::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(bad("bad sub cgroup path", path)),
            part if part.contains('\0') => return Err(bad("bad sub cgroup path", path)),
            part => {
                cleaned.push('/');
                cleaned.push_str(part);
            }
        }
    }
    Ok(cleaned)
}

fn bad(reason: &str, argument: &str) -> StepError {
    StepError::refused(
        "use --cgroup",
        format!("{argument:?}"),
        format!("{reason} {argument}"),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

    use super::super::record::RecordedHierarchy;
    use super::*;

    fn cgroup() -> Cgroup {
        let hierarchies = [("/m", "memory"), ("/c", "cpu,cpuacct"), ("/u", "")]
            .map(|(mount, controllers)| RecordedHierarchy {
                controllers: controllers
                    .split(',')
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
                mount: mount.to_owned(),
                path: "/c1".to_owned(),
                made_parents: Vec::new(),
                made: true,
            })
            .into();
        Cgroup::from_record(CgroupRecord {
            hierarchies,
            unit: None,
        })
    }

    fn sub(requests: &[&str]) -> Result<Vec<String>, String> {
        let requests: Vec<String> = requests.iter().map(|text| (*text).to_owned()).collect();
        match cgroup().sub(&requests) {
            Ok(sub) => Ok(sub
                .record()
                .hierarchies
                .iter()
                .map(RecordedHierarchy::folder)
                .collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn paths_go_to_the_hierarchies_named() {
        assert_eq!(sub(&[]).unwrap(), ["/m/c1", "/c/c1", "/u/c1"]);
        assert_eq!(sub(&["/"]).unwrap(), ["/m/c1", "/c/c1", "/u/c1"]);
        assert_eq!(
            sub(&["a//b"]).unwrap(),
            ["/m/c1/a/b", "/c/c1/a/b", "/u/c1/a/b"]
        );
        assert_eq!(
            sub(&["memory:x", "cpu,cpuacct:y"]).unwrap(),
            ["/m/c1/x", "/c/c1/y", "/u/c1"]
        );
    }

    #[test]
    fn what_leaves_the_container_is_refused() {
        for path in ["..", "../x", "a/../..", "memory:/..", "memory:/../.."] {
            assert!(
                sub(&[path]).unwrap_err().contains("bad sub cgroup path"),
                "{path}"
            );
        }
        assert!(
            sub(&["pids:x"])
                .unwrap_err()
                .contains("unknown controller pids")
        );
        assert!(
            sub(&["memory:x", "memory:y"])
                .unwrap_err()
                .contains("duplicate")
        );
        assert!(
            sub(&["cpu:x", "cpuacct:y"])
                .unwrap_err()
                .contains("two paths")
        );
        assert!(
            sub(&["x", "y"])
                .unwrap_err()
                .contains("missing <controller>: prefix")
        );
    }
}
