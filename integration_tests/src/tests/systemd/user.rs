//! An ordinary user with a systemd of their own.

use serde_json::json;

use super::{output, systemctl};
use crate::harness::{Call, Case, Hierarchies, Outcome, has, same, skip};
use crate::tests::list;

list!["systemd":
    a_user_runs_a_container,
    a_users_sub_cgroup,
    a_user_without_a_systemd_is_told,
];

const UID: u32 = 1000;

/// A call as the user, from a session of theirs.
fn by_user(call: Call) -> Call {
    call.limit(90).under(&format!(
        "exec setpriv --reuid {UID} --regid {UID} --clear-groups \
         env XDG_RUNTIME_DIR=/run/user/{UID} \"$@\""
    ))
}

fn ready(case: &Case) -> Outcome {
    let directory = format!("/run/user/{UID}");
    if !std::path::Path::new("/run/systemd/system").is_dir() {
        return skip("needs systemd");
    }
    if !Hierarchies::read()?.unified() {
        return skip("needs cgroup v2 alone");
    }
    if output("id", &["-u", &UID.to_string()])? != UID.to_string() {
        return skip(format!("needs a user {UID}"));
    }
    if !std::path::Path::new(&directory).join("bus").exists() {
        // One that starts later is mounted where these tests do not see it.
        return skip("needs the user's bus: loginctl enable-linger before the tests");
    }
    case.bundle.give_to(UID)?;
    std::os::unix::fs::chown(&case.state_root, Some(UID), Some(UID))?;
    case.edit(|config| {
        config["linux"]["cgroupsPath"] = json!(format!(":test:{}", case.tag));
        config["linux"]["resources"] = json!({"pids": {"limit": 20},
            "memory": {"limit": 67_108_864}});
        if let Some(list) = config["linux"]["namespaces"].as_array_mut() {
            list.push(json!({"type": "user"}));
        }
        config["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": UID, "size": 1}]);
        config["linux"]["gidMappings"] = config["linux"]["uidMappings"].clone();
        if let Some(mounts) = config["mounts"].as_array_mut() {
            for mount in mounts {
                if let Some(options) = mount["options"].as_array_mut() {
                    options.retain(|it| it != "gid=5");
                }
            }
        }
    })
}

fn a_user_runs_a_container(case: &Case) -> Outcome {
    ready(case)?;
    case.bundle.script("exec sleep 600")?;
    let call = |line: &[&str]| by_user(case.call(&[&["--systemd-cgroup"], line].concat()));
    call(&["run", "-d", &case.id]).answer()?.ok()?;
    let unit = format!("test-{}.scope", case.tag);
    let show = |name: &str| {
        let machine = format!("{UID}@");
        systemctl(&[
            "--user", "-M", &machine, "show", "--value", "-p", name, &unit,
        ])
    };
    let group = show("ControlGroup")?;
    has(&group, &format!("/user@{UID}.service/user.slice/{unit}"))?;
    same("limit", show("TasksMax")?.as_str(), "20")?;
    let folder = std::path::PathBuf::from(format!("/sys/fs/cgroup{group}"));
    let pids = std::fs::read_to_string(folder.join("pids.max"))?;
    same("file", pids.trim(), "20")?;
    let exec = call(&["exec", &case.id, "cat", "/proc/self/cgroup"]).answer()?;
    has(&exec.ok()?.out(), "0::/")?;
    let update = ["update", "--pids-limit", "30", &case.id];
    call(&update).answer()?.ok()?;
    same("limit", show("TasksMax")?.as_str(), "30")?;
    call(&["pause", &case.id]).answer()?.ok()?;
    call(&["resume", &case.id]).answer()?.ok()?;
    call(&["delete", "--force", &case.id]).answer()?.ok()?;
    same("unit", show("LoadState")?.as_str(), "not-found")?;
    case.nothing_left()
}

fn a_users_sub_cgroup(case: &Case) -> Outcome {
    ready(case)?;
    case.edit(|c| c["annotations"] = json!({"run.oci.systemd.subgroup": "inner"}))?;
    case.bundle.script("exec sleep 600")?;
    let call = |line: &[&str]| by_user(case.call(&[&["--systemd-cgroup"], line].concat()));
    call(&["run", "-d", &case.id]).answer()?.ok()?;
    let cgroups = std::fs::read_to_string(format!("/proc/{}/cgroup", case.pid()?))?;
    let own = format!("/test-{}.scope/inner", case.tag);
    has(&cgroups, &own)?;
    let path = cgroups.trim().trim_start_matches("0::");
    let pids = std::fs::read_to_string(format!("/sys/fs/cgroup{path}/pids.max"))?;
    same("limit", pids.trim(), "20")?;
    let exec = call(&["exec", &case.id, "cat", "/proc/self/cgroup"]).answer()?;
    has(&exec.ok()?.out(), "0::/")?;
    call(&["delete", "--force", &case.id]).answer()?.ok()?;
    case.nothing_left()
}

fn a_user_without_a_systemd_is_told(case: &Case) -> Outcome {
    ready(case)?;
    let line = ["--systemd-cgroup", "run", &case.id];
    let call = case.call(&line).under(&format!(
        "exec setpriv --reuid {UID} --regid {UID} --clear-groups env XDG_RUNTIME_DIR=/tmp \"$@\""
    ));
    call.answer()?
        .fails(1, &["cannot reach the user's systemd"])?;
    case.nothing_left()
}
