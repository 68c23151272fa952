//! The root file system itself.

mod without_mount_api;

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::config::{MAPPED_ROOT, with_user_namespace};
use crate::harness::{Case, Outcome, has, holds, same};
use crate::tests::list;

list!["rootfs":
    read_only_root,
    read_only_root_keeps_flags,
    writable_root_is_the_bundles,
    root_path_may_be_absolute,
    root_path_may_be_the_bundle,
    host_is_out_of_reach,
    without_pivot,
    missing_root_is_refused,
    file_as_root_is_refused,
    root_that_is_a_link,
    user_namespace_root,
];

/// Those of kernels without the mount API.
pub(super) fn without_mount_api() -> Vec<super::Test> {
    without_mount_api::tests()
}

fn read_only_root(case: &Case) -> Outcome {
    case.edit(|c| c["root"]["readonly"] = json!(true))?;
    has(
        &case.run_script("touch /x 2>&1; true")?,
        "Read-only file system",
    )?;
    holds("/ is ro", case.probe()?.mount("/")?.has("ro"))
}

fn read_only_root_keeps_flags(case: &Case) -> Outcome {
    // A bundle on a file system with flags of its own.
    let other = case.bundle.dir.join("flags");
    fs::create_dir(&other)?;
    let flags = nix::mount::MsFlags::MS_NOSUID | nix::mount::MsFlags::MS_NODEV;
    nix::mount::mount(Some("tmpfs"), &other, Some("tmpfs"), flags, None::<&str>)?;
    let bundle = crate::harness::Bundle::make(&other.join("b"))?;
    let path = bundle.rootfs.to_string_lossy().into_owned();
    case.edit(|c| c["root"] = json!({"path": path, "readonly": true}))?;
    let root = case.probe().and_then(|seen| seen.mount("/"));
    // There the flags are locked, and what takes them away is refused.
    case.edit(with_user_namespace)?;
    bundle.give_to(MAPPED_ROOT)?;
    let locked = case.probe().and_then(|seen| seen.mount("/"));
    nix::mount::umount2(&other, nix::mount::MntFlags::MNT_DETACH)?;
    for root in [root?, locked?] {
        for flag in ["ro", "nosuid", "nodev"] {
            holds(format!("{flag} in {}", root.options), root.has(flag))?;
        }
    }
    Ok(())
}

fn writable_root_is_the_bundles(case: &Case) -> Outcome {
    case.run_script("echo text > /file")?;
    same(
        "file",
        fs::read_to_string(case.bundle.rootfs.join("file"))?,
        "text\n",
    )
}

fn root_path_may_be_absolute(case: &Case) -> Outcome {
    let path = case.bundle.rootfs.to_string_lossy().into_owned();
    case.edit(|c| c["root"]["path"] = json!(path))?;
    same("output", case.run_script("echo ran")?, "ran")
}

fn root_path_may_be_the_bundle(case: &Case) -> Outcome {
    let config = case.bundle.config_file();
    fs::copy(&config, case.bundle.rootfs.join("config.json"))?;
    let file = case.bundle.rootfs.join("config.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
    value["root"]["path"] = json!(".");
    value["process"]["args"] = json!(["/bin/echo", "ran"]);
    fs::write(&file, value.to_string())?;
    let bundle = case.bundle.rootfs.to_string_lossy().into_owned();
    same(
        "output",
        case.rt(&["run", "--bundle", &bundle, &case.id])?
            .ok()?
            .out(),
        "ran\n",
    )
}

fn host_is_out_of_reach(case: &Case) -> Outcome {
    let outside = case.bundle.dir.join("outside");
    fs::write(&outside, "outside\n")?;
    let out =
        case.run_script("cat ../../../../outside /../outside 2>/dev/null; ls / | tr '\\n' ' '")?;
    same(
        "names",
        out.trim(),
        "bin dev etc home mnt opt proc root sys tmp",
    )
}

fn without_pivot(case: &Case) -> Outcome {
    case.bundle.script("echo ran; ls / | wc -l; touch /x")?;
    let answer = case.rt(&["run", "--no-pivot", &case.id])?.ok()?;
    same("output", answer.out(), "ran\n10\n")?;
    holds("written inside", case.bundle.rootfs.join("x").exists())
}

fn missing_root_is_refused(case: &Case) -> Outcome {
    case.edit(|c| c["root"]["path"] = json!("nosuch"))?;
    case.run()?.fails(1, &["nosuch"])?;
    case.nothing_left()?;
    case.edit(|c| c["root"] = json!(null))?;
    case.run()?.fails(1, &["root"])?;
    case.nothing_left()
}

fn file_as_root_is_refused(case: &Case) -> Outcome {
    fs::write(case.bundle.dir.join("file"), "")?;
    case.edit(|c| c["root"]["path"] = json!("file"))?;
    case.run()?.fails(1, &["file"])?;
    case.nothing_left()
}

fn root_that_is_a_link(case: &Case) -> Outcome {
    // Refused or followed once, never half of each.
    symlink("rootfs", case.bundle.dir.join("link"))?;
    case.edit(|c| c["root"]["path"] = json!("link"))?;
    case.bundle.script("echo ran")?;
    let answer = case.run()?;
    if answer.code == 0 {
        return same("output", answer.out(), "ran\n");
    }
    answer.fails(1, &["link"])?;
    case.nothing_left()
}

fn user_namespace_root(case: &Case) -> Outcome {
    case.edit(with_user_namespace)?;
    case.bundle.give_to(MAPPED_ROOT)?;
    let out = case.run_script("stat -c %u /bin/busybox; touch /new; stat -c %u /new")?;
    same("owners inside", out.as_str(), "0\n0")?;
    let made = fs::metadata(case.bundle.rootfs.join("new"))?;
    same(
        "owner outside",
        std::os::unix::fs::MetadataExt::uid(&made),
        MAPPED_ROOT,
    )
}
