//! What of a container comes from outside, which a checkpoint leaves out of its
//! images and a restore gives anew.

use std::path::PathBuf;

use super::types::{CheckpointFacts, RootfsPlan};
use crate::mounts::{CgroupMount, MountKind};
use crate::namespaces::NamespacePlan;

/// What `checkpoint` needs to know.
pub(super) fn facts(rootfs: &RootfsPlan, namespaces: &NamespacePlan) -> CheckpointFacts {
    let binds = rootfs
        .mounts
        .iter()
        .filter(|op| matches!(op.kind, MountKind::Bind { .. }))
        .map(|op| op.destination.clone());
    let others = unlisted(rootfs).into_iter().map(|(point, _)| point);
    CheckpointFacts {
        outside: binds.chain(others).collect(),
        masked: rootfs.masked.clone(),
        joined: namespaces
            .joined()
            .fold(0, |flags, (kind, _)| flags | kind.flag()),
    }
}

/// Mount points and sources of what is bound without being listed as a bind: the
/// hierarchies of cgroup v1, and device nodes where none can be made. A node that
/// was made is in the images, and nobody asks for its source.
pub(crate) fn unlisted(rootfs: &RootfsPlan) -> Vec<(PathBuf, PathBuf)> {
    let hierarchies = rootfs.mounts.iter().flat_map(|op| match &op.kind {
        MountKind::Cgroup(CgroupMount::Legacy {
            hierarchies,
            fresh: false,
        }) => hierarchies
            .iter()
            .map(|tree| (op.destination.join(&tree.name), tree.source.clone()))
            .collect(),
        MountKind::Cgroup(_)
        | MountKind::Filesystem { .. }
        | MountKind::Bind { .. }
        | MountKind::Remount => Vec::new(),
    });
    let nodes = rootfs.devices.iter().flatten();
    let nodes = nodes.map(|node| (node.path.clone(), node.path.clone()));
    hierarchies.chain(nodes).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{facts, unlisted};
    use crate::error::Findings;
    use crate::mounts::{Attributes, CgroupMount, LegacyHierarchy, MountKind, MountOp};
    use crate::namespaces;
    use crate::plan::{DeviceKind, DeviceNode, RootfsPlan};
    use std::path::{Path, PathBuf};

    fn op(destination: &str, kind: MountKind) -> MountOp {
        MountOp {
            destination: destination.into(),
            field: String::new(),
            kind,
            attributes: Attributes::default(),
            recursive: Attributes::default(),
            propagation: Vec::new(),
            read_only_last: false,
        }
    }

    fn rootfs(fresh: bool) -> RootfsPlan {
        let hierarchy = LegacyHierarchy {
            name: "pids".to_owned(),
            options: None,
            source: "/sys/fs/cgroup/pids/c".into(),
            otherwise: None,
            links: Vec::new(),
        };
        let cgroup = MountKind::Cgroup(CgroupMount::Legacy {
            hierarchies: vec![hierarchy],
            fresh,
        });
        let bind = MountKind::Bind {
            source: "/srv".into(),
            recursive: true,
            id_map: None,
        };
        RootfsPlan {
            path: "/b/rootfs".into(),
            propagation: None,
            readonly: false,
            no_pivot: false,
            mounts: vec![op("/sys/fs/cgroup", cgroup), op("/data", bind)],
            devices: Some(vec![DeviceNode {
                path: "/dev/fuse".into(),
                kind: DeviceKind::Fifo,
                mode: 0,
                uid: 0,
                gid: 0,
            }]),
            masked: vec!["/proc/kcore".into()],
            readonly_paths: Vec::new(),
            label: None,
        }
    }

    #[test]
    fn binds_hierarchies_and_nodes_are_outside() {
        let list: Vec<_> = serde_json::from_str(
            r#"[{"type":"pid"},{"type":"network","path":"/n"},{"type":"mount"}]"#,
        )
        .unwrap();
        let namespaces = namespaces::plan(&list, &mut Findings::new());
        let facts = facts(&rootfs(false), &namespaces);
        let wanted = ["/data", "/sys/fs/cgroup/pids", "/dev/fuse"].map(PathBuf::from);
        assert_eq!(facts.outside, wanted);
        assert_eq!(facts.masked, [PathBuf::from("/proc/kcore")]);
        assert_eq!(facts.joined, libc::CLONE_NEWNET);
    }

    #[test]
    fn hierarchies_mounted_anew_are_not_outside() {
        let points: Vec<PathBuf> = unlisted(&rootfs(true)).into_iter().map(|it| it.0).collect();
        assert_eq!(points, [Path::new("/dev/fuse")]);
    }
}
