//! Calls that have a way around them.

use std::path::Path;

use serde_json::json;

use crate::harness::{Case, Outcome, same, skip};
use crate::tests::list;

list!["kernel":
    no_openat2,
    openat2_that_is_forbidden,
    openat2_that_races,
    no_clone3,
    no_close_range,
    no_keys,
    interrupted_calls,
];

/// Runs a container that needs links resolved, a sysctl written and its own
/// descriptors alone, with a call failing as said.
fn without(case: &Case, call: &str, failure: &str) -> Outcome {
    if !Path::new("/usr/bin/strace").exists() {
        return skip("strace is not installed, which takes the call away");
    }
    std::os::unix::fs::symlink("/inside", case.bundle.rootfs.join("link"))?;
    case.edit(|c| {
        c["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.push(json!({"destination": "/link/made", "type": "tmpfs", "source": "x"}));
        }
        c["process"]["args"] = json!([
            "sh",
            "-c",
            "cat /proc/sys/net/ipv4/ip_forward; grep -c ' /inside/made ' /proc/mounts; \
             ls /proc/self/fd | wc -l; grep -c lodge-test /proc/self/cgroup"
        ]);
    })?;
    let script = format!(
        "exec 9</etc/passwd; exec strace -f -qq -o /dev/null -e trace={call} \
         -e inject={call}:{failure} \"$@\""
    );
    let line = ["run", case.id.as_str()];
    let out = case.call(&line).under(&script).answer()?.ok()?.out();
    let hierarchies = std::fs::read_to_string("/proc/self/mountinfo")?
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .count();
    same(
        "what the container sees",
        out.trim(),
        format!("1\n1\n4\n{hierarchies}").as_str(),
    )?;
    case.nothing_left()
}

fn no_openat2(case: &Case) -> Outcome {
    without(case, "openat2", "error=ENOSYS")
}

fn openat2_that_is_forbidden(case: &Case) -> Outcome {
    without(case, "openat2", "error=EPERM")
}

fn openat2_that_races(case: &Case) -> Outcome {
    without(case, "openat2", "error=EAGAIN:when=1..20")
}

fn no_clone3(case: &Case) -> Outcome {
    without(case, "clone3", "error=ENOSYS")
}

fn no_close_range(case: &Case) -> Outcome {
    without(case, "close_range", "error=ENOSYS")
}

fn no_keys(case: &Case) -> Outcome {
    without(case, "keyctl", "error=ENOSYS")
}

/// Now and then, as signals come; the first ones are the dynamic loader's, where
/// there is one.
fn interrupted_calls(case: &Case) -> Outcome {
    without(
        case,
        "openat,write,sendmsg,recvmsg,poll",
        // Of each process the first calls: what comes later is the container's
        // program, which need not bear it.
        "error=EINTR:when=4..16+4",
    )
}
