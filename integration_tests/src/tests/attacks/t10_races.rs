//! T10: names that change while they are looked at: a second process exchanges
//! directories, links and files without a pause, as a container could that shares the
//! volume or the image. CVE-2021-30465, CVE-2019-19921, CVE-2024-45310,
//! CVE-2025-31133, CVE-2025-52881, CVE-2022-21658.
//!
//! `LODGE_ATTACK_ROUNDS` says how many starts each target gets.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::Decoy;
use super::storm::Storm;
use super::ways::{rounds, without_mounts};
use crate::harness::{Case, Outcome, holds, lacks};
use crate::tests::list;

list!["attacks::t10":
    destination_in_a_volume,
    parent_of_a_destination,
    file_in_a_volume,
    made_destination_in_a_volume,
    read_only_destination,
    devices_in_a_volume,
    devices_with_another_owner,
    null_of_the_image,
    proc_of_the_image,
    sys_and_dev_of_the_image,
    masked_path_in_a_volume,
    working_directory_in_a_volume,
];

/// What a round must show, beside a decoy that nothing touched.
type Judge = dyn Fn(&str) -> Outcome;

/// Starts the container again and again in a storm. It may fail, in words; what
/// became of the starts is told.
fn in_a_storm(case: &Case, decoy: &Decoy, pairs: &[(PathBuf, PathBuf)], judge: &Judge) -> Outcome {
    let storm = Storm::over(pairs);
    let mut failed = Vec::new();
    for round in 0..rounds() {
        let answer = case.call(&["run", &case.id]).limit(30).answer()?;
        let out = answer.out();
        holds(
            format!("round {round}: exit {}: {}", answer.code, answer.err()),
            answer.code < 2,
        )?;
        for line in out.lines() {
            // In a line of mountinfo, what of the file system is mounted: a name of the
            // container may well be the decoy's.
            let root = line.split(' ').nth(3).unwrap_or_default();
            lacks(root, "/outside")?;
        }
        lacks(&out, "of the host")?;
        decoy.check()?;
        if answer.code == 0 {
            judge(&out)?;
        } else {
            failed.push(answer.err());
        }
        // A bad runtime leaves things behind, and is told of it at the end.
        if case.state_root.join(&case.id).exists() {
            case.destroy()?;
        }
    }
    storm.end()?;
    report(case, &failed);
    case.nothing_left()
}

#[expect(clippy::print_stderr, reason = "the number is what one looks for")]
fn report(case: &Case, failed: &[String]) {
    let mut kinds: Vec<String> = failed
        .iter()
        .map(|line| line.replace(&case.id, "ID"))
        .map(|line| line.split("msg=").nth(1).unwrap_or(&line).trim().to_owned())
        .collect();
    kinds.sort();
    let all = kinds.len();
    kinds.dedup();
    if std::env::var_os("LODGE_ATTACK_ROUNDS").is_some() {
        eprintln!("    {all} of {} starts failed: {kinds:#?}", rounds());
    }
}

/// A volume in the container at `/vol`, with directories of what is exchanged.
fn volume(case: &Case) -> Outcome<PathBuf> {
    let volume = case.bundle.beside("volume")?;
    case.bundle.mount(
        json!({"destination": "/vol", "type": "bind", "source": volume, "options": ["rbind", "rw"]}),
    )?;
    case.bundle
        .script("cat /proc/self/mountinfo; cat /vol/*/* 2>/dev/null; true")?;
    Ok(volume)
}

fn tmpfs(case: &Case, at: &str) -> Outcome {
    case.bundle
        .mount(json!({"destination": at, "type": "tmpfs", "source": "tmpfs"}))
}

/// A directory and, beside it, a link to what is outside.
fn directory_and_link(volume: &Path, name: &str, target: &str) -> Outcome<(PathBuf, PathBuf)> {
    let (directory, link) = (volume.join(name), volume.join(format!("{name}.link")));
    fs::create_dir_all(&directory)?;
    symlink(target, &link)?;
    Ok((directory, link))
}

/// Whatever came of it, the decoy tells.
fn anything(out: &str) -> Outcome {
    lacks(out, "panicked")
}

fn destination_in_a_volume(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let volume = volume(case)?;
    let pairs = [
        directory_and_link(&volume, "a", &decoy.path())?,
        directory_and_link(&volume, "b", "/etc")?,
    ];
    tmpfs(case, "/vol/a")?;
    tmpfs(case, "/vol/b")?;
    in_a_storm(case, &decoy, &pairs, &anything)
}

fn parent_of_a_destination(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let volume = volume(case)?;
    let source = case.bundle.beside("source")?;
    let up = format!(
        "{}{}",
        "../".repeat(15),
        decoy.path().trim_start_matches('/')
    );
    let pairs = [
        directory_and_link(&volume, "a", &decoy.path())?,
        directory_and_link(&volume, "b", &up)?,
    ];
    for name in ["a", "b"] {
        fs::create_dir_all(volume.join(name).join("dir"))?;
        case.bundle.mount(
            json!({"destination": format!("/vol/{name}/dir"), "type": "bind", "source": source, "options": ["rbind"]}),
        )?;
    }
    in_a_storm(case, &decoy, &pairs, &anything)
}

fn file_in_a_volume(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let volume = volume(case)?;
    let source = case.bundle.dir.join("source");
    fs::write(&source, "source\n")?;
    fs::write(volume.join("file"), "volume\n")?;
    symlink(format!("{}/file", decoy.path()), volume.join("link"))?;
    let pairs = [(volume.join("file"), volume.join("link"))];
    case.bundle.mount(
        json!({"destination": "/vol/file", "type": "bind", "source": source, "options": ["bind", "ro"]}),
    )?;
    in_a_storm(case, &decoy, &pairs, &anything)
}

fn made_destination_in_a_volume(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let volume = volume(case)?;
    let pairs = [
        directory_and_link(&volume, "a", &decoy.path())?,
        directory_and_link(&volume, "b", &format!("{}/dir", decoy.path()))?,
    ];
    // Different names each time would leave a long list behind: these are made once in
    // the directory, and again and again where the link leads.
    tmpfs(case, "/vol/a/new/deep")?;
    tmpfs(case, "/vol/b/c/../new/deep")?;
    in_a_storm(case, &decoy, &pairs, &anything)
}

fn read_only_destination(case: &Case) -> Outcome {
    // Closed for writing is the mount that was made, whatever its name leads to.
    let decoy = Decoy::make(case)?;
    let volume = volume(case)?;
    for name in ["a", "b"] {
        fs::create_dir(volume.join(name))?;
        fs::create_dir(volume.join(name).join("dir"))?;
    }
    let pairs = [(volume.join("a"), volume.join("b"))];
    case.bundle.mount(
        json!({"destination": "/vol/a/dir", "type": "tmpfs", "source": "closed", "options": ["ro"]}),
    )?;
    case.bundle
        .mount(json!({"destination": "/vol/b/dir", "type": "tmpfs", "source": "open"}))?;
    case.bundle.script("cat /proc/self/mountinfo")?;
    in_a_storm(case, &decoy, &pairs, &|out| {
        let closed: Vec<&str> = out
            .lines()
            .filter(|line| line.contains(" closed "))
            .collect();
        holds(
            format!("mounts of {closed:?} are read-only"),
            !closed.is_empty()
                && closed
                    .iter()
                    .all(|line| line.split(' ').nth(5).is_some_and(|o| o.starts_with("ro"))),
        )
    })
}

/// A `/dev` that another container writes to.
fn dev_in_a_volume(case: &Case) -> Outcome<PathBuf> {
    let volume = case.bundle.beside("volume")?;
    case.edit(|c| {
        without_mounts(c, "/dev");
        c["linux"]["maskedPaths"] = json!(["/etc/group"]);
    })?;
    case.bundle.mount(
        json!({"destination": "/dev", "type": "bind", "source": volume, "options": ["rbind", "dev"]}),
    )?;
    case.bundle
        .script("cat /proc/self/mountinfo; cat /etc/group; true")?;
    Ok(volume)
}

fn devices_in_a_volume(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let volume = dev_in_a_volume(case)?;
    let mut pairs = vec![directory_and_link(&volume, "pts", &decoy.path())?];
    for name in ["null", "ptmx", "fd"] {
        symlink(
            format!("{}/file", decoy.path()),
            volume.join(format!("{name}.link")),
        )?;
        pairs.push((volume.join(name), volume.join(format!("{name}.link"))));
    }
    in_a_storm(case, &decoy, &pairs, &|out| lacks(out, "tty:x:5"))
}

fn devices_with_another_owner(case: &Case) -> Outcome {
    // Owner and mode are given to the node, not to what a link in its place names.
    let decoy = Decoy::make(case)?;
    let volume = dev_in_a_volume(case)?;
    let node = volume.join("device");
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    let number = nix::libc::makedev(1, 3);
    nix::sys::stat::mknod(&node, nix::sys::stat::SFlag::S_IFCHR, mode, number)?;
    symlink(format!("{}/file", decoy.path()), volume.join("device.link"))?;
    case.edit(|c| {
        c["linux"]["devices"] = json!([{"path": "/dev/device", "type": "c", "major": 1,
            "minor": 3, "uid": 0, "gid": 0, "fileMode": 0o666}]);
    })?;
    // Its mode is never as it should be.
    let opened = fs::File::open(&node)?;
    let stop = Arc::new(AtomicBool::new(false));
    let closing = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = opened.set_permissions(fs::Permissions::from_mode(0o600));
            }
        })
    };
    let pairs = [(node, volume.join("device.link"))];
    let done = in_a_storm(case, &decoy, &pairs, &anything);
    stop.store(true, Ordering::Relaxed);
    let _ = closing.join();
    done
}

fn null_of_the_image(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    case.edit(|c| {
        without_mounts(c, "/dev");
        c["linux"]["maskedPaths"] = json!(["/etc/group", "/proc/version"]);
    })?;
    case.bundle
        .script("cat /etc/group /proc/version; echo out; true")?;
    let dev = case.bundle.rootfs.join("dev");
    fs::create_dir_all(&dev)?;
    symlink(format!("{}/file", decoy.path()), dev.join("null.link"))?;
    fs::write(dev.join("null"), "")?;
    let pairs = [(dev.join("null"), dev.join("null.link"))];
    in_a_storm(case, &decoy, &pairs, &|out| {
        lacks(out, "tty:x:5")?;
        lacks(out, "Linux version")?;
        holds("the output is the caller's", out == "out\n")
    })
}

/// What no procfs of the container may show, wherever it went.
const PROC: &str = "
    for p in /proc /other; do
        [ -e $p/self/mountinfo ] || continue
        cat $p/version $p/keys $p/timer_list
        ls -A $p/acpi 2>/dev/null
        (: >> $p/sys/kernel/domainname) 2>/dev/null && echo open
        echo found
    done
    true";

fn proc_of_the_image(case: &Case) -> Outcome {
    // Renamed under way, a mount goes with its directory: so must its masks.
    let decoy = Decoy::make(case)?;
    case.edit(|c| {
        c["linux"]["maskedPaths"] = json!([
            "/proc/version",
            "/proc/keys",
            "/proc/timer_list",
            "/proc/acpi"
        ]);
        c["linux"]["readonlyPaths"] = json!(["/proc/sys"]);
        c["linux"]["sysctl"] = json!({"net.ipv4.ip_default_ttl": "77"});
    })?;
    case.bundle.script(PROC)?;
    let root = &case.bundle.rootfs;
    fs::create_dir(root.join("other"))?;
    symlink(decoy.path(), root.join("proc.link"))?;
    for other in ["other", "proc.link"] {
        let pairs = [(root.join("proc"), root.join(other))];
        in_a_storm(case, &decoy, &pairs, &|out| {
            let context = format!("nothing of procfs but its being there: {out}");
            holds(context, out.lines().all(|line| line == "found"))
        })?;
    }
    Ok(())
}

fn sys_and_dev_of_the_image(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    case.edit(|c| c["linux"]["maskedPaths"] = json!(["/sys/kernel", "/sys/fs"]))?;
    case.bundle.script("ls /sys/kernel /other/kernel; true")?;
    let root = &case.bundle.rootfs;
    fs::create_dir(root.join("other"))?;
    symlink(decoy.path(), root.join("dev.link"))?;
    let pairs = [
        (root.join("sys"), root.join("other")),
        (root.join("dev"), root.join("dev.link")),
    ];
    in_a_storm(case, &decoy, &pairs, &|out| lacks(out, "mm"))
}

fn masked_path_in_a_volume(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let volume = volume(case)?;
    let pairs = [directory_and_link(&volume, "a", &decoy.path())?];
    fs::write(volume.join("a/file"), "secret\n")?;
    case.edit(|c| {
        c["linux"]["maskedPaths"] = json!(["/vol/a/file"]);
        c["linux"]["readonlyPaths"] = json!(["/vol/a"]);
    })?;
    in_a_storm(case, &decoy, &pairs, &anything)
}

fn working_directory_in_a_volume(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let volume = volume(case)?;
    let pairs = [
        directory_and_link(&volume, "a", "/proc/self/fd/5")?,
        directory_and_link(&volume, "b", &decoy.path())?,
    ];
    case.edit(|c| c["process"]["cwd"] = json!("/vol/a/new"))?;
    case.bundle
        .script("readlink /proc/self/cwd; cat file; true")?;
    in_a_storm(case, &decoy, &pairs, &anything)
}
