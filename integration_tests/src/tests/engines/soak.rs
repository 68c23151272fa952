//! Many containers started, used and removed, with the engine killed in the middle:
//! nothing of them stays. `LODGE_SOAK` says how many, in each of the two halves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::harness::{Case, Docker, Fault, Island, Outcome, Podman, eventually, holds, said, same};
use crate::tests::list;

list!["engines::soak":
    docker,
    podman,
];

/// Five at work. `$1` is the engine's command, `$2` a name, `$3` how many, `$4` a file
/// that gets a line for each that went its whole way.
const WORK: &str = r#"
worker() {
    local i name
    for ((i = $5; i < $3; i += 5)); do
        name=$2-$i
        $1 run -d --stop-signal=KILL --network=none --memory=64m --name=$name busybox sleep 600 &&
        test "$($1 exec $name sh -c 'echo in; id -u')" = "in
0" &&
        case $((i % 4)) in
            0) $1 pause $name && $1 unpause $name ;;
            1) $1 kill $name ;;
            2) $1 stop -t 0 $name && $1 start $name ;;
            3) $1 exec -d $name sleep 601 ;;
        esac &&
        $1 rm -f $name && echo $name >>$4
    done
}
for from in 0 1 2 3 4; do worker "$@" $from & workers+=($!); done >/dev/null
wait "${workers[@]}"
"#;

/// containerd, killed while a shim creates, forgets the shim; and so does Docker the
/// task, killed between create and start. Both are seen with any runtime. Once the
/// shim is dead, the next containerd lets the runtime delete what it had.
const FORGOTTEN: &str = "for id in $(ctr -n moby container ls -q); do
    ctr -n moby task rm -f $id; ctr -n moby container rm $id
done
for pid in $(pgrep -f ^/usr/bin/containerd-shim); do kill -9 $pid; done";

/// Containers that Podman has lost are deleted as it would.
const ORPHANS: &str = "for id in $(lodge list -q); do lodge delete --force $id; done";

fn count() -> Outcome<usize> {
    match std::env::var("LODGE_SOAK") {
        Ok(count) => Ok(count.parse()?),
        Err(_) => Ok(30),
    }
}

fn work(island: &Island, engine: &str, name: &str, count: usize) -> Command {
    let done = island.dir.join(name);
    let mut command = island.command("bash");
    command
        .args(["-c", WORK, "soak", engine, name, &count.to_string()])
        .arg(done);
    command
}

/// How many went their whole way.
fn done(island: &Island, name: &str) -> usize {
    fs::read_to_string(island.dir.join(name)).map_or(0, |text| text.lines().count())
}

fn docker(case: &Case) -> Outcome {
    let count = count()?;
    Docker::with(case, |docker| {
        let island = docker.island;
        let remains = island.remains()?;
        let running = island.processes()?.len();
        // What the daemons open once is opened.
        said(&mut work(island, "docker", "warm", 5))?.ok()?;
        let descriptors = docker.descriptors()?;
        said(&mut work(island, "docker", "whole", count))?.ok()?;
        same("containers", done(island, "whole"), count)?;
        eventually("nothing of them is left", || {
            Ok(island.remains()?.len() == remains.len())
        })?;
        // Connections come and go, a few at a time; a leak would be one for each.
        eventually("descriptors are given back", || {
            Ok(docker.descriptors()? <= descriptors + 8)
        })
        .map_err(|_| {
            Fault::failed(format!(
                "{descriptors} descriptors, then {:?}",
                docker.descriptors()
            ))
        })?;

        for (part, both) in [("killed", false), ("both", true)] {
            let mut working = work(island, "docker", part, count / 2).spawn()?;
            let outcome = wait_for(island, part, count / 6).and_then(|()| {
                if both {
                    docker.kill_all()
                } else {
                    docker.end(Signal::SIGKILL)
                }
            });
            // Clients without an engine end soon.
            working.wait()?;
            outcome?;
            docker.start_again()?;
            let names = docker.ok("ps -qa")?;
            if !names.is_empty() {
                let mut line = vec!["rm", "-f"];
                line.extend(names.lines());
                docker.docker(&line)?.ok()?;
            }
            island.sh(FORGOTTEN)?.ok()?;
            docker.kill_all()?;
            docker.start_again()?;
            eventually("nothing of them is left", || {
                Ok(island.remains()?.len() == remains.len())
            })
            .map_err(|_| left(island))?;
            same("processes", island.processes()?.len(), running)?;
        }
        // It is none the worse.
        same("output", docker.run(&[], "echo well")?.as_str(), "well")
    })
}

/// Podman has no daemon: what is killed is each of its commands and monitors that
/// runs at that moment.
fn podman(case: &Case) -> Outcome {
    let count = count()?;
    Podman::with(case, |podman| {
        let island = podman.island;
        // Its commands find the test's cgroup in the environment of the soak.
        let engine = island.path("/usr/local/bin/podman-here");
        let script = format!(
            "#!/bin/bash\nc=$1; shift\n[ $c != run ] || set -- --cgroup-parent={} \"$@\"\n\
             exec podman $c \"$@\"\n",
            island.parent
        );
        fs::write(&engine, script)?;
        fs::set_permissions(&engine, fs::Permissions::from_mode(0o755))?;
        let remains = island.remains()?;
        said(&mut work(island, "podman-here", "whole", count))?.ok()?;
        same("containers", done(island, "whole"), count)?;
        let clean = || {
            eventually("nothing of them is left", || {
                Ok(island.remains()?.len() == remains.len())
            })
            .map_err(|_| left(island))
        };
        clean()?;

        let mut working = work(island, "podman-here", "killed", count / 2).spawn()?;
        let outcome = wait_for(island, "killed", count / 6).and_then(|()| {
            let script = "kill -9 $(pgrep -x 'podman|conmon')";
            island.sh(script)?.ok().map(drop)
        });
        working.wait()?;
        outcome?;
        podman.ok("rm -af -t 0")?;
        // A container whose monitor was killed while it was made is the runtime's alone.
        island.sh(ORPHANS)?.ok()?;
        clean()?;
        same("output", podman.run(&[], "echo well")?.as_str(), "well")
    })
}

fn wait_for(island: &Island, name: &str, count: usize) -> Outcome {
    for _ in 0..6000 {
        if done(island, name) >= count {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    holds("the soak goes on", false)
}

fn left(island: &Island) -> Fault {
    match island.remains() {
        Ok(list) => Fault::failed(format!("left after the soak:\n  {}", list.join("\n  "))),
        Err(fault) => fault,
    }
}
