//! Things in the image that pose as devices.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};

use serde_json::json;

use super::Decoy;
use crate::harness::{Case, Outcome, has, holds, same};
use crate::tests::list;

list!["attacks":
    fake_devices,
    fake_null_does_not_take_the_output,
    fake_null_as_a_mask,
];

fn without_dev(case: &Case) -> Outcome {
    case.edit(|c| {
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.retain(|m| {
                !m["destination"]
                    .as_str()
                    .is_some_and(|d| d.starts_with("/dev"))
            });
        }
        c["linux"]["maskedPaths"] = json!(["/etc/group", "/proc/version"]);
    })
}

const NAMES: [&str; 5] = ["null", "console", "ptmx", "tty", "pts/0"];

fn fake_devices(case: &Case) -> Outcome {
    without_dev(case)?;
    let decoy = Decoy::make(case)?;
    let dev = case.bundle.rootfs.join("dev");
    for name in NAMES {
        for sort in [
            "file",
            "link",
            "link to proc",
            "fifo",
            "other device",
            "directory",
        ] {
            fs::remove_dir_all(&dev)?;
            fs::create_dir_all(dev.join("pts"))?;
            let path = dev.join(name);
            match sort {
                "file" => fs::write(&path, "fake\n")?,
                "link" => symlink(format!("{}/file", decoy.path()), &path)?,
                "link to proc" => symlink("/proc/version", &path)?,
                "fifo" => {
                    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o666))?;
                }
                "directory" => fs::create_dir(&path)?,
                _ => nix::sys::stat::mknod(
                    &path,
                    nix::sys::stat::SFlag::S_IFCHR,
                    nix::sys::stat::Mode::from_bits_truncate(0o666),
                    nix::libc::makedev(1, 5),
                )?,
            }
            case.bundle.script("echo out; echo err >&2; cat /etc/group; test -c /dev/null && stat -c %t:%T /dev/null")?;
            let answer = case.call(&["run", &case.id]).limit(20).answer()?;
            let context = format!(
                "{sort} at /dev/{name}: exit {}, {:?}, {:?}",
                answer.code,
                answer.out(),
                answer.err()
            );
            if answer.code == 0 {
                // It started: the output is the caller's, the mask is real.
                same(&context, answer.out(), "out\n1:3\n")?;
                has(&answer.err(), "err\n")?;
            } else {
                holds(
                    &context,
                    answer.code == 1 || answer.out().starts_with("out\n"),
                )?;
            }
            decoy.check()?;
        }
    }
    case.nothing_left()
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
            answer.fails(1, &["/dev/null"])?;
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
