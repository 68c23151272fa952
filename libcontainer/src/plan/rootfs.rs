//! The root file system: its propagation, what is masked, who makes `/dev`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::devices;
use super::types::RootfsPlan;
use crate::error::Findings;
use crate::mounts::{MountKind, MountOp, Propagation};
use crate::spec::oci::Spec;

/// Judges the root file system. `path` is the directory, absolute.
pub(super) fn plan(
    spec: &Spec,
    path: PathBuf,
    no_pivot: bool,
    mounts: Vec<MountOp>,
    label: Option<String>,
    findings: &mut Findings,
) -> RootfsPlan {
    let linux = spec.linux().as_ref();
    let propagation = linux
        .and_then(|linux| linux.rootfs_propagation().as_deref())
        .filter(|word| !word.is_empty())
        .and_then(|word| propagation(word, findings));
    let listed = linux.and_then(|linux| linux.devices().as_deref());
    let nodes = devices::plan(listed.unwrap_or_default(), findings);
    let host_dev = mounts.iter().any(|mount| {
        mount.destination == Path::new("/dev") && matches!(mount.kind, MountKind::Bind { .. })
    });
    RootfsPlan {
        path,
        propagation,
        readonly: spec
            .root()
            .as_ref()
            .and_then(crate::spec::oci::Root::readonly)
            .unwrap_or_default(),
        no_pivot,
        mounts,
        devices: (!host_dev).then_some(nodes),
        masked: paths(
            linux.and_then(|linux| linux.masked_paths().as_deref()),
            "linux.maskedPaths",
            findings,
        ),
        readonly_paths: paths(
            linux.and_then(|linux| linux.readonly_paths().as_deref()),
            "linux.readonlyPaths",
            findings,
        ),
        label,
    }
}

fn propagation(word: &str, findings: &mut Findings) -> Option<Propagation> {
    let (flag, recursive) = match word {
        "shared" => (libc::MS_SHARED, false),
        "rshared" => (libc::MS_SHARED, true),
        "slave" => (libc::MS_SLAVE, false),
        "rslave" => (libc::MS_SLAVE, true),
        "private" => (libc::MS_PRIVATE, false),
        "rprivate" => (libc::MS_PRIVATE, true),
        "unbindable" => (libc::MS_UNBINDABLE, false),
        "runbindable" => (libc::MS_UNBINDABLE, true),
        _ => {
            findings.error(
                "linux.rootfsPropagation",
                format!("rootfsPropagation={word:?} is not supported; known: shared, slave, private, unbindable and those with r before"),
            );
            return None;
        }
    };
    #[expect(
        clippy::useless_conversion,
        reason = "the width of c_ulong is the target's"
    )]
    Some(Propagation {
        flag: flag.into(),
        recursive,
    })
}

/// The paths as absolute ones, each once.
fn paths(list: Option<&[String]>, field: &str, findings: &mut Findings) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut known = HashSet::new();
    for (index, text) in list.unwrap_or_default().iter().enumerate() {
        if text.is_empty() || text.contains('\0') {
            findings.error(format!("{field}[{index}]"), format!("{text:?} is no path"));
            continue;
        }
        let path: PathBuf = Path::new("/").join(text).components().collect();
        if known.insert(path.clone()) {
            paths.push(path);
        }
    }
    paths
}
