//! What the daemon is told: another user namespace, to let containers live when it
//! ends; and many containers at once.

use std::fs;
use std::io::Write;

use nix::sys::signal::Signal;

use crate::harness::{Case, Docker, Outcome, eventually, has, same};
use crate::tests::list;

list!["engines::docker":
    user_namespaces,
    containers_outlive_the_daemon,
    fifty_at_once,
];

fn user_namespaces(case: &Case) -> Outcome {
    let options = [
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--userns-remap=remapped",
    ];
    // The daemon reads its ranges at its start, and the island's files are there then.
    Docker::with_prepared(
        case,
        &options,
        |island| {
            for (file, line) in [
                ("passwd", "remapped:x:7077:7077::/:/bin/false\n"),
                ("group", "remapped:x:7077:\n"),
                ("subuid", "remapped:770000:65536\n"),
                ("subgid", "remapped:880000:65536\n"),
            ] {
                let path = island.path(&format!("/etc/{file}"));
                let mut file = fs::File::options().append(true).create(true).open(path)?;
                file.write_all(line.as_bytes())?;
            }
            Ok(())
        },
        |docker| {
            let volume = docker.island.dir.join("volume");
            fs::create_dir(&volume)?;
            std::os::unix::fs::chown(&volume, Some(770_000), Some(880_000))?;
            let mount = format!("{}:/data", volume.display());
            let script = "id -u; cat /proc/self/uid_map /proc/self/gid_map; touch /data/mine; stat -c %u /bin";
            let out = docker.run(&["-v", &mount], script)?;
            let words: Vec<&str> = out.split_whitespace().collect();
            same(
                "ids",
                words,
                vec!["0", "0", "770000", "65536", "0", "880000", "65536", "0"],
            )?;
            let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(volume.join("mine"))?);
            same("owner outside", owner, 770_000)?;
            docker.ok("run -d --network=none --name=first --memory=64m busybox sleep 600")?;
            same("exec", docker.exec("first", "id -u")?.as_str(), "0")?;
            let out = docker.run(&["--userns=host"], "cat /proc/self/uid_map")?;
            has(&out, "4294967295")?;
            docker.ok("rm -f first").map(drop)
        },
    )
}

fn containers_outlive_the_daemon(case: &Case) -> Outcome {
    let options = [
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--live-restore",
    ];
    Docker::with_options(case, &options, |docker| {
        let script = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.1; done";
        docker
            .script("run -d --network=none --name=first", script)?
            .ok()?;
        docker.ok("run -d --network=none --name=second busybox sleep 600")?;
        let pid = docker.field("first", ".State.Pid")?;
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            docker.end(signal)?;
            // One of them ends meanwhile.
            let second = "kill -9 $(pgrep -f '[s]leep 600')";
            docker.island.sh(second)?.ok()?;
            docker.dockerd()?;
            same(
                "the same process",
                &docker.field("first", ".State.Pid")?,
                &pid,
            )?;
            same("exec", docker.exec("first", "echo in")?.as_str(), "in")?;
            let lines =
                || Ok::<usize, crate::harness::Fault>(docker.ok("logs first")?.lines().count());
            let before = lines()?;
            eventually("the log goes on", || Ok(lines()? > before))?;
            let code = docker.ok("wait second")?;
            same("the end of the other", code.as_str(), "137")?;
            docker.ok("start second")?;
        }
        docker.ok("rm -f first second").map(drop)
    })
}

fn fifty_at_once(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let script = "set -e; started=()
            for i in $(seq 50); do
                docker run -d --network=none --name=many$i busybox sleep 600 >/dev/null & started+=($!)
            done
            for pid in ${started[@]}; do wait $pid; done
            test $(docker ps -q | wc -l) = 50
            for i in $(seq 50); do docker exec many$i true & started[$((i-1))]=$!; done
            for pid in ${started[@]}; do wait $pid; done
            docker rm -f $(docker ps -q) >/dev/null
            test -z \"$(docker ps -qa)\"";
        docker.island.sh(script)?.ok().map(drop)
    })
}
