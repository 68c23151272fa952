//! What of the world outside a container comes back to, or is changed by a
//! restore.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::{ASLEEP, checkpoint, needs_criu, restore, run_quietly};
use crate::harness::config::with_namespace;
use crate::harness::{Case, Host, Outcome, eventually, has, holds, same, skip};
use crate::tests::list;

list!["checkpoint":
    into_another_cgroup,
    binds_links_and_nested_mount_points,
    masked_paths_stay_masked,
    hooks_at_a_restore,
    joined_network_namespace,
    tcp_sockets_stay_open,
    time_namespace_is_kept,
];

fn into_another_cgroup(case: &Case) -> Outcome {
    needs_criu()?;
    run_quietly(case, ASLEEP)?;
    checkpoint(case, &[])?.ok()?;
    let other = format!("{}-other", case.cgroup);
    case.edit(|c| {
        c["linux"]["cgroupsPath"] = json!(other);
        c["linux"]["resources"] = json!({"pids": {"limit": 77}});
    })?;
    restore(case, &["--detach"])?.ok()?;
    let membership = fs::read_to_string(format!("/proc/{}/cgroup", case.pid()?))?;
    has(&membership, &other)?;
    let limit = case.exec_script(
        &[],
        "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; true",
    )?;
    if !limit.is_empty() {
        same("pids.max", limit.as_str(), "77")?;
    }
    case.destroy()?;
    case.nothing_left()
}

fn binds_links_and_nested_mount_points(case: &Case) -> Outcome {
    needs_criu()?;
    let outer = case.bundle.beside("outer")?;
    let inner = case.bundle.beside("inner")?;
    fs::write(inner.join("word"), "inside")?;
    fs::create_dir_all(case.bundle.rootfs.join("real/conf"))?;
    symlink("/real/conf", case.bundle.rootfs.join("conf"))?;
    for (source, destination) in [
        (&outer, "/test"),
        (&inner, "/test/for/nested"),
        (&inner, "/conf"),
    ] {
        case.bundle.mount(json!({
            "type": "bind", "source": source, "destination": destination,
            "options": ["bind"],
        }))?;
    }
    run_quietly(case, ASLEEP)?;
    checkpoint(case, &[])?.ok()?;
    // They are made anew, as `run` made them.
    fs::remove_dir_all(outer.join("for"))?;
    restore(case, &["--detach"])?.ok()?;
    let words = case.exec_script(&[], "cat /test/for/nested/word /real/conf/word")?;
    same("files", words.as_str(), "insideinside")?;
    let host = fs::read_to_string("/proc/self/mountinfo")?;
    holds("no mount of it on the host", !host.contains(&case.tag))
}

fn masked_paths_stay_masked(case: &Case) -> Outcome {
    needs_criu()?;
    fs::write(case.bundle.rootfs.join("etc/secret"), "word")?;
    case.edit(|c| {
        c["linux"]["maskedPaths"] = json!(["/etc/secret", "/home"]);
        c["linux"]["readonlyPaths"] = json!(["/opt"]);
    })?;
    run_quietly(case, ASLEEP)?;
    checkpoint(case, &[])?.ok()?;
    restore(case, &["--detach"])?.ok()?;
    let look = "cat /etc/secret; ls /home; touch /opt/x 2>&1; true";
    let seen = case.exec_script(&[], look)?;
    has(&seen, "Read-only file system")?;
    holds(
        "the file and the directory are empty",
        seen.lines().count() == 1,
    )
}

fn hooks_at_a_restore(case: &Case) -> Outcome {
    needs_criu()?;
    run_quietly(case, ASLEEP)?;
    checkpoint(case, &[])?.ok()?;
    let log = case.bundle.dir.join("hooks.log");
    let hook = |kind: &str| {
        json!([{"path": "/bin/sh", "args": ["sh", "-c",
            format!("printf '{kind} ' >>{0}; cat >>{0}; echo >>{0}", log.display())]}])
    };
    case.edit(|c| {
        c["hooks"] = json!({
            "prestart": hook("prestart"),
            "createRuntime": hook("createRuntime"),
            "poststop": hook("poststop"),
        });
    })?;
    restore(case, &["--detach"])?.ok()?;
    let pid = case.pid()?;
    let text = fs::read_to_string(&log)?;
    let kinds: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    same("hooks", kinds, vec!["prestart", "createRuntime"])?;
    has(&text, &format!("\"pid\":{pid}"))?;
    case.destroy()?;
    has(&fs::read_to_string(&log)?, "poststop")
}

/// Does something with the path of a network namespace that has its loopback
/// device up, and is there before and after.
fn with_network(case: &Case, work: impl FnOnce(&str) -> Outcome) -> Outcome {
    let busybox = &Host::get().busybox;
    let ready = case.bundle.dir.join("network");
    let script = format!(
        "{0} ip link set lo up && {0} touch {1} && exec {0} sleep 600",
        busybox.display(),
        ready.display()
    );
    let mut holder = std::process::Command::new("unshare")
        .args(["--net", "/bin/sh", "-c", &script])
        .spawn()?;
    let path = format!("/proc/{}/ns/net", holder.id());
    let outcome = eventually("a network namespace", || Ok(ready.exists())).and_then(|()| {
        case.edit(|c| {
            let list = c["linux"]["namespaces"].as_array_mut();
            for namespace in list.into_iter().flatten() {
                if namespace["type"] == "network" {
                    namespace["path"] = json!(path);
                }
            }
        })?;
        work(&path)
    });
    let _ = holder.kill();
    let _ = holder.wait();
    outcome
}

fn joined_network_namespace(case: &Case) -> Outcome {
    needs_criu()?;
    with_network(case, |path| {
        let wanted = fs::read_link(path)?;
        run_quietly(case, ASLEEP)?;
        checkpoint(case, &[])?.ok()?;
        restore(case, &["--detach"])?.ok()?;
        let found = fs::read_link(format!("/proc/{}/ns/net", case.pid()?))?;
        same("network namespace", found, wanted)?;
        case.destroy()
    })
}

/// One listens, one is connected.
fn tcp_sockets_stay_open(case: &Case) -> Outcome {
    needs_criu()?;
    let script = "\
        while :; do sleep 1; done | busybox nc -l -p 7777 >/got & \
        while :; do sleep 1; done | busybox nc -l -p 7778 >/late & \
        until cat /proc/net/tcp6 | grep -q ':1E61 .* 0A '; do usleep 20000; done; \
        (while [ ! -e /go ]; do usleep 20000; done; echo through; while :; do sleep 1; done) | \
        busybox nc 127.0.0.1 7777 & \
        until grep -q ' 01 ' /proc/net/tcp; do usleep 20000; done; touch /ready; \
        while [ ! -e /go ]; do usleep 20000; done; \
        (echo late; while :; do sleep 1; done) | busybox nc 127.0.0.1 7778 & \
        while :; do sleep 1; done";
    let file = |name: &str| case.bundle.rootfs.join(name);
    let comes = |name: &str, word: &str| {
        eventually(word, || {
            Ok(fs::read_to_string(file(name)).unwrap_or_default().trim() == word)
        })
    };
    with_network(case, |_| {
        run_quietly(case, script)?;
        eventually("the connection", || Ok(file("ready").exists()))?;
        // Nobody outside speaks to them: there is nothing to keep away.
        let lock = ["--network-lock", "skip"];
        let refused = checkpoint(case, &lock)?;
        if refused.err().contains("is too old") {
            refused.fails(1, &["--network-lock skip needs criu 3.19 or newer"])?;
            return skip("this criu cannot leave the network alone");
        }
        refused.fails(1, &["criu failed: type DUMP"])?;
        case.status_is("running")?;
        let options = ["--tcp-established", lock[0], lock[1]];
        let answer = checkpoint(case, &options)?;
        // SO_PASSCRED, which TCP sockets have no more since Linux 6.16.
        if answer.err().contains("Can't get 1:16 opt") {
            return skip("this criu does not know this kernel's TCP sockets");
        }
        answer.ok()?;
        restore(case, &["--detach", options[0], lock[0], lock[1]])?.ok()?;
        fs::write(file("go"), "")?;
        comes("got", "through")?;
        comes("late", "late")?;
        case.destroy()
    })
}

fn time_namespace_is_kept(case: &Case) -> Outcome {
    needs_criu()?;
    case.edit(|c| {
        with_namespace(c, "time", None);
        c["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1_000_000}});
    })?;
    run_quietly(case, ASLEEP)?;
    checkpoint(case, &[])?.ok()?;
    restore(case, &["--detach"])?.ok()?;
    let out = case.exec_script(&[], "cut -d. -f1 /proc/uptime")?;
    holds(format!("uptime {out}"), out.parse::<u64>()? > 1_000_000)?;
    let both = "readlink /proc/self/ns/time; readlink /proc/1/ns/time";
    let links = case.exec_script(&[], both)?;
    let (own, first) = links.split_once('\n').unwrap_or_default();
    same("namespace", own, first)
}
