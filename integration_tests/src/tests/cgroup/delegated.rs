//! Cgroups that are the container's to rule.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::harness::config::{MAPPED_ROOT, with_capabilities, with_namespace, with_user_namespace};
use crate::harness::{Case, Hierarchies, Host, Outcome, holds, same, skip};
use crate::tests::list;

list!["cgroup":
    v2_cgroup_belongs_to_a_root_that_may_write_it,
    process_below_the_containers_cgroup,
    process_below_a_cgroup_of_version_1,
    lodge_in_a_container,
    rootless_without_a_writable_cgroup,
];

/// Runs the runtime where no cgroup can be written.
const READ_ONLY: &str = r#"exec unshare --mount /bin/bash -c '
    for mount in $(awk "\$5 ~ /^\/sys\/fs\/cgroup/ { print \$5 }" /proc/self/mountinfo); do
        mount -o remount,bind,ro "$mount" || exit 1
    done
    exec "$@"' bash "$@""#;

/// The mount of the cgroups, writable or not.
fn with_cgroup_mount(config: &mut serde_json::Value, writable: bool) {
    let mut options = vec!["nosuid", "noexec", "nodev", "relatime"];
    if !writable {
        options.push("ro");
    }
    let mounts = config["mounts"].as_array_mut();
    for mount in mounts.into_iter().flatten() {
        if mount["type"] == "cgroup" {
            mount["options"] = json!(options);
        }
    }
}

/// "Cgroup ownership" of the specification.
fn v2_cgroup_belongs_to_a_root_that_may_write_it(case: &Case) -> Outcome {
    let hierarchies = Hierarchies::read()?;
    let Some(point) = hierarchies.v2.as_ref().filter(|_| hierarchies.unified()) else {
        return skip("needs cgroup v2 alone");
    };
    let own = point.join(case.cgroup.trim_start_matches('/'));
    case.bundle.give_to(MAPPED_ROOT)?;
    let list = fs::read_to_string("/sys/kernel/cgroup/delegate")?;
    for (writable, namespace, owner) in [
        (true, true, MAPPED_ROOT),
        (false, true, 0),
        (true, false, 0),
    ] {
        case.edit(|c| {
            with_user_namespace(c);
            with_cgroup_mount(c, writable);
            crate::harness::config::without_namespace(c, "cgroup");
            if namespace {
                with_namespace(c, "cgroup", None);
            }
        })?;
        case.run_asleep()?;
        let what = format!("owner with a mount writable: {writable}, namespace: {namespace}");
        same(&what, fs::metadata(&own)?.uid(), owner)?;
        for name in list.lines().filter(|name| own.join(name).exists()) {
            same(&what, fs::metadata(own.join(name))?.uid(), owner)?;
        }
        same("limits stay", fs::metadata(own.join("pids.max"))?.uid(), 0)?;
        if owner != 0 {
            let text = "mkdir /sys/fs/cgroup/sub && echo $$ > /sys/fs/cgroup/sub/cgroup.procs \
                        && cat /proc/self/cgroup";
            same("inside", case.exec_script(&[], text)?.as_str(), "0::/sub")?;
        }
        case.destroy()?;
        case.nothing_left()?;
    }
    Ok(())
}

/// `run.oci.delegate-cgroup`.
fn process_below_the_containers_cgroup(case: &Case) -> Outcome {
    let hierarchies = Hierarchies::read()?;
    let Some(point) = hierarchies.v2.as_ref().filter(|_| hierarchies.unified()) else {
        return skip("needs cgroup v2 alone");
    };
    let own = point.join(case.cgroup.trim_start_matches('/'));
    case.bundle.give_to(MAPPED_ROOT)?;
    case.edit(|c| {
        with_user_namespace(c);
        with_namespace(c, "cgroup", None);
        with_cgroup_mount(c, true);
        c["annotations"] = json!({"run.oci.delegate-cgroup": "payload/deep"});
        c["linux"]["resources"] = json!({"pids": {"limit": 77}});
    })?;
    case.run_asleep()?;
    let below = own.join("payload/deep");
    let read = |folder: &std::path::Path, name: &str| fs::read_to_string(folder.join(name));
    same("processes", read(&own, "cgroup.procs")?.as_str(), "")?;
    same(
        "processes",
        read(&below, "cgroup.procs")?,
        format!("{}\n", case.pid()?),
    )?;
    same("limit", read(&own, "pids.max")?.as_str(), "77\n")?;
    same("no limit", read(&below, "pids.max")?.as_str(), "max\n")?;
    same("owner", fs::metadata(&below)?.uid(), MAPPED_ROOT)?;
    same(
        "owner",
        fs::metadata(below.join("cgroup.procs"))?.uid(),
        MAPPED_ROOT,
    )?;
    same("owner", fs::metadata(below.join("pids.max"))?.uid(), 0)?;
    // The namespace was made above.
    let text = "cat /proc/self/cgroup; cat /sys/fs/cgroup/payload/deep/cgroup.controllers";
    let seen = case.exec_script(&[], text)?;
    holds(&seen, seen.starts_with("0::/payload/deep\n"))?;
    holds(&seen, seen.contains("memory") && seen.contains("pids"))?;
    case.rt(&["pause", &case.id])?.ok()?;
    case.rt(&["resume", &case.id])?.ok()?;
    case.rt(&["update", "--pids-limit", "78", &case.id])?.ok()?;
    same("limit", read(&own, "pids.max")?.as_str(), "78\n")?;
    case.destroy()?;
    case.nothing_left()
}

fn process_below_a_cgroup_of_version_1(case: &Case) -> Outcome {
    if Hierarchies::read()?.unified() {
        return skip("needs cgroup v1");
    }
    for name in ["run.oci.delegate-cgroup", "run.oci.systemd.subgroup"] {
        case.edit(|c| c["annotations"] = json!({name: "payload"}))?;
        case.run()?.fails(1, &[name, "needs cgroup v2"])?;
    }
    case.nothing_left()
}

/// With a cgroup namespace of its own, in which the container's cgroup is the
/// root; on v2 the processes have to leave that first.
fn lodge_in_a_container(case: &Case) -> Outcome {
    let inner = case.another()?;
    inner.edit(|c| {
        c["linux"]["resources"] = json!({"pids": {"limit": 23}});
        c["process"]["args"] = json!(["/bin/sleep", "600"]);
        c["linux"]["cgroupsPath"] = json!("/inner");
    })?;
    let name = |path: &std::path::Path| path.to_string_lossy().into_owned();
    case.bundle.mount(json!({
        "destination": "/bin/lodge", "type": "bind", "source": name(&Host::get().binary),
        "options": ["bind", "ro"],
    }))?;
    case.bundle.mount(json!({
        "destination": "/mnt", "type": "bind", "source": name(&inner.bundle.dir),
        "options": ["rbind"],
    }))?;
    // Where the binary is not static.
    for (folder, source) in [("/lib", "/usr/lib"), ("/lib64", "/usr/lib64")] {
        if std::path::Path::new(source).is_dir() {
            case.bundle.mount(json!({
                "destination": folder, "type": "bind", "source": source,
                "options": ["bind", "ro"],
            }))?;
        }
    }
    case.edit(|c| {
        with_namespace(c, "cgroup", None);
        with_cgroup_mount(c, true);
        with_capabilities(
            c,
            &[
                "CAP_SYS_ADMIN",
                "CAP_SYS_CHROOT",
                "CAP_SETUID",
                "CAP_SETGID",
                "CAP_SETPCAP",
                "CAP_DAC_OVERRIDE",
                "CAP_MKNOD",
                "CAP_CHOWN",
                "CAP_FOWNER",
                "CAP_KILL",
                "CAP_NET_ADMIN",
                "CAP_SYS_PTRACE",
                "CAP_AUDIT_WRITE",
                "CAP_NET_BIND_SERVICE",
            ],
        );
    })?;
    let out = case.run_script(
        "cd /mnt
         if [ -f /sys/fs/cgroup/cgroup.procs ]; then
             mkdir /sys/fs/cgroup/outer && echo $$ > /sys/fs/cgroup/outer/cgroup.procs
         fi
         lodge --root /tmp/state run --detach i1 </dev/null >/dev/null || exit 1
         cat /sys/fs/cgroup/inner/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/inner/pids.max
         lodge --root /tmp/state list | grep -c running
         lodge --root /tmp/state exec i1 echo in
         lodge --root /tmp/state pause i1 && lodge --root /tmp/state resume i1 && echo froze
         lodge --root /tmp/state delete --force i1 && echo gone
         ls -d /sys/fs/cgroup/inner /sys/fs/cgroup/*/inner 2>/dev/null
         true",
    )?;
    same("out", out.as_str(), "23\n1\nin\nfroze\ngone")?;
    holds("the outer one is deleted", case.state().is_err())?;
    case.nothing_left()
}

/// Nothing asks for a cgroup, so there is none, and `delete` misses none.
fn rootless_without_a_writable_cgroup(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["cgroupsPath"] = json!(null))?;
    case.bundle.script("exec sleep 600")?;
    let call = |line: &[&str]| {
        let line = [&["--rootless", "true"], line].concat();
        case.call(&line).under(READ_ONLY).answer()
    };
    call(&["run", "--detach", &case.id])?.ok()?;
    case.status_is("running")?;
    call(&["ps", &case.id])?.fails(1, &["no cgroup"])?;
    call(&["pause", &case.id])?.fails(1, &["cgroup"])?;
    call(&["delete", "--force", &case.id])?.ok()?;
    case.nothing_left()?;
    // With a limit it cannot do without.
    case.edit(|c| c["linux"]["resources"]["pids"] = json!({"limit": 5}))?;
    call(&["run", "--detach", &case.id])?.fails(1, &["limit", "read-only file system"])?;
    case.nothing_left()
}
