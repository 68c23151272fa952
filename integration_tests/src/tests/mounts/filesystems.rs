//! tmpfs, proc, sysfs, devpts, mqueue, cgroup, overlay.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::{Case, Hierarchies, Outcome, has, holds, same, skip};
use crate::tests::list;

list!["mounts":
    default_file_systems,
    mode_of_a_tmpfs,
    modes_of_the_image_do_not_matter,
    tmpfs_options,
    tmpfs_read_only,
    tmpfs_with_a_copy_of_what_was_there,
    dev_read_only,
    cgroup_is_read_only,
    cgroup_v1_shows_every_controller,
    cgroup_v2_without_a_namespace_shows_the_hierarchy,
    cgroup_v2_takes_options,
    overlay,
    unknown_file_system_is_refused,
    no_mounts_at_all,
];

fn default_file_systems(case: &Case) -> Outcome {
    let seen = case.probe()?;
    for (point, kind, flags) in [
        ("/proc", "proc", vec!["rw"]),
        ("/dev", "tmpfs", vec!["nosuid"]),
        ("/dev/pts", "devpts", vec!["nosuid", "noexec"]),
        ("/dev/shm", "tmpfs", vec!["nosuid", "noexec", "nodev"]),
        ("/dev/mqueue", "mqueue", vec!["nosuid", "noexec", "nodev"]),
        ("/sys", "sysfs", vec!["ro", "nosuid", "noexec", "nodev"]),
    ] {
        let mount = seen.mount(point)?;
        same(point, mount.kind.as_str(), kind)?;
        for flag in flags {
            holds(
                format!("{flag} of {point} in {}", mount.options),
                mount.has(flag),
            )?;
        }
    }
    has(&seen.mount("/dev")?.super_options, "mode=755")?;
    has(&seen.mount("/dev/pts")?.super_options, "gid=5")?;
    has(&seen.mount("/dev/pts")?.super_options, "mode=620")
}

fn mode_of_a_tmpfs(case: &Case) -> Outcome {
    let there = case.bundle.rootfs.join("there");
    fs::create_dir(&there)?;
    fs::set_permissions(&there, fs::Permissions::from_mode(0o711))?;
    case.bundle
        .mount(json!({"destination": "/new", "type": "tmpfs", "source": "tmpfs"}))?;
    case.bundle
        .mount(json!({"destination": "/there", "type": "tmpfs", "source": "tmpfs"}))?;
    case.bundle.mount(json!({"destination": "/asked", "type": "tmpfs", "source": "tmpfs", "options": ["mode=0700"]}))?;
    same(
        "modes",
        case.run_script("stat -c %a /new /there /asked")?,
        "1777\n711\n700",
    )
}

fn modes_of_the_image_do_not_matter(case: &Case) -> Outcome {
    for name in ["proc", "sys", "dev"] {
        let path = case.bundle.rootfs.join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    let out = case.run_script("stat -c %a /proc /sys /dev /dev/shm /dev/mqueue")?;
    same("modes", out, "555\n555\n755\n1777\n1777")
}

fn tmpfs_options(case: &Case) -> Outcome {
    let options = [
        "nosuid",
        "noexec",
        "nodev",
        "size=64k",
        "nr_inodes=7",
        "mode=1770",
        "uid=12",
        "gid=34",
    ];
    case.bundle.mount(
        json!({"destination": "/mnt", "type": "tmpfs", "source": "mine", "options": options}),
    )?;
    let mount = case.probe()?.mount("/mnt")?;
    for flag in ["nosuid", "noexec", "nodev"] {
        holds(format!("{flag} in {}", mount.options), mount.has(flag))?;
    }
    for option in ["size=64k", "nr_inodes=7", "mode=1770", "uid=12", "gid=34"] {
        has(&mount.super_options, option)?;
    }
    Ok(())
}

fn tmpfs_read_only(case: &Case) -> Outcome {
    case.bundle.mount(
        json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}),
    )?;
    has(
        &case.run_script("touch /mnt/x 2>&1; true")?,
        "Read-only file system",
    )
}

fn tmpfs_with_a_copy_of_what_was_there(case: &Case) -> Outcome {
    let dir = case.bundle.rootfs.join("opt/full");
    fs::create_dir(&dir)?;
    fs::write(dir.join("file"), "kept\n")?;
    fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o640))?;
    std::os::unix::fs::symlink("file", dir.join("link"))?;
    fs::create_dir(dir.join("sub"))?;
    case.bundle.mount(json!({"destination": "/opt/full", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}))?;
    let script = "cd /opt/full; cat link; stat -c %a file; readlink link; test -d sub && echo sub; echo changed > file";
    same("content", case.run_script(script)?, "kept\n640\nfile\nsub")?;
    same("the image", fs::read_to_string(dir.join("file"))?, "kept\n")
}

fn dev_read_only(case: &Case) -> Outcome {
    case.edit(|c| {
        for mount in c["mounts"].as_array_mut().into_iter().flatten() {
            if mount["destination"] == "/dev" {
                mount["options"] =
                    json!(["nosuid", "strictatime", "mode=755", "size=65536k", "ro"]);
            }
        }
    })?;
    let out = case.run_script(
        "touch /dev/x 2>&1; echo y > /dev/null && echo null; test -c /dev/tty && echo tty",
    )?;
    has(&out, "Read-only file system")?;
    has(&out, "null")?;
    has(&out, "tty")
}

fn cgroup_is_read_only(case: &Case) -> Outcome {
    for namespace in [false, true] {
        if namespace {
            case.edit(|c| crate::harness::config::with_namespace(c, "cgroup", None))?;
        }
        let seen = case.probe()?;
        let mounts = seen.mounts();
        let below = mounts
            .iter()
            .filter(|m| m.point.starts_with("/sys/fs/cgroup"));
        let mut count = 0;
        for mount in below {
            holds(
                format!("ro of {} in {}", mount.point, mount.options),
                mount.has("ro"),
            )?;
            count += 1;
        }
        holds("there is one", count > 0)?;
        let out = case.run_script("mkdir /sys/fs/cgroup/x /sys/fs/cgroup/*/x 2>/dev/null; ls -d /sys/fs/cgroup/x /sys/fs/cgroup/*/x 2>/dev/null; true")?;
        same("made", out.as_str(), "")?;
    }
    Ok(())
}

/// The kernel judges them, also where only the first namespace's count.
fn cgroup_v2_takes_options(case: &Case) -> Outcome {
    if !Hierarchies::read()?.unified() {
        return skip("needs cgroup v2");
    }
    let with = |option: &str| {
        case.edit(|c| {
            for mount in c["mounts"].as_array_mut().into_iter().flatten() {
                if mount["type"] == "cgroup" {
                    mount["options"] = json!(["nosuid", "ro", option]);
                }
            }
        })
    };
    with("memory_recursiveprot")?;
    same("output", case.run_script("echo ran")?.as_str(), "ran")?;
    with("no_such_option")?;
    case.run()?
        .fails(1, &["/sys/fs/cgroup", "no_such_option"])?;
    case.nothing_left()
}

fn cgroup_v2_without_a_namespace_shows_the_hierarchy(case: &Case) -> Outcome {
    if !Hierarchies::read()?.unified() {
        return skip("needs cgroup v2");
    }
    case.edit(|c| crate::harness::config::without_namespace(c, "cgroup"))?;
    let out = case.run_script("cat /sys/fs/cgroup$(sed s/0::// /proc/self/cgroup)/cgroup.procs")?;
    holds(
        "the container's own cgroup is where it says",
        out.starts_with('1'),
    )
}

fn cgroup_v1_shows_every_controller(case: &Case) -> Outcome {
    let hierarchies = Hierarchies::read()?;
    if hierarchies.v1.is_empty() {
        return skip("needs cgroup v1");
    }
    let out = case.run_script(
        "ls /sys/fs/cgroup; cat /sys/fs/cgroup/memory/cgroup.procs 2>/dev/null | wc -l",
    )?;
    for (controllers, point) in &hierarchies.v1 {
        let name = point
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        holds(
            format!("{controllers:?} as {name} in {out}"),
            out.lines().any(|line| line == name),
        )?;
    }
    // The container's own cgroup is the top: the shell, cat and wc are in it.
    let count: u32 = out.lines().next_back().unwrap_or_default().trim().parse()?;
    holds(format!("{count} processes, not the host's"), count <= 4)
}

fn overlay(case: &Case) -> Outcome {
    let lower = case.bundle.beside("lower")?;
    let upper = case.bundle.beside("upper")?;
    let work = case.bundle.beside("work")?;
    fs::write(lower.join("low"), "low\n")?;
    let options = [
        format!("lowerdir={}", lower.display()),
        format!("upperdir={}", upper.display()),
        format!("workdir={}", work.display()),
    ];
    case.bundle.mount(
        json!({"destination": "/mnt", "type": "overlay", "source": "overlay", "options": options}),
    )?;
    same(
        "content",
        case.run_script("cat /mnt/low; echo up > /mnt/up")?.as_str(),
        "low",
    )?;
    same("upper", fs::read_to_string(upper.join("up"))?, "up\n")
}

fn unknown_file_system_is_refused(case: &Case) -> Outcome {
    case.bundle
        .mount(json!({"destination": "/mnt", "type": "nosuchfs", "source": "x"}))?;
    case.run()?.fails(1, &["/mnt", "no such device"])?;
    case.nothing_left()
}

fn no_mounts_at_all(case: &Case) -> Outcome {
    case.edit(|c| {
        c["mounts"] = json!([]);
        c["linux"]["maskedPaths"] = json!([]);
        c["linux"]["readonlyPaths"] = json!([]);
    })?;
    same("output", case.run_script("echo ran")?, "ran")
}
