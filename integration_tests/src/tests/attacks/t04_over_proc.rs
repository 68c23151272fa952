//! T4: mounts over files of `/proc`. CVE-2015-3630, CVE-2015-3631.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::ways::{WAYS, is_lodge, refused, start};
use crate::harness::{Case, Outcome, holds, same};
use crate::tests::list;

list!["attacks::t04":
    only_the_list_is_covered,
    other_spellings_are_seen_through,
];

/// What lxcfs and the like provide.
const ALLOWED: [&str; 8] = [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
];

const OTHERS: [&str; 30] = [
    "version",
    "cmdline",
    "kcore",
    "kmsg",
    "keys",
    "key-users",
    "modules",
    "mounts",
    "net",
    "net/dev",
    "partitions",
    "self",
    "self/attr",
    "self/attr/exec",
    "self/mountinfo",
    "self/status",
    "self/fd",
    "self/exe",
    "thread-self",
    "1",
    "1/environ",
    "sys",
    "sys/kernel",
    "sys/kernel/core_pattern",
    "sys/net/ipv4/ip_forward",
    "sysrq-trigger",
    "timer_list",
    "vmstat",
    "zoneinfo",
    "interrupts",
];

/// The configuration with one bind at `place`, of a file or a directory.
fn with(case: &Case, config: &serde_json::Value, place: &str, directory: bool) -> Outcome {
    let file = case.bundle.dir.join("fake");
    fs::write(&file, "fake\n")?;
    let source = if directory {
        case.bundle.beside("fakes")?
    } else {
        file
    };
    case.edit(|c| *c = config.clone())?;
    case.bundle
        .mount(json!({"destination": place, "type": "bind", "source": source, "options": ["bind"]}))
}

fn only_the_list_is_covered(case: &Case) -> Outcome {
    let config = case.bundle.config()?;
    for name in OTHERS {
        for directory in [false, true] {
            with(case, &config, &format!("/proc/{name}"), directory)?;
            case.bundle.script("true")?;
            for way in WAYS {
                refused(name, &start(case, way)?)?;
            }
        }
    }
    if is_lodge(case)? {
        for name in ALLOWED {
            with(case, &config, &format!("/proc/{name}"), false)?;
            let out = case.run_script(&format!("cat /proc/{name}"))?;
            same(name, out.as_str(), "fake")?;
        }
    }
    case.nothing_left()
}

fn other_spellings_are_seen_through(case: &Case) -> Outcome {
    for (name, target) in [
        ("link", "/proc"),
        ("file", "/proc/version"),
        ("chain", "link"),
        ("relative", "../../proc/version"),
    ] {
        symlink(target, case.bundle.rootfs.join(name))?;
    }
    let config = case.bundle.config()?;
    for place in [
        "proc/version",
        "//proc///version",
        "/./proc/./version",
        "/etc/../proc/version",
        "/../proc/version",
        "/proc/self/../version",
        "/proc/uptime/../version",
        "/proc/../proc/version",
        "/link/version",
        "/chain/version",
        "/file",
        "/relative",
        "/link/self/../version",
    ] {
        with(case, &config, place, false)?;
        case.bundle.script("cat /proc/version")?;
        for way in WAYS {
            let answer = start(case, way)?;
            let context = format!("{place}: exit {}: {}", answer.code, answer.out());
            holds(context, answer.code != 0 || !answer.out().contains("fake"))?;
        }
    }
    case.nothing_left()
}
