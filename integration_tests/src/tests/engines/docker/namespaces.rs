//! Every mode of `--network`, `--pid`, `--ipc`, `--uts` and `--cgroupns` that needs
//! no bridge.

use crate::harness::{Case, Docker, Outcome, holds, same};
use crate::tests::list;

list!["engines::docker":
    namespaces,
];

fn namespaces(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        docker.ok("run -d --network=none --ipc=shareable --name=first busybox sleep 600")?;
        let look = |kind: &str| format!("readlink /proc/self/ns/{kind}");
        for kind in ["net", "pid", "ipc", "uts"] {
            let option = if kind == "net" { "network" } else { kind };
            let engine = docker.island.sh(&look(kind))?.ok()?;
            let first = docker.exec("first", &look(kind))?;
            let own = docker.run(&[], &look(kind))?;
            holds("a namespace of its own", own != engine && own != first)?;
            let host = docker.run(&[&format!("--{option}=host")], &look(kind))?;
            same(kind, &host, &engine)?;
            if kind != "uts" {
                let joined = docker.run(&[&format!("--{option}=container:first")], &look(kind))?;
                same(kind, &joined, &first)?;
            }
        }
        let none = docker.run(&["--ipc=none"], "ls -d /dev/shm 2>/dev/null; true")?;
        same("no shm", none.as_str(), "")?;
        let own = docker.run(&["--cgroupns=private"], &look("cgroup"))?;
        let host = docker.run(&["--cgroupns=host"], &look("cgroup"))?;
        holds("cgroup namespaces differ", own != host)?;
        // One sees the other's processes, and ends with them.
        let out = docker.run(&["--pid=container:first"], "cat /proc/1/cmdline")?;
        same("its first process", out.as_str(), "sleep\u{0}600\u{0}")?;
        docker.ok("run -d --network=none --pid=container:first --name=second busybox sleep 600")?;
        docker.ok("kill first")?;
        same("second", docker.ok("wait second")?.as_str(), "137")?;
        docker.ok("rm first second").map(drop)
    })
}
