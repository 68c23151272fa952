//! Hosts whose cgroups cannot all be frozen, and containers that move about in
//! theirs.

use std::fs;

use serde_json::json;

use crate::harness::config::{with_capabilities, without_namespace};
use crate::harness::{Case, Hierarchies, Outcome, eventually, has, holds, skip};
use crate::tests::list;

list!["cgroup":
    without_a_freezer_nothing_is_paused,
    exec_after_the_first_process_has_moved,
];

/// Runs the runtime where the freezer of cgroup v1, and the v2 tree beside it, are not
/// mounted.
const NO_FREEZER: &str = r#"exec unshare --mount /bin/bash -c '
    for mount in $(awk "\$5 ~ /^\/sys\/fs\/cgroup/ && (/freezer/ || / - cgroup2 /) { print \$5 }" /proc/self/mountinfo); do
        umount "$mount" || exit 1
    done
    exec "$@"' bash "$@""#;

fn without_a_freezer_nothing_is_paused(case: &Case) -> Outcome {
    if Hierarchies::read()?.controller("freezer").is_none() {
        return skip("needs the freezer of cgroup v1");
    }
    case.bundle.script("exec sleep 600")?;
    let call = |line: &[&str]| case.call(line).under(NO_FREEZER).answer();
    call(&["run", "--detach", &case.id])?.ok()?;
    has(&call(&["state", &case.id])?.ok()?.out(), "\"running\"")?;
    has(&call(&["list"])?.ok()?.out(), " running ")?;
    call(&["pause", &case.id])?.fails(1, &["freeze"])?;
    has(&call(&["state", &case.id])?.ok()?.out(), "\"running\"")?;
    call(&["exec", &case.id, "true"])?.ok()?;
    call(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    call(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

/// A container that rules its own cgroup, as systemd in a container does, puts its
/// first process into a child of it; cgroup v2 takes no process into the parent
/// then.
fn exec_after_the_first_process_has_moved(case: &Case) -> Outcome {
    let hierarchies = Hierarchies::read()?;
    let Some(point) = hierarchies.v2.as_ref().filter(|_| hierarchies.unified()) else {
        return skip("needs cgroup v2 alone");
    };
    case.edit(|c| {
        without_namespace(c, "cgroup");
        with_capabilities(c, &["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]);
        for mount in c["mounts"].as_array_mut().into_iter().flatten() {
            if mount["type"] == "cgroup" {
                mount["options"] = json!(["nosuid", "noexec", "nodev", "rw"]);
            }
        }
    })?;
    let own = point.join(case.cgroup.trim_start_matches('/'));
    case.run_detached(
        "own=/sys/fs/cgroup$(sed s/0::// /proc/self/cgroup); mkdir $own/init; \
         echo 1 > $own/init/cgroup.procs; echo +pids > $own/cgroup.subtree_control; \
         exec sleep 600",
    )?;
    eventually("controllers are given on", || {
        let text = fs::read_to_string(own.join("cgroup.subtree_control")).unwrap_or_default();
        Ok(text.contains("pids"))
    })?;
    let seen = case.exec_script(&[], "cat /proc/self/cgroup")?;
    holds(
        format!("{seen} is in the container's cgroup"),
        seen.contains(&case.cgroup),
    )?;
    case.destroy()?;
    case.nothing_left()
}
