//! Kernels before Linux 5.2 and 5.12, and sandboxes, that lack calls of the mount
//! API: strace(1) answers them in the kernel's place.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::harness::config::{MAPPED_ROOT, with_user_namespace};
use crate::harness::{Answer, Case, Outcome, has, holds, same, skip};
use crate::tests::list;

list!["rootfs":
    containers_run_without_mount_setattr,
    containers_run_without_open_tree,
    containers_run_without_fsopen,
    containers_run_without_move_mount,
    containers_run_without_any_of_the_mount_api,
    containers_run_where_a_sandbox_refuses_the_mount_api,
    user_namespaces_without_mount_setattr,
    recursive_attributes_name_the_kernel_they_need,
];

const ALL: &str = "open_tree,fsopen,move_mount,mount_setattr";

fn containers_run_without_mount_setattr(case: &Case) -> Outcome {
    whole(case, "mount_setattr", "ENOSYS")
}

fn containers_run_without_open_tree(case: &Case) -> Outcome {
    whole(case, "open_tree", "ENOSYS")
}

fn containers_run_without_fsopen(case: &Case) -> Outcome {
    whole(case, "fsopen", "ENOSYS")
}

fn containers_run_without_move_mount(case: &Case) -> Outcome {
    whole(case, "move_mount", "ENOSYS")
}

fn containers_run_without_any_of_the_mount_api(case: &Case) -> Outcome {
    whole(case, ALL, "ENOSYS")
}

fn containers_run_where_a_sandbox_refuses_the_mount_api(case: &Case) -> Outcome {
    whole(case, "open_tree,fsopen,move_mount", "EPERM")
}

/// `run`, with an answer to some calls that is not the kernel's.
fn run_without(case: &Case, calls: &str, errno: &str) -> Outcome<Answer> {
    if Command::new("strace").arg("--version").output().is_err() {
        return skip("no strace");
    }
    let strace = format!(
        "exec strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:error={errno} \"$@\""
    );
    case.call(&["run", &case.id]).under(&strace).answer()
}

/// A container with something of everything, all of which must be as on any
/// other kernel.
fn whole(case: &Case, calls: &str, errno: &str) -> Outcome {
    let outside = case.bundle.beside("outside")?;
    fs::write(outside.join("file"), "outside\n")?;
    let secrets = ["one", "two"];
    for name in secrets {
        fs::create_dir(case.bundle.rootfs.join(name))?;
        fs::write(case.bundle.rootfs.join(name).join("file"), "secret\n")?;
    }
    fs::write(case.bundle.rootfs.join("secret"), "secret\n")?;
    case.edit(|c| {
        c["root"]["readonly"] = json!(true);
        c["linux"]["maskedPaths"] = json!(["/secret", "/one", "/two", "/proc/version"]);
        if let Some(mounts) = c["mounts"].as_array_mut() {
            let bind = |to: &str, options: &[&str]| {
                json!({"destination": to, "source": outside, "type": "bind", "options": options})
            };
            mounts.push(bind("/closed", &["rbind", "ro", "nosuid"]));
            mounts.push(bind("/open", &["bind"]));
            mounts.push(json!({"destination": "/tmp", "source": "tmpfs", "type": "tmpfs",
                "options": ["nosuid", "mode=1777", "tmpcopyup"]}));
        }
        let cgroup = json!({"destination": "/sys/fs/cgroup", "type": "cgroup",
            "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"]});
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.retain(|mount| mount["destination"] != "/sys/fs/cgroup");
            mounts.push(cgroup);
        }
    })?;
    fs::create_dir_all(case.bundle.rootfs.join("tmp"))?;
    fs::write(case.bundle.rootfs.join("tmp/kept"), "kept\n")?;
    for name in ["closed", "open"] {
        fs::create_dir(case.bundle.rootfs.join(name))?;
    }
    case.bundle.script(
        r#"
        cat /secret /proc/version; ls -A /one /two | grep file
        echo "masks $(stat -c %d /one /two | sort -u | wc -l)"
        echo "null $(stat -c %t:%T /dev/null)"
        cat /tmp/kept /closed/file
        for d in / /closed /one /proc/sys /sys/fs/cgroup; do
            m=$(grep " $d " /proc/self/mountinfo | tail -1 | cut -d ' ' -f 6)
            echo "$d ${m%%,*}"
        done
        for m in $(grep ' /sys/fs/cgroup/' /proc/self/mountinfo | cut -d ' ' -f 6); do
            echo "below ${m%%,*}"
        done | sort -u
        touch /closed/x 2>/dev/null && echo "closed is open"
        touch /open/x && echo written
    "#,
    )?;
    let out = run_without(case, calls, errno)?.ok()?.out();
    let out: Vec<&str> = out.lines().filter(|line| *line != "below ro").collect();
    let wanted = [
        "masks 1",
        "null 1:3",
        "kept",
        "outside",
        "/ ro",
        "/closed ro",
        "/one ro",
        "/proc/sys ro",
        "/sys/fs/cgroup ro",
        "written",
    ];
    same("what the container sees", out, wanted.to_vec())?;
    holds("the bind is the host's", outside.join("x").exists())
}

fn user_namespaces_without_mount_setattr(case: &Case) -> Outcome {
    fs::write(case.bundle.rootfs.join("secret"), "secret\n")?;
    case.edit(|c| {
        with_user_namespace(c);
        c["linux"]["maskedPaths"] = json!(["/secret"]);
        c["linux"]["readonlyPaths"] = json!(["/proc/sys"]);
    })?;
    case.bundle.give_to(MAPPED_ROOT)?;
    for calls in ["mount_setattr", ALL] {
        case.bundle.script(
            "cat /secret; stat -c %t:%T /dev/null; grep -E ' /(dev/null|proc/sys) ' \
             /proc/self/mountinfo | cut -d ' ' -f 6",
        )?;
        let out = run_without(case, calls, "ENOSYS")?.ok()?.out();
        let mut lines = out.lines();
        same("null", lines.next(), Some("1:3"))?;
        let null = lines.next().unwrap_or_default();
        has(null, "nosuid")?;
        has(null, "noexec")?;
        has(lines.next().unwrap_or_default(), "ro,")?;
    }
    Ok(())
}

fn recursive_attributes_name_the_kernel_they_need(case: &Case) -> Outcome {
    let outside = case.bundle.beside("outside")?;
    case.edit(|c| {
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.push(
                json!({"destination": "/closed", "source": outside, "type": "bind",
                "options": ["rbind", "rro"]}),
            );
        }
    })?;
    case.bundle.script("true")?;
    let answer = run_without(case, "mount_setattr", "ENOSYS")?;
    answer.fails(1, &["recursive attributes", "Linux 5.12"])
}
