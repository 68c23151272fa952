//! Who a container's process is and what it may do.

use crate::harness::{Case, Docker, Outcome, has, holds, lacks, same, skip};
use crate::tests::list;

list!["engines::docker":
    identity,
    security,
    privileged,
];

fn identity(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let out = docker.run(
            &["--hostname=inside", "--user=1000:1001", "--group-add=7"],
            "hostname; id -u; id -g; id -G",
        )?;
        same("names", out.as_str(), "inside\n1000\n1001\n1001 7")?;
        let out = docker.run(
            &["--user=bob", "-w", "/made/here"],
            "id -un; echo $HOME; pwd",
        )?;
        same("by name", out.as_str(), "bob\n/home/bob\n/made/here")?;
        let out = docker.run(
            &["--ulimit=nofile=77:88", "--sysctl=net.ipv4.ip_forward=1"],
            "ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward",
        )?;
        same("limit and sysctl", out.as_str(), "77\n88\n1")?;
        let out = docker.run(
            &["--sysctl=kernel.shm_rmid_forced=1", "--ulimit=core=0"],
            "cat /proc/sys/kernel/shm_rmid_forced; ulimit -c",
        )?;
        same("sysctl of ipc", out.as_str(), "1\n0")?;
        let refused = docker.try_run(&["--sysctl=kernel.panic=1"], "true")?;
        refused.ended(125)?;
        has(&refused.err, "kernel.panic")
    })
}

fn security(case: &Case) -> Outcome {
    // A profile that lets everything through but one call.
    let profile = case.bundle.dir.join("profile.json");
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 73}]}"#;
    std::fs::write(&profile, text)?;
    let profile = format!("seccomp={}", profile.display());
    Docker::with(case, |docker| {
        let status = "grep -E '^(Cap|NoNewPrivs:|Seccomp:)' /proc/self/status";
        let plain = docker.run(&[], status)?;
        has(&plain, "CapEff:\t00000000a80425fb")?;
        has(&plain, "NoNewPrivs:\t0")?;
        has(&plain, "Seccomp:\t2")?;
        let few = [
            "--cap-drop=ALL",
            "--cap-add=CHOWN",
            "--security-opt=no-new-privileges",
        ];
        let out = docker.run(&few, status)?;
        has(&out, "CapEff:\t0000000000000001")?;
        has(&out, "CapBnd:\t0000000000000001")?;
        has(&out, "NoNewPrivs:\t1")?;
        let out = docker.run(&["--cap-add=SYS_ADMIN", "--user=1000"], status)?;
        has(&out, "CapEff:\t0000000000000000")?;
        has(&out, "CapBnd:\t00000000a82425fb")?;

        let unshare = "unshare -m true 2>&1 && echo possible; true";
        let out = docker.run(&["--cap-add=SYS_ADMIN"], unshare)?;
        has(&out, "possible")?;
        lacks(&docker.run(&[], unshare)?, "possible")?;
        let out = docker.run(&["--security-opt=seccomp=unconfined"], status)?;
        has(&out, "Seccomp:\t0")?;
        let out = docker.run(&["--security-opt", &profile], "mkdir /x 2>&1; true")?;
        // EDOTDOT's text, or its number.
        holds(
            &out,
            out.contains("RFS specific error") || out.contains("73"),
        )?;
        // Masked and read-only paths, and without them.
        let script = "head -c 1 /proc/kcore 2>&1 | wc -c; echo 1 >/proc/sys/vm/swappiness";
        let out = docker.try_run(&[], script)?;
        has(&out.err, "Read-only file system")
    })
}

/// Skips where this host has not every capability itself, to give it away.
pub(super) fn has_every_capability() -> Outcome {
    let last: u32 = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")?
        .trim()
        .parse()?;
    let own = std::fs::read_to_string("/proc/self/status")?;
    let all = format!("CapBnd:\t{:016x}", (1_u64 << (last + 1)) - 1);
    if own.contains(&all) {
        return Ok(());
    }
    skip("needs every capability, to give them away")
}

fn privileged(case: &Case) -> Outcome {
    has_every_capability()?;
    Docker::with(case, |docker| {
        let out = docker.run(
            &["--privileged"],
            "grep ^Seccomp: /proc/self/status; touch /sys/x 2>&1; mount -t tmpfs x /mnt && echo mounted",
        )?;
        has(&out, "Seccomp:\t0")?;
        lacks(&out, "Read-only file system")?;
        has(&out, "mounted")
    })
}
