//! A Docker Engine with this runtime.

use serde_json::Value;

use crate::harness::{
    Call, Case, Docker, Hierarchies, Outcome, Pty, has, holds, lacks, read_until, same, skip,
    type_line,
};
use crate::tests::list;

list!["docker":
    run_and_logs,
    exit_codes,
    exec,
    stop_start_and_remove,
    pause_and_unpause,
    limits,
    update,
    files,
    identity,
    privileged,
    terminal,
    top_and_stats,
];

fn run_and_logs(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        same("output", docker.run(&[], "echo hello")?.as_str(), "hello")?;
        docker
            .docker(&[
                "run",
                "--network=none",
                "--name=first",
                "busybox",
                "/bin/sh",
                "-c",
                "echo out; echo err >&2",
            ])?
            .ok()?;
        let logs = docker.docker(&["logs", "first"])?;
        same("stdout", logs.out.as_str(), "out\n")?;
        same("stderr", logs.err.as_str(), "err\n")?;
        docker.docker(&["rm", "first"])?.ok().map(drop)
    })
}

fn exit_codes(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let run = |args: &[&str]| {
            let mut line = vec!["run", "--rm", "--network=none", "busybox"];
            line.extend(args);
            docker.docker(&line)
        };
        run(&["/bin/sh", "-c", "exit 42"])?.ended(42)?;
        run(&["nosuch"])?.ended(127)?;
        run(&["/nosuch"])?.ended(127)?;
        run(&["/etc"])?.ended(126)?;
        run(&["/etc/passwd"])?.ended(126)?;
        same(
            "kill",
            run(&["/bin/sh", "-c", "sh -c 'kill -9 $$'; exit $?"])?.code,
            137,
        )
    })
}

fn exec(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        docker
            .docker(&[
                "run",
                "-d",
                "--network=none",
                "--name=first",
                "-e",
                "A=1",
                "busybox",
                "sleep",
                "600",
            ])?
            .ok()?;
        let exec = |options: &[&str], script: &str| {
            let mut line = vec!["exec"];
            line.extend(options);
            line.extend(["first", "/bin/sh", "-c", script]);
            docker.docker(&line)
        };
        same(
            "env",
            exec(&["-e", "B=2"], "echo $A $B")?.ok()?.as_str(),
            "1 2",
        )?;
        same(
            "user",
            exec(&["-u", "1000:1001"], "id -u; id -g")?.ok()?.as_str(),
            "1000\n1001",
        )?;
        same(
            "directory",
            exec(&["-w", "/etc"], "pwd")?.ok()?.as_str(),
            "/etc",
        )?;
        exec(&[], "exit 7")?.ended(7)?;
        let missing = docker.docker(&["exec", "first", "nosuch"])?;
        // Which of the two depends on the engine's version.
        holds(format!("{missing:?}"), [126, 127].contains(&missing.code))?;
        docker
            .docker(&["exec", "-d", "first", "sleep", "601"])?
            .ok()?;
        has(&docker.docker(&["top", "first"])?.ok()?, "sleep 601")?;
        docker.docker(&["rm", "-f", "first"])?.ok().map(drop)
    })
}

fn status(docker: &Docker, name: &str) -> Outcome<String> {
    let text = docker.docker(&["inspect", name])?.ok()?;
    let document: Value = serde_json::from_str(&text)?;
    Ok(document[0]["State"]["Status"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

fn stop_start_and_remove(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let script = "trap 'echo asked; exit 3' TERM; echo up; while :; do usleep 10000; done";
        docker
            .docker(&[
                "create",
                "--network=none",
                "--name=first",
                "busybox",
                "/bin/sh",
                "-c",
                script,
            ])?
            .ok()?;
        same("status", status(docker, "first")?.as_str(), "created")?;
        for _ in 0..2 {
            docker.docker(&["start", "first"])?.ok()?;
            same("status", status(docker, "first")?.as_str(), "running")?;
            crate::harness::eventually("it is up", || {
                Ok(docker.docker(&["logs", "--tail=1", "first"])?.out == "up\n")
            })?;
            docker.docker(&["stop", "first"])?.ok()?;
            same("status", status(docker, "first")?.as_str(), "exited")?;
            has(&docker.docker(&["logs", "first"])?.out, "asked")?;
        }
        docker.docker(&["start", "first"])?.ok()?;
        docker.docker(&["kill", "first"])?.ok()?;
        same(
            "wait",
            docker.docker(&["wait", "first"])?.ok()?.as_str(),
            "137",
        )?;
        docker.docker(&["start", "first"])?.ok()?;
        docker.docker(&["rm", "-f", "first"])?.ok().map(drop)
    })
}

fn pause_and_unpause(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        docker
            .docker(&[
                "run",
                "-d",
                "--network=none",
                "--name=first",
                "busybox",
                "sleep",
                "600",
            ])?
            .ok()?;
        docker.docker(&["pause", "first"])?.ok()?;
        same("status", status(docker, "first")?.as_str(), "paused")?;
        docker.docker(&["unpause", "first"])?.ok()?;
        same("status", status(docker, "first")?.as_str(), "running")?;
        docker.docker(&["rm", "-f", "first"])?.ok().map(drop)
    })
}

fn limits(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let files = if v1_memory()? {
            "cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us"
        } else {
            "cat memory.max pids.max; cut -d' ' -f1 cpu.max"
        };
        let script = format!("cd /sys/fs/cgroup; {files}");
        let options = ["--memory=64m", "--pids-limit=50", "--cpus=0.5"];
        same(
            "limits",
            docker.run(&options, &script)?.as_str(),
            "67108864\n50\n50000",
        )
    })
}

fn v1_memory() -> Outcome<bool> {
    Ok(Hierarchies::read()?.controller("memory").is_some())
}

fn update(case: &Case) -> Outcome {
    case.needs_command("update")?;
    Docker::with(case, |docker| {
        docker
            .docker(&[
                "run",
                "-d",
                "--network=none",
                "--memory=64m",
                "--name=first",
                "busybox",
                "sleep",
                "600",
            ])?
            .ok()?;
        docker
            .docker(&["update", "--memory=128m", "--memory-swap=256m", "first"])?
            .ok()?;
        let file = if v1_memory()? {
            "/sys/fs/cgroup/memory/memory.limit_in_bytes"
        } else {
            "/sys/fs/cgroup/memory.max"
        };
        same(
            "limit",
            docker
                .docker(&["exec", "first", "cat", file])?
                .ok()?
                .as_str(),
            "134217728",
        )?;
        docker.docker(&["rm", "-f", "first"])?.ok().map(drop)
    })
}

fn files(case: &Case) -> Outcome {
    let volume = case.bundle.beside("volume")?;
    std::fs::write(volume.join("mark"), "mark\n")?;
    let volume = volume.to_string_lossy().into_owned();
    Docker::with(case, |docker| {
        let script = "cat /data/mark; touch /data/x 2>&1; true";
        let out = docker.run(&["-v", &format!("{volume}:/data:ro")], script)?;
        has(&out, "mark")?;
        has(&out, "Read-only file system")?;
        let out = docker.run(
            &["--read-only", "--tmpfs", "/scratch"],
            "touch /x 2>&1; touch /scratch/x && echo scratch",
        )?;
        has(&out, "Read-only file system")?;
        has(&out, "scratch")?;
        let out = docker.run(
            &["--device", "/dev/zero:/dev/mine"],
            "head -c 2 /dev/mine | wc -c",
        )?;
        same("device", out.trim(), "2")?;
        same(
            "shm",
            docker
                .run(
                    &["--shm-size=1m"],
                    "df -k /dev/shm | tail -1 | awk '{print $2}'",
                )?
                .as_str(),
            "1024",
        )
    })
}

fn identity(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let out = docker.run(
            &["--hostname=inside", "--user=1000:1001", "--group-add=7"],
            "hostname; id -u; id -g; id -G",
        )?;
        same("names", out.as_str(), "inside\n1000\n1001\n1001 7")?;
        let out = docker.run(
            &[
                "--cap-drop=ALL",
                "--cap-add=CHOWN",
                "--security-opt=no-new-privileges",
            ],
            "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status",
        )?;
        has(&out, "CapEff:\t0000000000000001")?;
        has(&out, "NoNewPrivs:\t1")?;
        has(&out, "Seccomp:\t2")?;
        let out = docker.run(
            &["--ulimit=nofile=77:88", "--sysctl=net.ipv4.ip_forward=1"],
            "ulimit -n; cat /proc/sys/net/ipv4/ip_forward",
        )?;
        same("limit and sysctl", out.as_str(), "77\n1")
    })
}

fn privileged(case: &Case) -> Outcome {
    let last: u32 = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")?
        .trim()
        .parse()?;
    let own = std::fs::read_to_string("/proc/self/status")?;
    let all = format!("CapBnd:\t{:016x}", (1_u64 << (last + 1)) - 1);
    if !own.contains(&all) {
        return skip("needs every capability, to give them away");
    }
    Docker::with(case, |docker| {
        let out = docker.run(
            &["--privileged"],
            "grep ^Seccomp: /proc/self/status; touch /sys/x 2>&1; true",
        )?;
        has(&out, "Seccomp:\t0")?;
        lacks(&out, "Read-only file system")
    })
}

fn terminal(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let host = docker.host();
        let tty = |words: &str, pty: &Pty| -> Outcome<Call> {
            let slave = nix::unistd::ttyname(&pty.slave)?;
            // The words of the client take the place of the runtime.
            let script = format!(
                "DOCKER_HOST={host} exec setsid -w bash -c 'exec <{0} >{0} 2>{0}; exec timeout 60 {words}'",
                slave.display()
            );
            Ok(case.call(&[]).under(&script))
        };
        let mut pty = Pty::open(33, 77)?;
        let running = tty("docker run -it --rm --network=none busybox /bin/sh", &pty)?.spawn()?;
        read_until(&mut pty.master, "# ")?;
        type_line(&mut pty.master, "tty; echo \"<$(stty size)>\"; exit 9")?;
        let text = read_until(&mut pty.master, "<33 77>")?;
        has(&text, "/dev/pts/0")?;
        running.answer()?.ended(9).map(drop)
    })
}

/// A v1 hierarchy that processes are in and that is mounted nowhere: what an
/// unmounted one is for a while.
fn unmounted_hierarchy() -> Outcome<Option<String>> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let own = std::fs::read_to_string("/proc/self/cgroup")?;
    let mut names = own.lines().filter_map(|line| line.split(':').nth(1));
    Ok(names
        .find(|name| {
            let mounted = |mount: &str| mount.contains(" - cgroup ") && mount.ends_with(name);
            !name.is_empty() && !mounts.lines().any(mounted)
        })
        .map(ToOwned::to_owned))
}

fn top_and_stats(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        docker
            .docker(&[
                "run",
                "-d",
                "--network=none",
                "--name=first",
                "busybox",
                "sleep",
                "600",
            ])?
            .ok()?;
        has(&docker.docker(&["top", "first"])?.ok()?, "sleep 600")?;
        if let Some(name) = unmounted_hierarchy()? {
            docker.docker(&["rm", "-f", "first"])?.ok()?;
            return skip(format!(
                "containerd gives no figures while the hierarchy {name} is mounted nowhere"
            ));
        }
        let line = ["stats", "--no-stream", "--format={{.PIDs}}", "first"];
        same("pids", docker.docker(&line)?.ok()?.as_str(), "1")?;
        docker.docker(&["rm", "-f", "first"])?.ok().map(drop)
    })
}
