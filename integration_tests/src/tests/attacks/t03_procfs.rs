//! T3: a `/proc` or `/sys` that is not what its name says, so that labels, sysctls
//! and masks go elsewhere. CVE-2019-16884, CVE-2019-19921, CVE-2023-27561,
//! CVE-2023-28642, CVE-2025-54867, CVE-2025-52881.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use super::Decoy;
use super::ways::{LACKING, WAYS, clean, refused, run_without, start, without_mounts};
use crate::harness::config::{MAPPED_ROOT, with_user_namespace};
use crate::harness::{Case, Outcome, same};
use crate::tests::list;

list!["attacks::t03":
    proc_and_sys_that_are_links,
    proc_mounted_elsewhere,
    sysctl_with_a_false_proc,
    volume_over_a_process,
    links_where_calls_are_missing,
];

/// A directory with what a runtime would write to, as a file of a disk.
fn false_proc(case: &Case) -> Outcome<String> {
    let dir = case.bundle.beside("false")?;
    for (folder, files) in [
        ("self/attr", ["exec", "current"]),
        ("1/attr", ["exec", "current"]),
        ("sys/net/ipv4", ["ip_default_ttl", "ip_forward"]),
        ("sys/kernel", ["core_pattern", "hostname"]),
    ] {
        fs::create_dir_all(dir.join(folder))?;
        for file in files {
            fs::write(dir.join(folder).join(file), "as it was\n")?;
        }
    }
    fs::write(dir.join("kcore"), "as it was\n")?;
    Ok(dir.to_string_lossy().into_owned())
}

/// Every file of it is as it was.
fn untouched(dir: &str) -> Outcome {
    for file in [
        "self/attr/exec",
        "1/attr/exec",
        "sys/net/ipv4/ip_default_ttl",
        "sys/net/ipv4/ip_forward",
        "sys/kernel/core_pattern",
    ] {
        let text = fs::read_to_string(format!("{dir}/{file}"))?;
        same(file, text.as_str(), "as it was\n")?;
    }
    Ok(())
}

fn mount(config: &mut Value, at: usize, mount: Value) {
    if let Some(mounts) = config["mounts"].as_array_mut() {
        mounts.insert(at.min(mounts.len()), mount);
    }
}

fn proc_and_sys_that_are_links(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    for user_namespace in [false, true] {
        if user_namespace {
            case.edit(with_user_namespace)?;
        }
        for name in ["proc", "sys"] {
            let path = case.bundle.rootfs.join(name);
            fs::create_dir_all(case.bundle.rootfs.join("elsewhere"))?;
            for target in ["/elsewhere", "elsewhere", "/tmp", &decoy.path(), "/missing"] {
                let _ = fs::remove_dir(&path);
                symlink(target, &path)?;
                if user_namespace {
                    case.bundle.give_to(MAPPED_ROOT)?;
                }
                for way in WAYS {
                    refused(&format!("{name} -> {target}"), &start(case, way)?)?;
                }
                decoy.check()?;
                fs::remove_file(&path)?;
            }
            fs::create_dir(&path)?;
        }
    }
    case.nothing_left()
}

fn links_where_calls_are_missing(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let path = case.bundle.rootfs.join("proc");
    fs::remove_dir(&path)?;
    symlink("/tmp", &path)?;
    for calls in LACKING {
        refused(calls, &run_without(case, calls)?)?;
    }
    decoy.check()
}

fn proc_mounted_elsewhere(case: &Case) -> Outcome {
    // A proc of the container at /foo, and /proc a link to it.
    fs::remove_dir(case.bundle.rootfs.join("proc"))?;
    symlink("/foo", case.bundle.rootfs.join("proc"))?;
    case.edit(|c| {
        let elsewhere = json!({"destination": "/foo", "type": "proc", "source": "proc"});
        mount(c, 0, elsewhere);
    })?;
    for way in WAYS {
        refused("/proc is a link", &start(case, way)?)?;
    }
    case.nothing_left()
}

/// What the network namespace of a process has for the sysctl of this test.
fn ttl(pid: i32) -> Outcome<String> {
    let pid = pid.to_string();
    let line = ["-t", &pid, "-n", "cat", "/proc/sys/net/ipv4/ip_default_ttl"];
    let seen = Command::new("nsenter").args(line).output()?;
    Ok(String::from_utf8_lossy(&seen.stdout).trim().to_owned())
}

fn sysctl_with_a_false_proc(case: &Case) -> Outcome {
    let dir = false_proc(case)?;
    let config = case.bundle.config()?;
    let bind = json!({"destination": "/proc", "type": "bind", "source": dir, "options": ["rbind"]});
    let tmpfs = json!({"destination": "/proc", "type": "tmpfs", "source": "tmpfs"});
    let real = json!({"destination": "/proc", "type": "proc", "source": "proc"});
    let below = json!({"destination": "/proc/sys/net/ipv4/ip_default_ttl", "type": "bind",
        "source": format!("{dir}/sys/net/ipv4/ip_default_ttl"), "options": ["bind"]});
    let sys = json!({"destination": "/proc/sys", "type": "bind",
        "source": format!("{dir}/sys"), "options": ["rbind"]});
    for (name, mounts) in [
        ("no proc at all", vec![]),
        ("a directory", vec![bind.clone()]),
        ("a directory over proc", vec![real.clone(), bind.clone()]),
        ("proc over a directory", vec![bind.clone(), real.clone()]),
        ("a tmpfs", vec![tmpfs.clone()]),
        ("a tmpfs over proc", vec![real.clone(), tmpfs]),
        ("a false sysctl", vec![real.clone(), below]),
        ("false sysctls", vec![real, sys]),
    ] {
        case.edit(|c| {
            *c = config.clone();
            without_mounts(c, "/proc");
            for (at, entry) in mounts.into_iter().enumerate() {
                mount(c, at, entry);
            }
            c["linux"]["sysctl"] = json!({"net.ipv4.ip_default_ttl": "77"});
        })?;
        case.bundle.script("exec sleep 600")?;
        let answer = case.call(&["create", &case.id]).limit(20).answer()?;
        clean(name, &answer)?;
        if answer.code == 0 {
            // Asked outside of the container, so that it cannot lie.
            same(name, ttl(case.pid()?)?.as_str(), "77")?;
            case.destroy()?;
        }
        untouched(&dir)?;
    }
    case.nothing_left()
}

fn volume_over_a_process(case: &Case) -> Outcome {
    let dir = false_proc(case)?;
    let config = case.bundle.config()?;
    for place in [
        "/proc/self",
        "/proc/1",
        "/proc/thread-self",
        "/proc/self/attr",
        "/proc/self/attr/exec",
        "/proc/self/task/1",
        "/proc/sys/kernel",
        "/proc/net",
    ] {
        case.edit(|c| *c = config.clone())?;
        case.bundle.mount(
            json!({"destination": place, "type": "bind", "source": dir, "options": ["rbind"]}),
        )?;
        for way in WAYS {
            refused(place, &start(case, way)?)?;
        }
        untouched(&dir)?;
    }
    case.nothing_left()
}
