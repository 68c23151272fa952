//! Which cgroup a container is in.

use std::fs;

use serde_json::json;

use crate::harness::{Case, Hierarchies, Outcome, has, holds, lacks, same, skip};
use crate::tests::list;

list!["cgroup":
    joins_every_hierarchy,
    default_path_names_the_id,
    relative_path,
    path_outside_is_kept_inside,
    parents_are_made_and_left,
    without_a_cgroup_the_creators_is_seen,
    cgroup_that_is_not_empty_is_refused,
    frozen_cgroup_is_refused,
    exec_joins_every_hierarchy,
    other_containers_stay,
    init_that_a_foreign_freezer_holds_is_deleted,
];

fn joins_every_hierarchy(case: &Case) -> Outcome {
    case.run_asleep()?;
    let text = fs::read_to_string(format!("/proc/{}/cgroup", case.pid()?))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    for line in text.lines() {
        // One that is mounted nowhere cannot be joined.
        let name = line.split(':').nth(1).unwrap_or_default();
        let mounted = |mount: &str| mount.contains(" - cgroup ") && mount.ends_with(name);
        if !name.is_empty() && !mounts.lines().any(mounted) {
            continue;
        }
        holds(
            format!("{line} ends in {}", case.cgroup),
            line.ends_with(&case.cgroup),
        )?;
    }
    case.destroy()?;
    case.nothing_left()
}

fn default_path_names_the_id(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["cgroupsPath"] = json!(null))?;
    case.run_asleep()?;
    let text = fs::read_to_string(format!("/proc/{}/cgroup", case.pid()?))?;
    has(&text, &format!("/{}", case.id))?;
    case.destroy()?;
    case.nothing_left()
}

/// Podman's `--cgroups=disabled`, which still mounts cgroups.
fn without_a_cgroup_the_creators_is_seen(case: &Case) -> Outcome {
    let mount = json!({
        "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
        "options": ["nosuid", "noexec", "nodev", "ro"],
    });
    case.bundle.mount(mount)?;
    case.edit(|c| {
        c["linux"]["cgroupsPath"] = json!("/ignored");
        if let Some(list) = c["linux"]["namespaces"].as_array_mut() {
            list.retain(|namespace| namespace["type"] != "cgroup");
        }
    })?;
    case.bundle
        .script("cat /proc/self/cgroup; cd /sys/fs/cgroup; ls; touch x 2>&1; true")?;
    let line = ["--cgroup-manager=disabled", "run", &case.id];
    let out = case.rt(&line)?.ok()?.out();
    for line in fs::read_to_string("/proc/self/cgroup")?.lines() {
        has(&out, line)?;
    }
    for point in Hierarchies::read()?.v1 {
        let name = point.1.file_name().unwrap_or_default();
        has(&out, &format!("{}\n", name.to_string_lossy()))?;
    }
    has(&out, "Read-only file system")?;
    case.nothing_left()
}

fn relative_path(case: &Case) -> Outcome {
    let name = format!("relative-{}", case.tag);
    case.edit(|c| c["linux"]["cgroupsPath"] = json!(name))?;
    case.run_asleep()?;
    let text = fs::read_to_string(format!("/proc/{}/cgroup", case.pid()?))?;
    has(&text, &format!("/{name}"))?;
    case.destroy()?;
    case.nothing_left()
}

fn path_outside_is_kept_inside(case: &Case) -> Outcome {
    let path = format!("/../../../lodge-{}", case.tag);
    case.edit(|c| c["linux"]["cgroupsPath"] = json!(path))?;
    let answer = case.run()?;
    if answer.code == 0 || !answer.err().is_empty() {
        case.rt(&["delete", "--force", &case.id])?;
    }
    case.nothing_left()
}

fn parents_are_made_and_left(case: &Case) -> Outcome {
    // A parent that others use is not ours to remove.
    let hierarchies = Hierarchies::read()?;
    let parent = format!("lodge-parent-{}", case.tag);
    for point in hierarchies.all() {
        fs::create_dir(point.join(&parent))?;
    }
    case.edit(|c| c["linux"]["cgroupsPath"] = json!(format!("/{parent}/own")))?;
    case.run_script("true")?;
    let mut left = 0;
    for point in hierarchies.all() {
        let dir = point.join(&parent);
        left += u32::from(dir.is_dir());
        let _ = fs::remove_dir(dir.join("own"));
        let _ = fs::remove_dir(dir);
    }
    let wanted = u32::try_from(hierarchies.all().count())?;
    same("parents", left, wanted)?;
    case.nothing_left()
}

fn cgroup_that_is_not_empty_is_refused(case: &Case) -> Outcome {
    case.run_asleep()?;
    let second = case.another()?;
    second.edit(|c| c["linux"]["cgroupsPath"] = json!(case.cgroup))?;
    for verb in ["create", "run"] {
        second
            .rt(&[verb, &second.id])?
            .fails(1, &["container's cgroup is not empty"])?;
    }
    case.status_is("running")?;
    same("exec in the first", case.exec_script(&[], "echo in")?, "in")?;
    case.destroy()?;
    case.nothing_left()
}

fn frozen_cgroup_is_refused(case: &Case) -> Outcome {
    let hierarchies = Hierarchies::read()?;
    let name = case.cgroup.trim_start_matches('/');
    let (dir, file, frozen, thawed) = if let Some(point) = hierarchies.controller("freezer") {
        (point.join(name), "freezer.state", "FROZEN", "THAWED")
    } else if hierarchies.unified() {
        let Some(point) = &hierarchies.v2 else {
            return skip("needs a freezer");
        };
        (point.join(name), "cgroup.freeze", "1", "0")
    } else {
        return skip("needs a freezer");
    };
    fs::create_dir(&dir)?;
    fs::write(dir.join(file), frozen)?;
    let refused = case.call(&["run", &case.id]).limit(10).answer();
    // Thawed first, lest the rest hang on it.
    let _ = fs::write(dir.join(file), thawed);
    let refused =
        refused.and_then(|answer| answer.fails(1, &["container's cgroup unexpectedly frozen"]));
    let _ = fs::remove_dir(&dir);
    refused?;
    case.nothing_left()
}

fn exec_joins_every_hierarchy(case: &Case) -> Outcome {
    case.run_asleep()?;
    let line = ["exec", "-d", "--pid-file", "pid", &case.id, "sleep", "600"];
    case.rt(&line)?.ok()?;
    let pid = fs::read_to_string(case.bundle.dir.join("pid"))?;
    let of = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup"));
    same("cgroups", of(&pid)?, of(&case.pid()?.to_string())?)
}

fn other_containers_stay(case: &Case) -> Outcome {
    case.run_asleep()?;
    let second = case.another()?;
    second.run_asleep()?;
    second.destroy()?;
    case.status_is("running")?;
    let listed = case.rt(&["list", "-q"])?.ok()?.out();
    lacks(&listed, &second.id)
}

/// Frozen in a cgroup that is not the container's, its init cannot die before that
/// one is thawed.
fn init_that_a_foreign_freezer_holds_is_deleted(case: &Case) -> Outcome {
    let hierarchies = Hierarchies::read()?;
    let Some(point) = hierarchies.controller("freezer") else {
        return skip("needs the freezer of cgroup v1");
    };
    case.run_asleep()?;
    let foreign = point.join(format!("{}-foreign", case.cgroup.trim_start_matches('/')));
    fs::create_dir(&foreign)?;
    fs::write(foreign.join("cgroup.procs"), case.pid()?.to_string())?;
    fs::write(foreign.join("freezer.state"), "FROZEN")?;
    let deleted = case
        .call(&["delete", "--force", &case.id])
        .limit(9)
        .answer();
    fs::write(foreign.join("freezer.state"), "THAWED")?;
    deleted?.ok()?;
    fs::remove_dir(&foreign)?;
    case.nothing_left()
}
