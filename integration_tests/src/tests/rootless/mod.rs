//! The runtime called by an ordinary user, who has no rights to anything but the
//! bundle and a state directory.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use serde_json::{Value, json};

use crate::harness::{Answer, Call, Case, Hierarchies, Outcome, has, holds, lacks, same, skip};
use crate::tests::list;

list!["rootless":
    a_container_from_create_to_delete,
    a_configuration_of_spec_runs,
    exec_joins_what_the_user_owns,
    setgroups_is_denied_for_one_mapping,
    ranges_are_mapped_by_the_tools,
    one_user_and_a_range_of_groups,
    groups_of_the_caller_that_stay,
    network_of_the_host,
    ranges_without_the_tools_are_explained,
    ranges_that_are_not_the_users_are_refused,
    limits_above_the_users_are_named,
    limits_without_a_cgroup_are_refused,
    cgroups_path_without_rights_is_refused,
    delegated_cgroup_is_used,
    user_and_pid_namespaces_of_another_container,
    without_a_way_to_end_it_a_warning,
    no_user_namespace_is_refused,
    forbidden_user_namespaces_are_explained,
];

/// Nobody's number.
const USER: u32 = 54_321;
const RANGE: u32 = 7_000_000;

/// A bundle of the user's, with the configuration that `spec --rootless` writes.
fn prepare(case: &Case) -> Outcome {
    case.give_all_to(USER)?;
    let before = case.bundle.config()?;
    let dir = case.bundle.beside("spec-of-user")?;
    chown(&dir, Some(USER), Some(USER))?;
    as_user(case, &["spec", "--rootless"], |call| call.in_dir(&dir))?.ok()?;
    let mut config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
    config["process"]["terminal"] = json!(false);
    config["process"]["env"] = before["process"]["env"].clone();
    config["root"]["readonly"] = json!(false);
    fs::write(case.bundle.config_file(), config.to_string())?;
    Ok(())
}

fn as_user(case: &Case, args: &[&str], change: impl FnOnce(Call) -> Call) -> Outcome<Answer> {
    let become_user =
        format!("exec setpriv --reuid={USER} --regid={USER} --clear-groups -- \"$@\"");
    change(case.call(args).under(&become_user)).answer()
}

fn user(case: &Case, args: &[&str]) -> Outcome<Answer> {
    as_user(case, args, |call| call)
}

fn run_script(case: &Case, text: &str) -> Outcome<String> {
    case.bundle.script(text)?;
    Ok(user(case, &["run", &case.id])?
        .ok()?
        .out()
        .trim_end()
        .to_owned())
}

fn run_asleep(case: &Case) -> Outcome<Answer> {
    case.bundle.script("exec sleep 600")?;
    user(case, &["run", "--detach", &case.id])?.ok()
}

fn a_container_from_create_to_delete(case: &Case) -> Outcome {
    prepare(case)?;
    case.bundle.script("exec sleep 600")?;
    user(case, &["create", &case.id])?.ok()?;
    let status = |word: &str| -> Outcome {
        let state: Value = serde_json::from_str(&user(case, &["state", &case.id])?.ok()?.out())?;
        same("status", state["status"].as_str(), Some(word))
    };
    status("created")?;
    user(case, &["start", &case.id])?.ok()?;
    status("running")?;
    has(&user(case, &["list"])?.ok()?.out(), &case.id)?;
    user(case, &["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    user(case, &["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn a_configuration_of_spec_runs(case: &Case) -> Outcome {
    prepare(case)?;
    let seen = run_script(
        case,
        "id -u; cat /proc/self/uid_map; echo x > /root/file; ls /sys/fs/cgroup | head -1; \
         echo y > /dev/null",
    )?;
    let mut lines = seen.lines();
    same("user inside", lines.next(), Some("0"))?;
    let map: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    same("map", map, vec!["0", &USER.to_string(), "1"])?;
    holds("cgroups are shown", lines.next().is_some())?;
    let made = fs::metadata(case.bundle.rootfs.join("root/file"))?;
    same("owner outside", made.uid(), USER)
}

fn exec_joins_what_the_user_owns(case: &Case) -> Outcome {
    prepare(case)?;
    run_asleep(case)?;
    // Again and again: which of two processes speaks first must not matter.
    for _ in 0..10 {
        let script = "echo $$; readlink /proc/self/ns/pid; readlink /proc/1/ns/pid; id -u; exit 7";
        let answer = user(case, &["exec", &case.id, "/bin/sh", "-c", script])?.ended(7)?;
        let out = answer.out();
        let mut lines = out.lines();
        let pid: u32 = lines.next().unwrap_or_default().parse().unwrap_or(0);
        holds(format!("a pid inside, {pid}"), pid > 1)?;
        same("pid namespace", lines.next(), lines.next())?;
        same("user inside", lines.next(), Some("0"))?;
    }
    let pid_file = case.bundle.dir.join("pid");
    let path = pid_file.to_string_lossy().into_owned();
    let line = [
        "exec",
        "--detach",
        "--pid-file",
        &path,
        &case.id,
        "sleep",
        "600",
    ];
    user(case, &line)?.ok()?;
    let pid = fs::read_to_string(&pid_file)?;
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    has(&line, "sleep")
}

fn setgroups_is_denied_for_one_mapping(case: &Case) -> Outcome {
    prepare(case)?;
    same(
        "setgroups",
        run_script(case, "cat /proc/self/setgroups")?.as_str(),
        "deny",
    )?;
    case.edit(|c| c["process"]["user"]["additionalGids"] = json!([0]))?;
    user(case, &["run", &case.id])?.fails(1, &["groups"])
}

/// As [`as_user`], on a host that knows the user and a range of its own.
fn with_ranges(case: &Case, path: &str, args: &[&str]) -> Outcome<Answer> {
    let dir = case.bundle.beside("etc")?;
    let passwd = fs::read_to_string("/etc/passwd")?;
    fs::write(
        dir.join("passwd"),
        format!("{passwd}lodgetest:x:{USER}:{USER}::/:/bin/sh\n"),
    )?;
    for file in ["subuid", "subgid"] {
        fs::write(dir.join(file), format!("lodgetest:{RANGE}:65536\n"))?;
    }
    let dir = dir.display();
    let script = format!(
        "for file in passwd subuid subgid; do \
           [ -e /etc/$file ] || exit 99; mount --bind {dir}/$file /etc/$file || exit 99; done; \
         PATH={path} exec /usr/bin/setpriv --reuid={USER} --regid={USER} --clear-groups -- \"$@\"",
    );
    let script = format!("exec unshare --mount bash -c '{script}' bash \"$@\"");
    case.call(args).under(&script).answer()
}

fn map_ranges(case: &Case, range: u32) -> Outcome {
    let maps = json!([
        {"containerID": 0, "hostID": USER, "size": 1},
        {"containerID": 1, "hostID": range, "size": 1000},
    ]);
    case.edit(|c| {
        c["linux"]["uidMappings"] = maps.clone();
        c["linux"]["gidMappings"] = maps;
    })
}

fn needs_the_tools() -> Outcome {
    for file in ["/usr/bin/newuidmap", "/usr/bin/newgidmap", "/etc/subuid"] {
        if !fs::exists(file)? {
            return skip(format!("{file} is not there"));
        }
    }
    Ok(())
}

fn ranges_are_mapped_by_the_tools(case: &Case) -> Outcome {
    needs_the_tools()?;
    prepare(case)?;
    map_ranges(case, RANGE)?;
    case.edit(|c| c["process"]["user"] = json!({"uid": 5, "gid": 6, "additionalGids": [7]}))?;
    case.bundle
        .script("id -u; id -g; id -G; cat /proc/self/setgroups; cat /proc/self/gid_map")?;
    let out = with_ranges(case, "$PATH", &["run", &case.id])?.ok()?.out();
    let words: Vec<&str> = out.split_whitespace().collect();
    let range = RANGE.to_string();
    let own = USER.to_string();
    same(
        "ids inside",
        words,
        vec![
            "5", "6", "6", "7", "allow", "0", &own, "1", "1", &range, "1000",
        ],
    )
}

/// One mapping needs no tool, the other does.
fn one_user_and_a_range_of_groups(case: &Case) -> Outcome {
    needs_the_tools()?;
    prepare(case)?;
    map_ranges(case, RANGE)?;
    case.edit(|c| {
        c["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": USER, "size": 1}]);
        c["process"]["user"] = json!({"uid": 0, "gid": 6, "additionalGids": [7]});
    })?;
    case.bundle
        .script("id -u; id -G; cat /proc/self/setgroups")?;
    let out = with_ranges(case, "$PATH", &["run", &case.id])?.ok()?.out();
    let words: Vec<&str> = out.split_whitespace().collect();
    same("ids", words, vec!["0", "6", "7", "allow"])
}

/// Podman's `--group-add keep-groups`.
fn groups_of_the_caller_that_stay(case: &Case) -> Outcome {
    prepare(case)?;
    let script = "grep ^Groups /proc/self/status";
    case.bundle.script(script)?;
    let with_groups =
        format!("exec setpriv --reuid={USER} --regid={USER} --groups 7000001 -- \"$@\"");
    let run = || {
        case.call(&["run", &case.id])
            .under(&with_groups)
            .answer()?
            .ok()
    };
    case.edit(|c| c["annotations"] = json!({"run.oci.keep_original_groups": "1"}))?;
    // Not mapped: shown as nobody's.
    same(
        "kept",
        run()?.out().split_whitespace().last(),
        Some("65534"),
    )
}

/// A new sysfs takes a network namespace that one owns; the host's is shown instead.
fn network_of_the_host(case: &Case) -> Outcome {
    prepare(case)?;
    case.edit(|c| {
        if let Some(list) = c["linux"]["namespaces"].as_array_mut() {
            list.retain(|namespace| namespace["type"] != "network");
        }
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.retain(|mount| {
                !mount["destination"]
                    .as_str()
                    .is_some_and(|it| it.starts_with("/sys"))
            });
            mounts.push(
                json!({"destination": "/sys", "type": "sysfs", "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"]}),
            );
        }
    })?;
    let script = "grep ' /sys[ /]' /proc/self/mountinfo | cut -d' ' -f5,6 | grep -v ' ro,'; \
                  test -d /sys/class/net/lo && echo lo";
    let out = run_script(case, script)?;
    same(
        "what is writable, and a device of the host",
        out.as_str(),
        "lo",
    )
}

fn ranges_without_the_tools_are_explained(case: &Case) -> Outcome {
    needs_the_tools()?;
    prepare(case)?;
    map_ranges(case, RANGE)?;
    with_ranges(case, "/nonexistent", &["run", &case.id])?
        .fails(1, &["gid_map", "newgidmap", "$PATH"])?;
    case.nothing_left()
}

fn ranges_that_are_not_the_users_are_refused(case: &Case) -> Outcome {
    needs_the_tools()?;
    prepare(case)?;
    map_ranges(case, 1000)?;
    with_ranges(case, "$PATH", &["run", &case.id])?.fails(1, &["newgidmap", "not allowed"])?;
    case.nothing_left()
}

fn limits_above_the_users_are_named(case: &Case) -> Outcome {
    prepare(case)?;
    let limit = json!({"type": "RLIMIT_NOFILE", "soft": 64, "hard": 4_000_000_000_u64});
    case.edit(|c| c["process"]["rlimits"] = json!([limit]))?;
    user(case, &["run", &case.id])?.fails(
        1,
        &[
            "process.rlimits: RLIMIT_NOFILE to soft 64 hard 4000000000",
            "not permitted",
            "CAP_SYS_RESOURCE",
        ],
    )?;
    case.nothing_left()
}

fn limits_without_a_cgroup_are_refused(case: &Case) -> Outcome {
    prepare(case)?;
    case.edit(|c| c["linux"]["resources"] = json!({"pids": {"limit": 10}}))?;
    let answer = user(case, &["run", &case.id])?.ended(1)?;
    let err = answer.err();
    holds(
        format!("the words of a missing right: {err}"),
        err.contains("rootless needs no limits + no cgrouppath")
            || err.contains("cannot set pids limit: container could not join or create cgroup"),
    )?;
    case.nothing_left()
}

fn cgroups_path_without_rights_is_refused(case: &Case) -> Outcome {
    prepare(case)?;
    case.edit(|c| c["linux"]["cgroupsPath"] = json!(case.cgroup))?;
    user(case, &["run", &case.id])?.fails(
        1,
        &["unable to apply cgroup configuration", "permission denied"],
    )?;
    case.nothing_left()
}

fn delegated_cgroup_is_used(case: &Case) -> Outcome {
    prepare(case)?;
    let given = case.give_cgroup_to(USER)?;
    case.edit(|c| {
        c["linux"]["cgroupsPath"] = json!(format!("{}/inner", case.cgroup));
        c["linux"]["resources"] = json!({"pids": {"limit": 20}});
    })?;
    // Moving a process takes a right to where it comes from as well, on cgroup v2
    // to the cgroup above both.
    let above = Hierarchies::read()?
        .v2
        .map(|mount| mount.join("cgroup.procs"));
    if let Some(file) = &above {
        chown(file, None, Some(USER))?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o664))?;
    }
    let outcome = (|| {
        run_asleep(case)?;
        let pid = case.pid()?;
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        has(&groups, &format!("{}/inner", case.cgroup))?;
        let limit = given
            .iter()
            .find_map(|dir| fs::read_to_string(dir.join("inner/pids.max")).ok());
        same("pids.max", limit.as_deref().map(str::trim), Some("20"))?;
        user(case, &["delete", "--force", &case.id])?.ok().map(drop)
    })();
    if let Some(file) = &above {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644))?;
        chown(file, None, Some(0))?;
    }
    for dir in &given {
        let inner = fs::exists(dir.join("inner"))?;
        fs::remove_dir(dir)?;
        holds(format!("{} is removed", dir.display()), !inner)?;
    }
    outcome
}

fn user_and_pid_namespaces_of_another_container(case: &Case) -> Outcome {
    prepare(case)?;
    run_asleep(case)?;
    let pid = case.pid()?;
    let other = case.another()?;
    fs::copy(case.bundle.config_file(), other.bundle.config_file())?;
    case.give_all_to(USER)?;
    other.edit(|c| {
        if let Some(list) = c["linux"]["namespaces"].as_array_mut() {
            for namespace in list {
                let kind = namespace["type"].as_str().unwrap_or_default().to_owned();
                if kind == "user" || kind == "pid" {
                    namespace["path"] = json!(format!("/proc/{pid}/ns/{kind}"));
                }
            }
        }
        c["linux"]["uidMappings"] = json!([]);
        c["linux"]["gidMappings"] = json!([]);
    })?;
    let seen = run_script(
        &other,
        "readlink /proc/self/ns/pid; readlink /proc/1/ns/pid",
    )?;
    let mut lines = seen.lines();
    let joined = fs::read_link(format!("/proc/{pid}/ns/pid"))?;
    same(
        "pid namespace",
        lines.next(),
        Some(&*joined.to_string_lossy()),
    )?;
    same(
        "of its first process",
        lines.next(),
        Some(&*joined.to_string_lossy()),
    )
}

fn without_a_way_to_end_it_a_warning(case: &Case) -> Outcome {
    prepare(case)?;
    case.edit(|c| {
        if let Some(list) = c["linux"]["namespaces"].as_array_mut() {
            list.retain(|namespace| namespace["type"] != "pid");
        }
        // A procfs takes a pid namespace that one owns.
        if let Some(mounts) = c["mounts"].as_array_mut() {
            for mount in mounts {
                if mount["destination"] == "/proc" {
                    *mount = json!({
                        "destination": "/proc", "type": "none", "source": "/proc",
                        "options": ["rbind", "nosuid", "nodev", "noexec"],
                    });
                }
            }
        }
    })?;
    case.bundle.script("true")?;
    let answer = user(case, &["run", &case.id])?.ok()?;
    has(&answer.err(), "Such configuration is strongly discouraged")
}

fn no_user_namespace_is_refused(case: &Case) -> Outcome {
    prepare(case)?;
    case.edit(|c| {
        if let Some(list) = c["linux"]["namespaces"].as_array_mut() {
            list.retain(|namespace| namespace["type"] != "user");
        }
        if let Some(linux) = c["linux"].as_object_mut() {
            linux.remove("uidMappings");
            linux.remove("gidMappings");
        }
    })?;
    user(case, &["run", &case.id])?.fails(1, &["user namespace"])?;
    case.nothing_left()
}

fn forbidden_user_namespaces_are_explained(case: &Case) -> Outcome {
    prepare(case)?;
    // The limit is of a user namespace, here of one that ends with the call.
    let script = "exec unshare --user --map-root-user bash -c \
                  'echo 0 > /proc/sys/user/max_user_namespaces || exit 99; exec \"$@\"' bash \"$@\"";
    let answer = case
        .call(&["run", &case.id])
        .under(&format!(
            "exec setpriv --reuid={USER} --regid={USER} --clear-groups bash -c \"$(cat <<'END'\n{script}\nEND\n)\" bash \"$@\""
        ))
        .answer()?;
    answer.fails(1, &["clone", "user.max_user_namespaces"])?;
    lacks(&answer.err(), "panicked")?;
    case.nothing_left()
}
