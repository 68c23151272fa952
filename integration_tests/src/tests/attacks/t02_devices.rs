//! T2: things in the image that pose as devices.
//! CVE-2025-31133, CVE-2025-52565, CVE-2025-62161; devices of the host given away.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::json;

use super::Decoy;
use super::ways::{LACKING, WAYS, clean, run_without, start, without_mounts};
use crate::harness::config::{MAPPED_ROOT, with_user, with_user_namespace};
use crate::harness::{Answer, Case, ConsoleSocket, Outcome, has, holds, same};
use crate::tests::list;

list!["attacks::t02":
    fake_devices,
    fake_devices_in_a_user_namespace,
    fake_devices_where_calls_are_missing,
    fake_devices_and_a_terminal,
    fake_null_does_not_take_the_output,
    fake_null_as_a_mask,
    streams_are_not_given_away_with_the_device,
];

fn without_dev(case: &Case) -> Outcome {
    case.edit(|c| {
        without_mounts(c, "/dev");
        c["linux"]["maskedPaths"] = json!(["/etc/group", "/proc/version"]);
    })
}

const NAMES: [&str; 5] = ["null", "console", "ptmx", "tty", "pts/0"];
const SORTS: [&str; 7] = [
    "file",
    "link",
    "link to proc",
    "fifo",
    "socket",
    "other device",
    "directory",
];

/// Puts a fake of this sort at a path.
fn put(path: &Path, sort: &str, decoy: &Decoy) -> Outcome {
    match sort {
        "file" => fs::write(path, "fake\n")?,
        "link" => symlink(format!("{}/file", decoy.path()), path)?,
        "link to proc" => symlink("/proc/version", path)?,
        "fifo" => nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o666))?,
        "socket" => drop(UnixListener::bind(path)?),
        "directory" => fs::create_dir(path)?,
        _ => nix::sys::stat::mknod(
            path,
            nix::sys::stat::SFlag::S_IFCHR,
            nix::sys::stat::Mode::from_bits_truncate(0o666),
            nix::libc::makedev(1, 5),
        )?,
    }
    Ok(())
}

/// Every fake at every name, in a `/dev` of the image.
fn each_fake(case: &Case, mut attempt: impl FnMut(&str) -> Outcome) -> Outcome {
    let decoy = Decoy::make(case)?;
    let dev = case.bundle.rootfs.join("dev");
    let mapped = case.bundle.config()?["linux"]["uidMappings"].is_array();
    for name in NAMES {
        for sort in SORTS {
            fs::remove_dir_all(&dev)?;
            fs::create_dir_all(dev.join("pts"))?;
            put(&dev.join(name), sort, &decoy)?;
            if mapped {
                case.bundle.give_to(MAPPED_ROOT)?;
            }
            attempt(&format!("{sort} at /dev/{name}"))?;
            decoy.check()?;
        }
    }
    case.nothing_left()
}

const SCRIPT: &str = "echo out; echo err >&2; cat /etc/group; \
    test -c /dev/null && stat -c %t:%T /dev/null";

/// It started: the output is the caller's, the mask is real. Or it did not.
fn judge(context: &str, answer: &Answer) -> Outcome {
    let context = format!(
        "{context}: exit {}, {:?}, {:?}",
        answer.code,
        answer.out(),
        answer.err()
    );
    if answer.code == 0 {
        same(&context, answer.out(), "out\n1:3\n")?;
        has(&answer.err(), "err\n")
    } else {
        holds(
            &context,
            answer.code == 1 || answer.out().starts_with("out\n"),
        )
    }
}

fn fake_devices(case: &Case) -> Outcome {
    without_dev(case)?;
    case.bundle.script(SCRIPT)?;
    each_fake(case, |context| {
        WAYS.into_iter()
            .try_for_each(|way| judge(context, &start(case, way)?))
    })
}

fn fake_devices_in_a_user_namespace(case: &Case) -> Outcome {
    without_dev(case)?;
    case.edit(with_user_namespace)?;
    case.bundle.script(SCRIPT)?;
    each_fake(case, |context| judge(context, &case.run()?))
}

fn fake_devices_where_calls_are_missing(case: &Case) -> Outcome {
    without_dev(case)?;
    case.bundle.script(SCRIPT)?;
    let mut lacking = LACKING.into_iter().skip(1).cycle();
    each_fake(case, |context| {
        let calls = lacking.next().unwrap_or_default();
        judge(
            &format!("{context} without {calls}"),
            &run_without(case, calls)?,
        )
    })
}

fn fake_devices_and_a_terminal(case: &Case) -> Outcome {
    // With a devpts of the container's, and with none.
    for with_pts in [true, false] {
        case.edit(|c| {
            let pts: Vec<_> = c["mounts"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|mount| mount["destination"] == "/dev/pts")
                .cloned()
                .collect();
            without_mounts(c, "/dev");
            if let Some(mounts) = c["mounts"].as_array_mut().filter(|_| with_pts) {
                mounts.extend(pts);
            }
            c["process"]["terminal"] = json!(true);
        })?;
        case.bundle.script("exec sleep 600")?;
        each_fake(case, |context| {
            let socket = ConsoleSocket::listen(&case.bundle.dir)?;
            let line = ["create", "--console-socket", &socket.arg(), &case.id];
            let answer = case.call(&line).limit(20).answer()?;
            clean(context, &answer)?;
            if answer.code == 0 {
                case.rt(&["start", &case.id])?.ok()?;
                // A process that joins gets a terminal of its own.
                fs::remove_file(&socket.path)?;
                let socket = ConsoleSocket::listen(&case.bundle.dir)?;
                let line = [
                    "exec",
                    "--tty",
                    "--detach",
                    "--console-socket",
                    &socket.arg(),
                    &case.id,
                    "true",
                ];
                let answer = case.call(&line).limit(20).answer()?;
                holds(
                    format!("{context}: exec: {}", answer.err()),
                    answer.code < 2 || answer.code == 255,
                )?;
                case.destroy()?;
            }
            fs::remove_file(&socket.path)?;
            Ok(())
        })?;
    }
    Ok(())
}

fn fake_null_does_not_take_the_output(case: &Case) -> Outcome {
    without_dev(case)?;
    let decoy = Decoy::make(case)?;
    let null = case.bundle.rootfs.join("dev/null");
    for target in ["file", "link"] {
        let _ = fs::remove_file(&null);
        if target == "file" {
            fs::write(&null, "")?;
        } else {
            symlink("/proc/version", &null)?;
        }
        case.bundle.script("echo out")?;
        let answer = case.run()?;
        if answer.code == 0 {
            same(target, answer.out(), "out\n")?;
        } else {
            has(&answer.err(), "/dev/null")?;
        }
        if target == "file" && !fs::symlink_metadata(&null)?.file_type().is_char_device() {
            same(
                "the fake holds nothing",
                fs::read_to_string(&null)?.as_str(),
                "",
            )?;
        }
    }
    decoy.check()?;
    case.nothing_left()
}

fn fake_null_as_a_mask(case: &Case) -> Outcome {
    // The mask must not be the image's idea of a null device.
    without_dev(case)?;
    let null = case.bundle.rootfs.join("dev/null");
    fs::write(&null, "text of the fake\n")?;
    let answer = {
        case.bundle.script("cat /etc/group")?;
        case.run()?
    };
    if answer.code == 0 {
        same("masked file", answer.out(), "")?;
    }
    case.nothing_left()
}

fn streams_are_not_given_away_with_the_device(case: &Case) -> Outcome {
    // The caller's null device is the host's; it stays root's.
    let owner = || -> Outcome<_> {
        let null = fs::metadata("/dev/null")?;
        Ok((null.uid(), null.gid(), null.mode()))
    };
    let before = owner()?;
    case.edit(|c| with_user(c, 1000, 1000))?;
    for way in WAYS {
        case.bundle.script("true")?;
        start(case, way)?.ok()?;
        same("owner and mode", owner()?, before)?;
    }
    case.run_asleep()?;
    for user in ["0", "1000", "1000:1000"] {
        case.rt(&["exec", "-u", user, &case.id, "true"])?.ok()?;
        same("owner and mode", owner()?, before)?;
    }
    Ok(())
}
