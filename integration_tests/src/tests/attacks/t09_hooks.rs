//! T9: what of the image reaches hooks on the host. CVE-2025-23266.

use std::fs;

use serde_json::json;

use super::ways::{WAYS, start};
use crate::harness::config::with_env;
use crate::harness::{Case, Outcome, has, holds, lacks, same};
use crate::tests::list;

list!["attacks::t09":
    environment_of_the_image_stays_in_the_image,
    hooks_get_no_descriptors,
    hook_that_does_not_read_hurts_nobody,
];

/// Hooks that run on the host.
const OUTSIDE: [&str; 5] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "poststart",
    "poststop",
];

const EVIL: [&str; 5] = [
    "LD_PRELOAD=/lib/evil.so",
    "LD_LIBRARY_PATH=/evil",
    "BASH_ENV=/evil",
    "ENV=/evil",
    "GCONV_PATH=/evil",
];

/// Each hook writes what `command` shows into a file of its name.
fn with_hooks(case: &Case, command: &str) -> Outcome {
    case.edit(|c| {
        for variable in EVIL {
            with_env(c, variable);
        }
        for kind in OUTSIDE {
            let file = case.bundle.rootfs.join(kind).to_string_lossy().into_owned();
            c["hooks"][kind] = json!([{"path": "/bin/sh",
                "args": ["sh", "-c", format!("{{ {command}; }} > {file}")]}]);
        }
        c["hooks"]["startContainer"] = json!([{"path": "/bin/sh",
            "args": ["sh", "-c", format!("{{ {command}; }} > /startContainer")]}]);
    })
}

fn environment_of_the_image_stays_in_the_image(case: &Case) -> Outcome {
    with_hooks(case, "env; echo in $PWD")?;
    case.bundle.script("true")?;
    for way in WAYS {
        start(case, way)?.ok()?;
        for kind in OUTSIDE {
            let text = fs::read_to_string(case.bundle.rootfs.join(kind))?;
            for variable in EVIL {
                let name = variable.split('=').next().unwrap_or(variable);
                lacks(&text, &format!("{name}="))?;
            }
        }
        // This one is the container's own.
        let text = fs::read_to_string(case.bundle.rootfs.join("startContainer"))?;
        has(&text, "BASH_ENV=/evil")?;
    }
    Ok(())
}

fn hooks_get_no_descriptors(case: &Case) -> Outcome {
    // By ls, which has one more for the directory: the shell has some of its own.
    with_hooks(case, "ls -l /proc/self/fd")?;
    case.bundle.script("true")?;
    for verb in ["run", "create"] {
        let leaking = "exec 7</ 8</proc 9</sys/fs/cgroup; exec \"$@\"";
        case.call(&[verb, &case.id]).under(leaking).answer()?.ok()?;
        if verb == "create" {
            case.rt(&["start", &case.id])?.ok()?;
            case.becomes("stopped")?;
            case.destroy()?;
        }
        for kind in OUTSIDE.iter().chain(&["startContainer"]) {
            let text = fs::read_to_string(case.bundle.rootfs.join(kind))?;
            let numbers = text.lines().filter_map(|line| {
                let (left, target) = line.split_once(" -> ")?;
                let number: u32 = left.rsplit(' ').next()?.parse().ok()?;
                (number > 2 && !target.starts_with("/proc/")).then(|| line.to_owned())
            });
            same(kind, numbers.collect::<Vec<_>>(), Vec::<String>::new())?;
        }
    }
    Ok(())
}

fn hook_that_does_not_read_hurts_nobody(case: &Case) -> Outcome {
    // A state larger than a pipe, and nobody who takes it.
    case.edit(|c| {
        let mut notes = serde_json::Map::new();
        for n in 0..40 {
            notes.insert(format!("key.{n}"), json!("x".repeat(4000)));
        }
        c["annotations"] = json!(notes);
        for kind in OUTSIDE {
            c["hooks"][kind] =
                json!([{"path": "/bin/sh", "args": ["sh", "-c", "exec <&-; exit 0"]}]);
        }
        c["hooks"]["startContainer"] =
            json!([{"path": "/bin/sh", "args": ["sh", "-c", "exec <&-; exit 0"]}]);
    })?;
    case.bundle.script("echo ran")?;
    for way in WAYS {
        let answer = start(case, way)?;
        holds(format!("{way:?}: {}", answer.err()), answer.code == 0)?;
        same("output", answer.out(), "ran\n")?;
    }
    Ok(())
}
