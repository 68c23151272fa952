//! User namespaces.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::json;

use crate::harness::config::{
    MAPPED_ROOT, with_capabilities, with_namespace, with_user, with_user_namespace,
    without_namespace,
};
use crate::harness::{Case, Outcome, Seen, has, holds, same};
use crate::tests::list;

list!["namespaces":
    mappings_are_written,
    several_ranges,
    as_many_ranges_as_the_kernel_takes,
    devices_in_a_user_namespace,
    exec_in_a_user_namespace,
    other_user_in_a_user_namespace,
    joined_user_namespace,
    joined_network_with_a_new_user_namespace,
    sysfs_of_the_host_with_its_own_root,
    stdio_in_a_user_namespace,
    sysctl_with_groups_that_are_not_mapped,
    runtime_in_a_user_namespace_with_all_ids,
];

fn mapped(case: &Case) -> Outcome {
    case.edit(with_user_namespace)?;
    case.bundle.give_to(MAPPED_ROOT)
}

fn mappings_are_written(case: &Case) -> Outcome {
    mapped(case)?;
    let out =
        case.run_script("cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id -u")?;
    let words: Vec<&str> = out.split_whitespace().collect();
    same(
        "maps",
        words,
        vec!["0", "100000", "65536", "0", "100000", "65536", "allow", "0"],
    )
}

fn several_ranges(case: &Case) -> Outcome {
    mapped(case)?;
    case.edit(|c| {
        let map = json!([
            {"containerID": 0, "hostID": MAPPED_ROOT, "size": 10},
            {"containerID": 1000, "hostID": 300_000, "size": 1},
        ]);
        c["linux"]["uidMappings"] = map;
        with_user(c, 1000, 0);
    })?;
    fs::set_permissions(
        case.bundle.rootfs.join("tmp"),
        fs::Permissions::from_mode(0o1777),
    )?;
    case.run_script("touch /tmp/mine")?;
    same(
        "owner outside",
        fs::metadata(case.bundle.rootfs.join("tmp/mine"))?.uid(),
        300_000,
    )
}

/// This many mappings of one id each, so far apart outside.
fn ranges(case: &Case, count: u32, apart: u32) -> Outcome {
    case.edit(|c| {
        let lines = (0..count)
            .map(|n| json!({"containerID": n, "hostID": MAPPED_ROOT + n * apart, "size": 1}));
        let lines: serde_json::Value = lines.collect();
        c["linux"]["uidMappings"] = lines.clone();
        c["linux"]["gidMappings"] = lines;
    })
}

fn as_many_ranges_as_the_kernel_takes(case: &Case) -> Outcome {
    mapped(case)?;
    case.edit(|c| with_capabilities(c, &["CAP_CHOWN"]))?;
    let last = |count: u32| format!("rm -f /x; touch /x; chown {0} /x; stat -c %u /x", count - 1);
    // Neighbours may be joined to one line, which means the same; then there may
    // be any number of them. The kernel takes 340 lines of less than a page.
    for (count, apart) in [(340, 1), (1000, 1), (300, 2)] {
        ranges(case, count, apart)?;
        same(
            &format!("the last of {count} ids, {apart} apart"),
            case.run_script(&last(count))?,
            (count - 1).to_string(),
        )?;
    }
    ranges(case, 340, 2)?;
    case.run()?
        .fails(1, &["linux.uidMappings: 340 mappings take", "4095"])?;
    case.nothing_left()
}

fn devices_in_a_user_namespace(case: &Case) -> Outcome {
    mapped(case)?;
    let out = case.run_script("for d in null zero full random urandom tty; do stat -c '%t:%T' /dev/$d; done; echo x > /dev/null && echo ok; head -c 3 /dev/zero | wc -c")?;
    same("devices", out, "1:3\n1:5\n1:7\n1:8\n1:9\n5:0\nok\n3")
}

fn exec_in_a_user_namespace(case: &Case) -> Outcome {
    mapped(case)?;
    case.run_asleep()?;
    let out = case.exec_script(&[], "id -u; readlink /proc/self/ns/user; touch /by-exec")?;
    let own = fs::read_link("/proc/self/ns/user")?
        .to_string_lossy()
        .into_owned();
    holds("it is not the host's", !out.contains(&own))?;
    same(
        "owner outside",
        fs::metadata(case.bundle.rootfs.join("by-exec"))?.uid(),
        MAPPED_ROOT,
    )?;
    same(
        "status",
        case.exec_script(&["-u", "7:8"], "id -u; id -g")?,
        "7\n8",
    )
}

fn other_user_in_a_user_namespace(case: &Case) -> Outcome {
    mapped(case)?;
    case.edit(|c| {
        c["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [7]});
        with_capabilities(c, &["CAP_NET_BIND_SERVICE"]);
    })?;
    let seen = case.probe()?;
    same("Uid", seen.status("Uid"), "1000 1000 1000 1000")?;
    same("Groups", seen.status("Groups"), "7")?;
    same("CapEff", seen.bits("CapEff"), 1 << 10)
}

fn joined_user_namespace(case: &Case) -> Outcome {
    mapped(case)?;
    case.run_asleep()?;
    let path = format!("/proc/{}/ns/user", case.pid()?);
    let second = case.another()?;
    second.bundle.give_to(MAPPED_ROOT)?;
    second.edit(|c| with_namespace(c, "user", Some(&path)))?;
    let seen = second.probe()?;
    let link = fs::read_link(&path)?.to_string_lossy().into_owned();
    same("user", seen.namespace("user"), link)?;
    has(seen.part("id"), "uid=0")
}

fn joined_network_with_a_new_user_namespace(case: &Case) -> Outcome {
    // Its sysfs is not ours to mount: the host's is shown, closed.
    case.run_asleep()?;
    let path = format!("/proc/{}/ns/net", case.pid()?);
    let second = case.another()?;
    second.bundle.give_to(MAPPED_ROOT)?;
    second.edit(|c| {
        with_user_namespace(c);
        with_namespace(c, "network", Some(&path));
    })?;
    let seen = second.probe()?;
    let link = fs::read_link(&path)?.to_string_lossy().into_owned();
    same("network", seen.namespace("net"), link)?;
    let sys = seen.mount("/sys")?;
    same("type", sys.kind.as_str(), "sysfs")?;
    closed_with_all_below(&seen, "/sys")
}

fn closed_with_all_below(seen: &Seen, top: &str) -> Outcome {
    for mount in seen.mounts() {
        if Path::new(&mount.point).starts_with(top) {
            holds(format!("{} is read-only", mount.point), mount.has("ro"))?;
        }
    }
    Ok(())
}

/// Root inside is the host's, which owns its cgroups.
fn sysfs_of_the_host_with_its_own_root(case: &Case) -> Outcome {
    let all = json!([{"containerID": 0, "hostID": 0, "size": 4_294_967_295_u32}]);
    case.edit(|c| {
        with_user_namespace(c);
        c["linux"]["uidMappings"] = all.clone();
        c["linux"]["gidMappings"] = all;
        without_namespace(c, "network");
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.retain(|mount| mount["type"] != "cgroup");
        }
    })?;
    let seen = case.probe()?;
    same("type", seen.mount("/sys")?.kind.as_str(), "sysfs")?;
    closed_with_all_below(&seen, "/sys")?;
    let left = case.run_script(
        "for file in $(find /sys/fs/cgroup -name cgroup.procs); do \
         (: >> $file) 2>/dev/null && echo $file; done; true",
    )?;
    same("cgroups that can be changed", left.as_str(), "")
}

fn stdio_in_a_user_namespace(case: &Case) -> Outcome {
    // What is written to belongs to the container's user, so that it can be opened
    // again; the host's null device and what is only read to nobody but its owner.
    mapped(case)?;
    let input = case.bundle.dir.join("input");
    fs::write(&input, "input\n")?;
    fs::set_permissions(&input, fs::Permissions::from_mode(0o600))?;
    case.bundle
        .script("cat; echo one; echo two >> /dev/stdout")?;
    let call = case.call(&["run", &case.id]);
    let answer = call.stdin(fs::File::open(&input)?).answer()?.ok()?;
    has(&answer.out(), "two")?;
    has(&answer.out(), "input")?;
    same("owner of the input", fs::metadata(&input)?.uid(), 0)?;
    case.run_asleep()?;
    let exec = case.exec_script(&["-u", "7:7"], "echo one; echo two >> /dev/stdout")?;
    has(&exec, "two")?;
    case.destroy()?;
    // And in a namespace that was there before, whose maps are not ours.
    case.run_asleep()?;
    let path = format!("/proc/{}/ns/user", case.pid()?);
    let second = case.another()?;
    second.bundle.give_to(MAPPED_ROOT)?;
    second.edit(|c| with_namespace(c, "user", Some(&path)))?;
    let out = second.run_script("echo one; echo two >> /dev/stdout")?;
    has(&out, "two")
}

fn sysctl_with_groups_that_are_not_mapped(case: &Case) -> Outcome {
    mapped(case)?;
    case.edit(|c| {
        c["linux"]["sysctl"] = json!({"net.ipv4.ping_group_range": "0 2147483647"});
    })?;
    let words = ["net.ipv4.ping_group_range", "user namespace"];
    case.run()?.fails(1, &words)?;
    case.nothing_left()?;
    case.edit(|c| c["linux"]["sysctl"] = json!({"net.ipv4.ping_group_range": "0 65535"}))?;
    case.run_script("true").map(drop)
}

/// A namespace is told by its number, not by its maps: here all ids are as outside,
/// and still devices cannot be made.
fn runtime_in_a_user_namespace_with_all_ids(case: &Case) -> Outcome {
    const INSIDE: &str = r#"
        unshare --user bash -c 'until [ "$(id -u)" = 0 ]; do sleep 0.01; done; exec "$@"' bash "$@" & pid=$!
        while [ "$(readlink /proc/$pid/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
        echo 0 0 4294967295 > /proc/$pid/uid_map && echo 0 0 4294967295 > /proc/$pid/gid_map || kill $pid
        wait $pid"#;
    case.bundle
        .script("id -u; echo x > /dev/null && stat -c %t:%T /dev/null; cat /proc/self/uid_map")?;
    let answer = case.call(&["run", &case.id]).under(INSIDE).answer()?;
    let out = answer.ok()?.out();
    let mut lines = out.lines();
    same("user", lines.next(), Some("0"))?;
    same("null", lines.next(), Some("1:3"))
}
