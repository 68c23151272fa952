//! What a container may use.

use crate::harness::{Case, Docker, Hierarchies, Outcome, eventually, has, same};
use crate::tests::list;

list!["engines::docker":
    limits,
    out_of_memory,
    update,
];

fn v1_memory() -> Outcome<bool> {
    Ok(Hierarchies::read()?.controller("memory").is_some())
}

fn limits(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let files = if v1_memory()? {
            "cat memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes pids/pids.max \
             cpu/cpu.cfs_quota_us cpuset/cpuset.cpus"
        } else {
            "cat memory.max memory.low pids.max; cut -d' ' -f1 cpu.max; cat cpuset.cpus"
        };
        let script = format!("cd /sys/fs/cgroup; {files}");
        let options = [
            "--memory=64m",
            "--memory-reservation=32m",
            "--pids-limit=50",
            "--cpus=0.5",
            "--cpuset-cpus=0",
        ];
        same(
            "limits",
            docker.run(&options, &script)?.as_str(),
            "67108864\n33554432\n50\n50000\n0",
        )?;
        let forks = "for i in $(seq 30); do sleep 5 & done 2>&1; wait";
        let out = docker.try_run(&["--pids-limit=10"], forks)?;
        has(&format!("{}{}", out.out, out.err), "can't fork")
    })
}

fn out_of_memory(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let hungry = "x=x; while :; do x=$x$x; done";
        let line = "run --network=none --name=first --memory=16m --memory-swap=16m";
        docker.script(line, hungry)?.ended(137)?;
        // The two events, of its end and of the memory, come in any order.
        eventually("OOMKilled", || {
            Ok(docker.field("first", ".State.OOMKilled")? == "true")
        })?;
        docker.ok("rm first").map(drop)
    })
}

fn update(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        docker.ok("run -d --network=none --memory=64m --name=first busybox sleep 600")?;
        let line = "update --memory=128m --memory-swap=256m --pids-limit=20 --cpus=0.25 first";
        docker.ok(line)?;
        let files = if v1_memory()? {
            "cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us"
        } else {
            "cat memory.max pids.max; cut -d' ' -f1 cpu.max"
        };
        same(
            "limits",
            docker
                .exec("first", &format!("cd /sys/fs/cgroup; {files}"))?
                .as_str(),
            "134217728\n20\n25000",
        )?;
        docker.ok("rm -f first").map(drop)
    })
}
