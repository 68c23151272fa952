//! Containers without a mount namespace of their own: what is mounted for them lies in
//! the host's, below the bundle, and goes with them.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::config::{with_user_namespace, without_namespace};
use crate::harness::{Case, MountLine, Outcome, has, holds, same};
use crate::tests::list;

list!["namespaces":
    mounts_lie_in_the_hosts,
    mounts_in_the_hosts_go_with_a_run,
    mounts_in_the_hosts_go_with_a_failure,
    mounts_in_the_hosts_go_without_a_record,
    mounts_of_others_on_the_root_stay,
    what_only_a_mount_namespace_has_is_refused,
];

fn in_the_hosts(config: &mut Value) {
    without_namespace(config, "mount");
    config["linux"]["maskedPaths"] = json!([]);
    config["linux"]["readonlyPaths"] = json!([]);
}

/// The mounts of the host below the bundle.
fn below(case: &Case) -> Outcome<Vec<MountLine>> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    let all = text.lines().filter_map(MountLine::parse);
    let root = case.bundle.rootfs.to_string_lossy().into_owned();
    Ok(all.filter(|mount| mount.point.starts_with(&root)).collect())
}

fn none_below(case: &Case) -> Outcome {
    let left: Vec<String> = below(case)?.into_iter().map(|it| it.point).collect();
    same("mounts below the bundle", left, Vec::<String>::new())
}

fn mounts_lie_in_the_hosts(case: &Case) -> Outcome {
    case.edit(|c| {
        in_the_hosts(c);
        c["root"]["readonly"] = json!(true);
        c["process"]["cwd"] = json!("/dev/shm");
    })?;
    case.run_asleep()?;
    let points: Vec<String> = below(case)?.into_iter().map(|it| it.point).collect();
    for point in ["", "/proc", "/dev", "/dev/pts", "/sys"] {
        let wanted = format!("{}{point}", case.bundle.rootfs.display());
        holds(format!("{wanted} is mounted"), points.contains(&wanted))?;
    }
    let out = case.exec_script(
        &[],
        "echo to-null > /dev/null; touch /x 2>&1; pwd; cat /proc/1/comm",
    )?;
    has(&out, "Read-only file system")?;
    has(&out, "/dev/shm\n")?;
    holds(
        "nothing in the image",
        !case.bundle.rootfs.join("x").exists(),
    )?;
    case.destroy()?;
    none_below(case)?;
    let dev = case.bundle.rootfs.join("dev");
    holds("no device in the image", !dev.join("null").exists())
}

fn mounts_in_the_hosts_go_with_a_run(case: &Case) -> Outcome {
    case.edit(in_the_hosts)?;
    let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "echo 1 >> ran"]}]);
    case.edit(|c| c["hooks"] = json!({"createRuntime": hook}))?;
    same(
        "output",
        case.run_script("cat /proc/self/comm")?,
        "cat".to_owned(),
    )?;
    let ran = fs::read_to_string(case.bundle.dir.join("ran"))?;
    same("times that the hook ran", ran.as_str(), "1\n")?;
    none_below(case)
}

fn mounts_in_the_hosts_go_with_a_failure(case: &Case) -> Outcome {
    case.edit(in_the_hosts)?;
    case.bundle
        .mount(json!({"destination": "/x", "type": "nosuchfs", "source": "x"}))?;
    case.run()?.fails(1, &["nosuchfs", "/x"])?;
    none_below(case)?;
    case.nothing_left()
}

fn mounts_in_the_hosts_go_without_a_record(case: &Case) -> Outcome {
    case.edit(in_the_hosts)?;
    case.run_asleep()?;
    holds("something is mounted", !below(case)?.is_empty())?;
    fs::write(case.state_root.join(&case.id).join("state.json"), "{")?;
    case.destroy()?;
    none_below(case)
}

/// The root may have been a mount point before.
fn mounts_of_others_on_the_root_stay(case: &Case) -> Outcome {
    case.edit(in_the_hosts)?;
    let root = &case.bundle.rootfs;
    let mount = |words: &[&str]| -> Outcome {
        let done = Command::new("sh")
            .arg("-c")
            .args(words)
            .arg(root)
            .status()?;
        holds("mount(8) went well", done.success())
    };
    mount(&["mount --bind $0 $0 && mount --make-private $0"])?;
    case.run_asleep()?;
    holds("something is mounted on it", below(case)?.len() > 1)?;
    case.destroy()?;
    let left: Vec<String> = below(case)?.into_iter().map(|it| it.point).collect();
    same("mounts", left, vec![root.to_string_lossy().into_owned()])?;
    mount(&["umount $0"])
}

fn what_only_a_mount_namespace_has_is_refused(case: &Case) -> Outcome {
    case.edit(|c| without_namespace(c, "mount"))?;
    case.run()?.fails(1, &["linux.maskedPaths"])?;
    case.edit(|c| {
        in_the_hosts(c);
        with_user_namespace(c);
    })?;
    case.run()?
        .fails(1, &["linux.namespaces", "mount namespace"])?;
    none_below(case)?;
    case.nothing_left()
}
