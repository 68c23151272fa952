//! T5: cgroup files that can be written from inside. CVE-2022-0492,
//! CVE-2023-25809.

use std::path::PathBuf;

use serde_json::json;

use super::ways::{WAYS, start, without_mounts};
use crate::harness::config::{
    MAPPED_ROOT, with_capabilities, with_namespace, with_user_namespace, without_namespace,
};
use crate::harness::{Case, Hierarchies, Outcome, holds, same};
use crate::tests::list;

list!["attacks::t05":
    read_only_mounts_stay_so,
    no_cgroup_beside_the_own_is_written,
];

/// Tries every directory below `/sys/fs/cgroup` and names what could be written.
const SCRIPT: &str = r#"
    find /sys/fs/cgroup -maxdepth 3 -type d 2>/dev/null | while read d; do
        (mkdir $d/made-inside) 2>/dev/null && echo "mkdir $d" && rmdir $d/made-inside
        for f in cgroup.procs tasks release_agent notify_on_release memory.limit_in_bytes \
            memory.max cgroup.subtree_control devices.allow cgroup.freeze; do
            # What is read is written back: a runtime that lets it through hurts nobody.
            [ -e $d/$f ] || continue
            case $f in
                cgroup.procs | tasks) t=$$ ;;
                devices.allow) t='c 1:3 r' ;;
                *) t=$(cat $d/$f 2>/dev/null) ;;
            esac
            (echo "$t" > $d/$f) 2>/dev/null && echo "write $d/$f"
        done
    done
    for o in rw ro; do
        mount -o remount,bind,$o /sys/fs/cgroup 2>/dev/null && echo "remount $o"
    done
    echo end
"#;

/// The same for a container that has some more rights than most.
fn each_kind(case: &Case, mut attempt: impl FnMut(&str) -> Outcome) -> Outcome {
    let config = case.bundle.config()?;
    for cgroup_namespace in [true, false] {
        for user_namespace in [false, true] {
            case.edit(|c| {
                *c = config.clone();
                if cgroup_namespace {
                    with_namespace(c, "cgroup", None);
                } else {
                    without_namespace(c, "cgroup");
                }
                if user_namespace {
                    with_user_namespace(c);
                }
                with_capabilities(c, &["CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_SETUID"]);
            })?;
            if user_namespace {
                case.bundle.give_to(MAPPED_ROOT)?;
            }
            attempt(&format!(
                "cgroup namespace {cgroup_namespace}, user namespace {user_namespace}"
            ))?;
        }
    }
    case.nothing_left()
}

fn with_cgroup_mount(case: &Case, options: &[&str]) -> Outcome {
    case.edit(|c| without_mounts(c, "/sys/fs/cgroup"))?;
    case.bundle.mount(
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
            "options": options}),
    )
}

fn read_only_mounts_stay_so(case: &Case) -> Outcome {
    each_kind(case, |context| {
        for options in [
            &["nosuid", "noexec", "nodev", "relatime", "ro"][..],
            &["ro"],
            &["rbind", "ro"],
        ] {
            // A bind of the host's hierarchies is another way to the same place.
            if options.contains(&"rbind") {
                case.edit(|c| without_mounts(c, "/sys/fs/cgroup"))?;
                case.bundle
                    .mount(json!({"destination": "/sys/fs/cgroup", "type": "bind",
                    "source": "/sys/fs/cgroup", "options": ["rbind", "rro"]}))?;
            } else {
                with_cgroup_mount(case, options)?;
            }
            case.bundle.script(SCRIPT)?;
            for way in WAYS {
                let answer = start(case, way)?.ok()?;
                same(context, answer.out(), "end\n")?;
            }
        }
        Ok(())
    })
}

/// What of the host's hierarchies lies outside of the test's cgroup.
fn outside(case: &Case) -> Outcome<Vec<(PathBuf, Option<String>)>> {
    let mut found = Vec::new();
    for point in Hierarchies::read()?.all() {
        for name in ["release_agent", "notify_on_release"] {
            let file = point.join(name);
            let text = std::fs::read_to_string(&file).ok();
            found.push((file, text));
        }
    }
    holds("no cgroup of the script is left", {
        Hierarchies::read()?.named("made-inside").is_empty()
    })?;
    let _ = case;
    Ok(found)
}

fn no_cgroup_beside_the_own_is_written(case: &Case) -> Outcome {
    // Asked for writable, the own cgroup is; the agent that the kernel would start on
    // the host is not.
    let before = outside(case)?;
    each_kind(case, |context| {
        if context.starts_with("cgroup namespace false") && Hierarchies::read()?.unified() {
            // The whole of the one hierarchy is asked for then.
            return Ok(());
        }
        with_cgroup_mount(case, &["nosuid", "noexec", "nodev", "rw"])?;
        case.bundle.script(
            r#"
            find /sys/fs/cgroup -maxdepth 2 -name release_agent | while read f; do
                (echo /x > $f) 2>/dev/null && echo "wrote $f"
            done
            mkdir /m 2>/dev/null
            for c in memory devices rdma pids; do
                mount -t cgroup -o $c none /m 2>/dev/null && echo "mounted $c"
            done
            mount -t cgroup2 none /m 2>/dev/null && echo mounted
            echo end"#,
        )?;
        for way in WAYS {
            let answer = start(case, way)?.ok()?;
            same(context, answer.out(), "end\n")?;
        }
        Ok(())
    })?;
    same("files of the host", outside(case)?, before)
}
