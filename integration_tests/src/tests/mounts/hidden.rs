//! Masked and read-only paths.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::config::{MAPPED_ROOT, with_capabilities, with_user_namespace};
use crate::harness::{Case, Outcome, has, holds, same};
use crate::tests::list;

list!["mounts":
    masked_file_reads_empty,
    masked_directory_is_empty,
    masked_directories_share_one_file_system,
    missing_masked_paths_are_ignored,
    masks_cannot_be_taken_away,
    masked_link_inside_the_root,
    masks_in_a_user_namespace,
    read_only_paths,
    read_only_paths_keep_flags,
    default_masks_are_in_force,
    masks_where_the_kernel_refuses_their_limits,
];

fn masked_file_reads_empty(case: &Case) -> Outcome {
    fs::write(case.bundle.rootfs.join("secret"), "secret\n")?;
    case.edit(|c| c["linux"]["maskedPaths"] = json!(["/secret", "/secret", "/proc/version"]))?;
    let out =
        case.run_script("cat /secret /proc/version; echo x > /secret; cat /secret; echo end")?;
    same("content", out.as_str(), "end")?;
    same(
        "the image",
        fs::read_to_string(case.bundle.rootfs.join("secret"))?,
        "secret\n",
    )
}

fn masked_directory_is_empty(case: &Case) -> Outcome {
    let dir = case.bundle.rootfs.join("secret");
    fs::create_dir(&dir)?;
    fs::write(dir.join("file"), "secret\n")?;
    case.edit(|c| c["linux"]["maskedPaths"] = json!(["/secret"]))?;
    let out = case.run_script("ls -A /secret; touch /secret/x 2>&1; true")?;
    has(&out, "Read-only file system")?;
    same("lines", out.lines().count(), 1)
}

fn masked_directories_share_one_file_system(case: &Case) -> Outcome {
    let mut paths = Vec::new();
    for n in 0..40 {
        fs::create_dir(case.bundle.rootfs.join(format!("dir{n}")))?;
        paths.push(format!("/dir{n}"));
    }
    case.edit(|c| c["linux"]["maskedPaths"] = json!(paths))?;
    same(
        "device numbers",
        case.run_script("stat -c %d /dir* | sort -u | wc -l")?,
        "1",
    )
}

fn missing_masked_paths_are_ignored(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["maskedPaths"] = json!(["/nosuch", "/nosuch/deep"]))?;
    same(
        "output",
        case.run_script("ls -d /nosuch 2>/dev/null; echo ran")?,
        "ran",
    )
}

fn masks_cannot_be_taken_away(case: &Case) -> Outcome {
    // Without CAP_SYS_ADMIN, as containers are.
    fs::write(case.bundle.rootfs.join("secret"), "secret\n")?;
    case.edit(|c| c["linux"]["maskedPaths"] = json!(["/secret"]))?;
    let out = case.run_script("umount /secret 2>/dev/null && echo umounted; rm -f /secret 2>/dev/null && echo removed; cat /secret; echo end")?;
    same("output", out, "end")
}

fn masked_link_inside_the_root(case: &Case) -> Outcome {
    let outside = case.bundle.beside("outside")?;
    fs::write(outside.join("file"), "outside\n")?;
    fs::write(case.bundle.rootfs.join("real"), "secret\n")?;
    symlink("/real", case.bundle.rootfs.join("secret"))?;
    case.edit(|c| c["linux"]["maskedPaths"] = json!(["/secret"]))?;
    same(
        "content",
        case.run_script("cat /secret; cat /real; echo end")?
            .as_str(),
        "end",
    )?;
    same(
        "outside",
        fs::read_to_string(outside.join("file"))?,
        "outside\n",
    )
}

fn masks_in_a_user_namespace(case: &Case) -> Outcome {
    fs::create_dir(case.bundle.rootfs.join("dir"))?;
    fs::write(case.bundle.rootfs.join("dir/file"), "secret\n")?;
    fs::write(case.bundle.rootfs.join("secret"), "secret\n")?;
    case.edit(|c| {
        with_user_namespace(c);
        c["linux"]["maskedPaths"] = json!(["/secret", "/dir"]);
        c["linux"]["readonlyPaths"] = json!(["/proc/sys"]);
    })?;
    case.bundle.give_to(MAPPED_ROOT)?;
    let out = case
        .run_script("cat /secret; ls -A /dir; echo x > /proc/sys/net/ipv4/ip_forward; echo end")?;
    same("output", out.as_str(), "end")
}

fn read_only_paths(case: &Case) -> Outcome {
    let dir = case.bundle.rootfs.join("fixed");
    fs::create_dir(&dir)?;
    fs::write(dir.join("file"), "text\n")?;
    fs::write(case.bundle.rootfs.join("alone"), "text\n")?;
    case.edit(|c| c["linux"]["readonlyPaths"] = json!(["/fixed", "/alone", "/nosuch"]))?;
    let out = case.run_script(
        "cat /fixed/file /alone; touch /fixed/x 2>&1; sh -c 'echo x > /alone' 2>&1; true",
    )?;
    same(
        "read",
        out.lines().take(2).collect::<Vec<_>>(),
        vec!["text", "text"],
    )?;
    same("refused", out.matches("Read-only file system").count(), 2)
}

fn read_only_paths_keep_flags(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["readonlyPaths"] = json!(["/dev/shm"]))?;
    let mount = case.probe()?.mount("/dev/shm")?;
    for flag in ["ro", "nosuid", "nodev", "noexec"] {
        holds(format!("{flag} in {}", mount.options), mount.has(flag))?;
    }
    Ok(())
}

fn default_masks_are_in_force(case: &Case) -> Outcome {
    case.edit(|c| with_capabilities(c, &["CAP_DAC_OVERRIDE"]))?;
    let script = "cat /proc/keys /proc/timer_list /proc/kcore 2>/dev/null | wc -c; ls -A /proc/scsi /sys/firmware 2>/dev/null | grep -v : | wc -w; \
        for f in sys/net/ipv4/ip_forward irq/default_smp_affinity; do sh -c \"echo 0 > /proc/$f\" 2>/dev/null && echo wrote $f; done; true";
    same("bytes and names", case.run_script(script)?, "0\n0")
}

/// The limits of the tmpfs that masks share are a favour to the host: kernels
/// that do not know them get it without.
fn masks_where_the_kernel_refuses_their_limits(case: &Case) -> Outcome {
    let dir = case.bundle.rootfs.join("secret");
    fs::create_dir(&dir)?;
    fs::write(dir.join("file"), "secret\n")?;
    case.edit(|c| c["linux"]["maskedPaths"] = json!(["/secret"]))?;
    case.bundle.script("ls -A /secret; echo ran")?;
    let (answer, lines) = case.traced(&["run", &case.id], &["trace=fsconfig"])?;
    same("output", answer.ok()?.out(), "ran\n".to_owned())?;
    // Which of the calls of the one process that makes them set the limits.
    let makes = |line: &&String| line.contains("fsconfig(");
    let numbers = lines.iter().filter(makes).enumerate();
    let limits: Vec<usize> = numbers
        .filter(|(_, line)| line.contains("\"nr_blocks\"") || line.contains("\"nr_inodes\""))
        .map(|(n, _)| n + 1)
        .collect();
    holds("there are limits", !limits.is_empty())?;
    for number in limits {
        let inject = format!("inject=fsconfig:error=EINVAL:when={number}");
        let (answer, lines) = case.traced(&["run", &case.id], &["trace=fsconfig", &inject])?;
        same("output", answer.ok()?.out(), "ran\n".to_owned())?;
        has(&lines.join("\n"), "INJECTED")?;
    }
    Ok(())
}
