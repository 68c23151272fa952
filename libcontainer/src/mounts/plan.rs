//! What the configuration's list of mounts comes to.

use std::path::{Path, PathBuf};

use super::{CgroupMount, IdMapping, MountKind, MountOp, Options, Parameter, TmpfsMode};
use crate::error::Findings;
use crate::spec::oci::Mount;
use crate::sys::mount::attr;

/// What the list is judged by.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The bundle, which relative sources are relative to.
    pub bundle: &'a Path,
    /// The root file system's directory, absolute.
    pub root: &'a Path,
    /// The container's own view of the cgroup hierarchies; none when it has no
    /// cgroup of its own.
    pub cgroup: Option<CgroupMount>,
    /// The id mapping of each mount of the list that has one, by its number.
    pub id_maps: &'a [(usize, IdMapping)],
    /// `linux.mountLabel`: the `SELinux` label of the file systems made here.
    pub label: Option<&'a str>,
    /// The mount option that sets the label, most often `context` (mount(8)).
    pub label_option: &'a str,
}

/// What may be mounted over below `/proc`: files that lxcfs and the like provide
/// and that no security setting is written to.
const OVER_PROC: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
    "/proc/uptime",
];

/// Judges the list; the order is kept.
pub fn plan(mounts: &[Mount], facts: &Facts<'_>, findings: &mut Findings) -> Vec<MountOp> {
    mounts
        .iter()
        .enumerate()
        .filter_map(|(index, mount)| one(mount, index, facts, findings))
        .collect()
}

fn one(mount: &Mount, index: usize, facts: &Facts<'_>, findings: &mut Findings) -> Option<MountOp> {
    let field = format!("mounts[{index}]");
    let field = field.as_str();
    let list = mount.options().as_deref().unwrap_or_default();
    let options = Options::parse(list);
    if !without_nul(mount, list, field, findings) {
        return None;
    }
    let destination = destination(mount.destination(), field, facts.root, findings)?;
    let mut kind = kind(mount, field, &destination, &options, facts, findings)?;
    if let Some((_, asked)) = facts.id_maps.iter().find(|(number, _)| *number == index) {
        map_ids(&mut kind, *asked, field, findings);
    }
    let mut attributes = options.attributes;
    // A file system that things are still made in is closed at the end.
    let read_only_last = attributes.set & attr::RDONLY != 0
        && matches!(&kind, MountKind::Filesystem { fs_type, .. }
            if fs_type == "tmpfs" || destination == Path::new("/dev"));
    if read_only_last {
        attributes.set &= !attr::RDONLY;
    }
    over_proc(&kind, &destination, field, findings);
    Some(MountOp {
        destination,
        field: field.to_owned(),
        kind,
        attributes,
        recursive: options.recursive,
        propagation: options.propagation,
        read_only_last,
    })
}

fn kind(
    mount: &Mount,
    field: &str,
    destination: &Path,
    options: &Options,
    facts: &Facts<'_>,
    findings: &mut Findings,
) -> Option<MountKind> {
    let fs_type = mount.typ().as_deref().unwrap_or_default();
    if options.remount {
        return Some(MountKind::Remount);
    }
    if let Some(recursive) = options.bind {
        return bind(mount, field, recursive, options, facts, findings);
    }
    match fs_type {
        "" | "none" | "bind" => {
            findings.error(
                format!("{field}.type"),
                format!("type {fs_type:?} without the option bind or rbind is no mount"),
            );
            None
        }
        "cgroup" | "cgroup2" => match &facts.cgroup {
            Some(view) => Some(MountKind::Cgroup(cgroup(view, field, options, findings))),
            None => {
                findings.error(
                    format!("{field}.type"),
                    "a cgroup mount needs a cgroup of the container's own",
                );
                None
            }
        },
        _ => Some(filesystem(
            mount,
            fs_type,
            field,
            destination,
            options,
            facts.label.map(|label| (facts.label_option, label)),
            findings,
        )),
    }
}

/// The view with the mount's options for the kernel, which a file system takes that
/// is made for the container, and no other.
fn cgroup(
    view: &CgroupMount,
    field: &str,
    options: &Options,
    findings: &mut Findings,
) -> CgroupMount {
    let parameters = options.parameters.clone();
    match view {
        CgroupMount::Unified { .. } => CgroupMount::Unified { parameters },
        CgroupMount::UnifiedBind { .. } | CgroupMount::Legacy { .. } => {
            if let Some(first) = parameters.first() {
                findings.warning(
                    format!("{field}.options"),
                    format!(
                        "{:?} is ignored: the hierarchy is the host's own",
                        first.key
                    ),
                );
            }
            view.clone()
        }
    }
}

fn bind(
    mount: &Mount,
    field: &str,
    recursive: bool,
    options: &Options,
    facts: &Facts<'_>,
    findings: &mut Findings,
) -> Option<MountKind> {
    let Some(source) = mount
        .source()
        .as_deref()
        .filter(|source| !source.as_os_str().is_empty())
    else {
        findings.error(format!("{field}.source"), "a bind mount needs a source");
        return None;
    };
    // The parameters would change the source's own superblock, or nothing.
    if let Some(parameter) = options
        .parameters
        .iter()
        .find(|it| it.value.is_some() || !is_superblock_flag(it))
    {
        findings.error(
            format!("{field}.options"),
            format!(
                "{:?} is no option of a bind mount",
                parameter
                    .value
                    .as_ref()
                    .map_or(parameter.key.clone(), |value| format!(
                        "{}={value}",
                        parameter.key
                    ))
            ),
        );
        return None;
    }
    Some(MountKind::Bind {
        source: facts.bundle.join(source),
        recursive,
        id_map: None,
    })
}

fn map_ids(kind: &mut MountKind, asked: IdMapping, field: &str, findings: &mut Findings) {
    if let MountKind::Bind { id_map, .. } = kind {
        *id_map = Some(asked);
    } else {
        findings.error(field, "id-mapped mounts are only supported for bind mounts");
    }
}

fn is_superblock_flag(parameter: &Parameter) -> bool {
    super::NAMES.binary_search(&parameter.key.as_str()).is_ok()
}

fn filesystem(
    mount: &Mount,
    fs_type: &str,
    field: &str,
    destination: &Path,
    options: &Options,
    label: Option<(&str, &str)>,
    findings: &mut Findings,
) -> MountKind {
    if options.copy_up && fs_type != "tmpfs" {
        findings.error(
            format!("{field}.options"),
            format!("tmpcopyup is for tmpfs, not for {fs_type:?}"),
        );
    }
    let has_mode = options.parameters.iter().any(|it| it.key == "mode");
    let mut parameters = options.parameters.clone();
    let mut root_label = None;
    if let Some((option, label)) = label.filter(|_| !parameters.iter().any(Parameter::is_label)) {
        match fs_type {
            // Their files have labels of their own.
            "proc" | "sysfs" => {}
            // One superblock an IPC namespace, which was made before it is mounted.
            "mqueue" => root_label = Some(label.to_owned()),
            _ => parameters.push(Parameter {
                key: option.to_owned(),
                value: Some(label.to_owned()),
            }),
        }
    }
    MountKind::Filesystem {
        fs_type: fs_type.to_owned(),
        source: mount
            .source()
            .as_deref()
            .map_or_else(String::new, |source| source.to_string_lossy().into_owned()),
        parameters,
        root_label,
        mode: if fs_type == "tmpfs" && !has_mode {
            TmpfsMode::OfDirectory
        } else {
            TmpfsMode::Given
        },
        copy_up: options.copy_up,
        plain_directory: matches!(fs_type, "proc" | "sysfs")
            && matches!(destination.to_str(), Some("/proc" | "/sys")),
    }
}

/// The destination as an absolute path without `.` and doubled slashes. One that
/// names the place on the host, in the root file system's directory, means that
/// place: so runc has it.
fn destination(path: &Path, field: &str, root: &Path, findings: &mut Findings) -> Option<PathBuf> {
    if path.as_os_str().is_empty() {
        findings.error(format!("{field}.destination"), "empty");
        return None;
    }
    if path.is_relative() {
        findings.warning(
            format!("{field}.destination"),
            format!("{} is relative, taken from /", path.display()),
        );
    }
    let absolute: PathBuf = Path::new("/").join(path).components().collect();
    Some(match absolute.strip_prefix(root) {
        Ok(inside) => Path::new("/").join(inside),
        Err(_) => absolute,
    })
}

fn over_proc(kind: &MountKind, destination: &Path, field: &str, findings: &mut Findings) {
    let below = destination
        .strip_prefix("/proc")
        .is_ok_and(|rest| !rest.as_os_str().is_empty());
    let allowed = OVER_PROC.iter().any(|path| destination == Path::new(path));
    if below && !(allowed && matches!(kind, MountKind::Bind { .. })) {
        findings.error(
            format!("{field}.destination"),
            format!(
                "{} cannot be mounted over: it is inside /proc",
                destination.display()
            ),
        );
    }
}

/// Whether a path below /proc may be mounted over.
pub(super) fn may_cover(destination: &Path) -> bool {
    OVER_PROC.iter().any(|path| destination == Path::new(path))
}

/// The kernel would cut a text at its first NUL and mount something else.
fn without_nul(mount: &Mount, options: &[String], field: &str, findings: &mut Findings) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let has_nul = |path: &Path| path.as_os_str().as_bytes().contains(&0);
    let mut clean = true;
    let mut refuse = |name: &str| {
        findings.error(format!("{field}.{name}"), "contains a NUL byte");
        clean = false;
    };
    if has_nul(mount.destination()) {
        refuse("destination");
    }
    if mount.source().as_deref().is_some_and(has_nul) {
        refuse("source");
    }
    if mount
        .typ()
        .as_deref()
        .is_some_and(|text| text.contains('\0'))
    {
        refuse("type");
    }
    if options.iter().any(|text| text.contains('\0')) {
        refuse("options");
    }
    clean
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up fails the test"
)]
mod tests {
    use super::{Facts, plan};
    use crate::error::Findings;
    use crate::mounts::{
        CgroupMount, IdMapping, MapNamespace, MountKind, MountOp, Parameter, TmpfsMode,
    };
    use crate::sys::mount::attr;
    use std::path::Path;

    const MAPPED: IdMapping = IdMapping {
        namespace: MapNamespace::Made(0),
        recursive: true,
    };

    fn planned(json: &str) -> Result<Vec<MountOp>, String> {
        let mounts: Vec<_> = serde_json::from_str(json).unwrap();
        let facts = Facts {
            bundle: Path::new("/bundle"),
            root: Path::new("/bundle/rootfs"),
            cgroup: None,
            id_maps: &[(1, MAPPED)],
            label: None,
            label_option: "context",
        };
        let mut findings = Findings::new();
        let ops = plan(&mounts, &facts, &mut findings);
        if findings.has_errors() {
            return Err(findings.to_string());
        }
        Ok(ops)
    }

    #[test]
    fn options_of_a_cgroup_mount_are_for_a_new_file_system() {
        let mounts: Vec<_> = serde_json::from_str(
            r#"[{"destination":"/c","type":"cgroup","options":["ro","favordynmods"]}]"#,
        )
        .unwrap();
        let planned = |view: CgroupMount| {
            let facts = Facts {
                bundle: Path::new("/bundle"),
                root: Path::new("/bundle/rootfs"),
                cgroup: Some(view),
                id_maps: &[],
                label: None,
                label_option: "context",
            };
            let mut findings = Findings::new();
            let kind = plan(&mounts, &facts, &mut findings).pop().unwrap().kind;
            (kind, findings)
        };
        let (kind, findings) = planned(CgroupMount::Unified {
            parameters: Vec::new(),
        });
        assert_eq!(findings.warnings().count(), 0);
        let MountKind::Cgroup(CgroupMount::Unified { parameters }) = kind else {
            unreachable!()
        };
        let keys: Vec<_> = parameters.into_iter().map(|it| it.key).collect();
        assert_eq!(keys, ["favordynmods"]);
        let (_, findings) = planned(CgroupMount::UnifiedBind {
            source: "/x".into(),
        });
        assert!(!findings.has_errors());
        let said = &findings.warnings().next().unwrap().message;
        assert!(said.contains("\"favordynmods\" is ignored"), "{said}");
    }

    #[test]
    fn the_label_is_for_file_systems_that_take_one() {
        let mounts: Vec<_> = serde_json::from_str(
            r#"[{"destination":"/proc","type":"proc"},{"destination":"/sys","type":"sysfs"},
                {"destination":"/dev/mqueue","type":"mqueue"},{"destination":"/t","type":"tmpfs"},
                {"destination":"/own","type":"tmpfs","options":["context=\"o\""]}]"#,
        )
        .unwrap();
        let facts = Facts {
            bundle: Path::new("/bundle"),
            root: Path::new("/bundle/rootfs"),
            cgroup: None,
            id_maps: &[],
            label: Some("l"),
            label_option: "rootcontext",
        };
        let labels: Vec<_> = plan(&mounts, &facts, &mut Findings::new())
            .into_iter()
            .filter_map(|op| {
                let MountKind::Filesystem {
                    parameters,
                    root_label,
                    ..
                } = op.kind
                else {
                    return None;
                };
                let own = parameters.into_iter().find(Parameter::is_label);
                let own = own.and_then(|it| Some(format!("{}={}", it.key, it.value?)));
                Some((own, root_label))
            })
            .collect();
        let text = |text: &str| Some(text.to_owned());
        let wanted = [
            (None, None),
            (None, None),
            (None, text("l")),
            (text("rootcontext=l"), None),
            (text("context=\"o\""), None),
        ];
        assert_eq!(labels, wanted);
    }

    #[test]
    fn the_option_decides_what_is_a_bind() {
        for kind in [
            r#""type":"none","#,
            r#""type":"","#,
            r#""type":"bind","#,
            "",
        ] {
            let ops = planned(&format!(
                r#"[{{"destination":"/d",{kind}"source":"data","options":["rbind"]}}]"#
            ));
            let expected = MountKind::Bind {
                source: "/bundle/data".into(),
                recursive: true,
                id_map: None,
            };
            assert_eq!(ops.unwrap()[0].kind, expected);
        }
        let refused = planned(r#"[{"destination":"/d","type":"bind","source":"/x"}]"#);
        assert!(refused.unwrap_err().starts_with("mounts[0].type: "));
    }

    #[test]
    fn ids_are_mapped_of_binds_alone() {
        let first = r#"{"destination":"/a","source":"/x","options":["bind"]}"#;
        let ops = planned(&format!("[{first},{first}]")).unwrap();
        let maps: Vec<_> = ops
            .iter()
            .map(|op| match op.kind {
                MountKind::Bind { id_map, .. } => id_map,
                MountKind::Filesystem { .. } | MountKind::Cgroup(_) | MountKind::Remount => None,
            })
            .collect();
        assert_eq!(maps, [None, Some(MAPPED)]);
        let second = r#"{"destination":"/b","type":"tmpfs","options":["idmap"]}"#;
        assert_eq!(
            planned(&format!("[{first},{second}]")).unwrap_err(),
            "mounts[1]: id-mapped mounts are only supported for bind mounts"
        );
    }

    #[test]
    fn data_on_a_bind_is_refused() {
        let refused =
            planned(r#"[{"destination":"/d","source":"/x","options":["rbind","size=10m"]}]"#);
        assert_eq!(
            refused.unwrap_err(),
            "mounts[0].options: \"size=10m\" is no option of a bind mount"
        );
        assert!(
            planned(r#"[{"destination":"/d","source":"/x","options":["rbind","sync"]}]"#).is_ok()
        );
    }

    #[test]
    fn destinations_are_made_absolute() {
        let ops = planned(r#"[{"destination":"mnt//rel/./x","type":"tmpfs"}]"#).unwrap();
        assert_eq!(ops[0].destination, Path::new("/mnt/rel/x"));
    }

    #[test]
    fn destinations_on_the_host_are_inside() {
        for (path, inside) in [
            ("/bundle/rootfs/mnt/x", "/mnt/x"),
            ("/bundle/./rootfs//mnt", "/mnt"),
            ("/bundle/rootfs2", "/bundle/rootfs2"),
            ("/bundle", "/bundle"),
        ] {
            let ops = planned(&format!(r#"[{{"destination":"{path}","type":"tmpfs"}}]"#));
            assert_eq!(ops.unwrap()[0].destination, Path::new(inside), "{path}");
        }
    }

    #[test]
    fn nul_bytes_are_refused() {
        let refused = planned("[{\"destination\":\"/mnt\\u0000x\",\"type\":\"tmpfs\"}]");
        assert_eq!(
            refused.unwrap_err(),
            "mounts[0].destination: contains a NUL byte"
        );
    }

    #[test]
    fn only_a_few_files_below_proc_are_covered() {
        let bind = |path: &str| {
            planned(&format!(
                r#"[{{"destination":"{path}","source":"/x","options":["bind"]}}]"#
            ))
        };
        assert!(bind("/proc/uptime").is_ok());
        assert!(bind("/proc").is_ok());
        for path in [
            "/proc/self/attr/exec",
            "/proc/sys/kernel/core_pattern",
            "/proc/net/dev",
        ] {
            assert!(bind(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_read_only_tmpfs_is_closed_last() {
        let ops = planned(r#"[{"destination":"/dev","type":"tmpfs","options":["ro","mode=755"]}]"#);
        let op = &ops.unwrap()[0];
        assert!(op.read_only_last && op.attributes.set & attr::RDONLY == 0);
        assert!(matches!(
            op.kind,
            MountKind::Filesystem {
                mode: TmpfsMode::Given,
                ..
            }
        ));
    }
}
