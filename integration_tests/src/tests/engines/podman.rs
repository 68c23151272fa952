//! Podman, with conmon as the monitor of each container: root's and an ordinary
//! user's.

use std::fs;

use crate::harness::{
    Case, Fault, Island, Outcome, Podman, eventually, has, holds, lacks, needs, same, skip,
};
use crate::tests::list;

list!["engines::podman":
    named_and_as_the_default,
    life,
    exit_codes,
    confinement,
    files,
    limits,
    networks,
    pods,
    kubernetes_objects,
    checkpoint,
    a_user,
    a_users_networks_and_pods,
];

fn named_and_as_the_default(case: &Case) -> Outcome {
    Podman::with(case, |podman| {
        let format = "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}";
        let default = podman.podman(&["info", "--format", format])?.ok()?;
        same("default", default.as_str(), "lodge /usr/local/bin/lodge")?;
        for runtime in ["lodge", "/usr/local/bin/lodge"] {
            let line = ["--runtime", runtime, "run", "--rm", "--network=none"];
            let rest = ["--cgroup-parent", &podman.island.parent, "busybox", "id"];
            let out = podman.podman(&[line.as_slice(), &rest].concat())?.ok()?;
            has(&out, "uid=0(root)")?;
        }
        Ok(())
    })
}

fn status(podman: &Podman<'_>, name: &str) -> Outcome<String> {
    podman.field(name, ".State.Status")
}

fn life(case: &Case) -> Outcome {
    Podman::with(case, |podman| {
        let script = "trap 'echo asked; exit 3' TERM; echo up; while :; do usleep 10000; done";
        let parent = podman.island.parent.as_str();
        let line = [
            "create",
            "--cgroup-parent",
            parent,
            "--network=none",
            "--name=first",
        ];
        let rest = ["busybox", "/bin/sh", "-c", script];
        podman.podman(&[line.as_slice(), &rest].concat())?.ok()?;
        podman.ok("init first")?;
        same("status", status(podman, "first")?.as_str(), "initialized")?;
        let says = |text: &str| {
            eventually(
                text,
                || Ok(podman.ok("logs --tail=1 first")?.trim() == text),
            )
        };
        for _ in 0..2 {
            podman.ok("start first")?;
            says("up")?;
            podman.ok("stop first")?;
            same(
                "code",
                podman.field("first", ".State.ExitCode")?.as_str(),
                "3",
            )?;
            says("asked")?;
        }
        podman.ok("start first")?;
        podman.ok("pause first")?;
        same("status", status(podman, "first")?.as_str(), "paused")?;
        podman.ok("unpause first")?;
        podman.ok("restart -t 0 first")?;
        same("status", status(podman, "first")?.as_str(), "running")?;
        let exec = [
            "exec",
            "-e",
            "A=1",
            "-u",
            "1000:1001",
            "-w",
            "/etc",
            "first",
        ];
        let script = ["sh", "-c", "echo $A $(id -u) $(id -g) $(pwd); exit 7"];
        let said = podman.podman(&[exec.as_slice(), &script].concat())?;
        same("exec", said.ended(7)?.as_str(), "1 1000 1001 /etc")?;
        podman.words("exec first nosuch")?.ended(127)?;
        podman.ok("exec -d first sleep 601")?;
        has(&podman.ok("top first")?, "sleep 601")?;
        let tty = "script -qec 'podman exec -it first tty' /dev/null";
        has(&podman.island.sh(tty)?.ok()?, "/dev/pts/")?;
        let figures = ["stats", "--no-stream", "--format", "{{.PIDs}}", "first"];
        let pids: u32 = podman.podman(&figures)?.ok()?.parse()?;
        holds(format!("{pids} processes"), pids >= 2)?;
        podman.ok("cp first:/etc/passwd /run/copied")?;
        podman.ok("kill -s KILL first")?;
        same("wait", podman.ok("wait first")?.as_str(), "137")?;
        podman.ok("rm first")?;

        let well = "--health-cmd=test -e /tmp/well";
        let line = ["-d", "--name=second", well, "--health-interval=disable"];
        podman
            .start(&[line.as_slice(), &["busybox", "sleep", "600"]].concat())?
            .ok()?;
        podman.words("healthcheck run second")?.ended(1)?;
        podman.exec("second", "touch /tmp/well")?;
        podman.ok("healthcheck run second")?;
        podman.ok("rm -f -t 0 second").map(drop)
    })
}

fn exit_codes(case: &Case) -> Outcome {
    Podman::with(case, |podman| {
        let run = |words: &[&str]| podman.start(&[["--rm", "busybox"].as_slice(), words].concat());
        run(&["/bin/sh", "-c", "exit 42"])?.ended(42)?;
        let missing = run(&["nosuch"])?;
        missing.ended(127)?;
        // Without the log's format, which is JSON: hack/install says so to Podman.
        has(
            &missing.err,
            "lodge: exec: \"nosuch\": executable file not found in $PATH",
        )?;
        lacks(&missing.err, "level=error")?;
        run(&["/nosuch"])?.ended(127)?;
        run(&["/etc"])?.ended(126)?;
        run(&["/etc/passwd"])?.ended(126)?;
        podman.words("run --nosuch busybox true")?.ended(125)?;
        run(&["/bin/sh", "-c", "sh -c 'kill -9 $$'; exit $?"])?
            .ended(137)
            .map(drop)
    })
}

fn confinement(case: &Case) -> Outcome {
    Podman::with(case, |podman| {
        let status = "grep -E '^(Cap|NoNewPrivs:|Seccomp:)' /proc/self/status";
        let plain = podman.run(&[], status)?;
        has(&plain, "Seccomp:\t2")?;
        lacks(&plain, "CapEff:\t0000000000000000")?;
        let few = [
            "--cap-drop=all",
            "--cap-add=chown",
            "--security-opt=no-new-privileges",
        ];
        let out = podman.run(&few, status)?;
        has(&out, "CapEff:\t0000000000000001")?;
        has(&out, "NoNewPrivs:\t1")?;
        let out = podman.run(&["--security-opt=seccomp=unconfined"], status)?;
        has(&out, "Seccomp:\t0")?;
        let out = podman.run(
            &["--user=bob", "--hostname=inside", "--group-add=7"],
            "hostname; id -un; id -G",
        )?;
        same("names", out.as_str(), "inside\nbob\n1000 7")?;
        let maps = ["--uidmap=0:770000:65536", "--gidmap=0:880000:65536"];
        let out = podman.run(&maps, "cat /proc/self/uid_map; stat -c %u /bin")?;
        let words: Vec<&str> = out.split_whitespace().collect();
        same("maps", words, vec!["0", "770000", "65536", "0"])?;
        let out = podman.run(
            &[
                "--ulimit=nofile=77:88",
                "--ulimit=nproc=4096",
                "--sysctl=net.ipv4.ip_forward=1",
            ],
            "ulimit -n; cat /proc/sys/net/ipv4/ip_forward",
        )?;
        same("limit and sysctl", out.as_str(), "77\n1")?;
        let init = podman.run(&["--init"], "cat /proc/1/comm")?;
        same("init", init.as_str(), "podman-init")?;
        podman
            .run(&["--systemd=always"], "test -d /run/lock && mount")
            .and_then(|mounts| has(&mounts, " on /run type tmpfs"))
    })
}

fn files(case: &Case) -> Outcome {
    let volume = case.bundle.beside("volume")?;
    fs::write(volume.join("mark"), "mark\n")?;
    let volume = volume.to_string_lossy().into_owned();
    Podman::with(case, |podman| {
        let script = "cat /data/mark; echo more >/data/more 2>&1; true";
        has(
            &podman.run(&["-v", &format!("{volume}:/data:ro")], script)?,
            "mark",
        )?;
        holds("read-only", !fs::exists(format!("{volume}/more"))?)?;
        // Written over it, and gone with the container.
        let out = podman.run(
            &["-v", &format!("{volume}:/data:O")],
            &format!("{script}; cat /data/more"),
        )?;
        has(&out, "more")?;
        holds("as it was", !fs::exists(format!("{volume}/more"))?)?;
        podman.ok("volume create kept")?;
        podman.run(
            &["-v", "kept:/home"],
            "ls -d /home/bob && echo 1 >/home/one",
        )?;
        same(
            "kept",
            podman.run(&["-v", "kept:/home"], "cat /home/one")?.as_str(),
            "1",
        )?;
        podman.ok("volume rm kept")?;
        let out = podman.try_run(
            &["--read-only", "--tmpfs=/scratch"],
            "touch /scratch/x && touch /x",
        )?;
        has(&out.err, "Read-only file system")?;
        lacks(&out.err, "scratch")?;
        let image = podman.run(
            &["--mount=type=image,source=busybox,target=/image"],
            "ls /image/bin/busybox; head -c 2 /dev/mine | wc -c",
        );
        has(&image?, "/image/bin/busybox")?;
        let device = podman.run(
            &["--device=/dev/zero:/dev/mine"],
            "head -c 2 /dev/mine | wc -c",
        )?;
        same("device", device.trim(), "2")?;
        // A root file system without an image.
        let rootfs = case.bundle.rootfs.to_string_lossy().into_owned();
        let line = ["--rm", "--rootfs", &rootfs, "/bin/cat", "/etc/group"];
        has(&podman.start(&line)?.ok()?, "bob:x:1000")
    })
}

fn limits(case: &Case) -> Outcome {
    Podman::with(case, |podman| {
        let hierarchies = crate::harness::Hierarchies::read()?;
        let files = if hierarchies.controller("memory").is_some() {
            "cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us"
        } else {
            "cat memory.max pids.max; cut -d' ' -f1 cpu.max"
        };
        let script = format!("cd /sys/fs/cgroup; {files}");
        let options = ["--memory=64m", "--pids-limit=50", "--cpus=0.5"];
        let out = podman.run(&options, &script)?;
        same("limits", out.as_str(), "67108864\n50\n50000")?;
        let hungry = "x=x; while :; do x=$x$x; done";
        podman
            .try_run(&["--memory=16m", "--memory-swap=16m"], hungry)?
            .ended(137)?;
        podman.detached("--name=first --memory=64m --pids-limit=50 busybox sleep 600")?;
        podman.ok("update --memory=128m --memory-swap=256m --cpus=0.25 first")?;
        let out = podman.exec("first", &script)?;
        same("updated", out.as_str(), "134217728\n50\n25000")?;
        podman.ok("rm -f -t 0 first")?;
        // Without a cgroup: in the one of who calls.
        let own = podman.island.sh("grep ^0:: /proc/self/cgroup")?.ok()?;
        let line = [
            "run",
            "--rm",
            "--network=none",
            "--cgroups=disabled",
            "busybox",
        ];
        let out = podman.podman(&[line.as_slice(), &["cat", "/proc/self/cgroup"]].concat())?;
        has(&out.ok()?, &own)?;
        podman.run(&["--cgroups=no-conmon"], "true").map(drop)
    })
}

fn ask(island: &Island, address: &str) -> Outcome<String> {
    let line = format!(
        "exec 3<>/dev/tcp/{address}; printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3"
    );
    Ok(island.sh(&line)?.out.trim().to_owned())
}

const SERVE: &str = "busybox busybox httpd -f -p 80 -h /etc";

fn networks(case: &Case) -> Outcome {
    needs(&["iptables"])?;
    Podman::with(case, |podman| {
        let net = "--network=podman --hostname=served --name=first";
        podman.detached(&format!("{net} -p 8080:80 {SERVE}"))?;
        eventually("the published port answers", || {
            Ok(ask(podman.island, "127.0.0.1/8080")? == "served")
        })?;
        let address = podman.field("first", ".NetworkSettings.IPAddress")?;
        let look = format!("busybox wget -qO- http://{address}/hostname; ls /sys/class/net");
        has(&podman.run(&["--network=podman"], &look)?, "served")?;
        let joined = podman.run(&["--network=container:first"], "ls /sys/class/net")?;
        has(&joined, "eth0")?;
        let host = podman.run(&["--network=host"], "ls /sys/class/net")?;
        has(&host, "podman0")?;
        podman.ok("rm -f -t 0 first").map(drop)
    })
}

fn pods(case: &Case) -> Outcome {
    Podman::with(case, |podman| {
        let parent = &podman.island.parent;
        let line = format!("pod create --cgroup-parent={parent} --network=none --name=pod");
        podman.ok(&line)?;
        podman.detached("--pod=pod --name=first busybox sleep 600")?;
        let line = "--pod=pod --name=second busybox sleep 601";
        podman.detached(line)?;
        for kind in ["net", "ipc", "uts"] {
            let look = format!("readlink /proc/self/ns/{kind}");
            same(
                "shared",
                podman.exec("first", &look)?,
                podman.exec("second", &look)?,
            )?;
        }
        let look = "readlink /proc/self/ns/pid";
        holds(
            "pid namespaces of their own",
            podman.exec("first", look)? != podman.exec("second", look)?,
        )?;
        has(&podman.ok("pod top pod")?, "sleep 601")?;
        podman.ok("pod pause pod")?;
        same("status", status(podman, "second")?.as_str(), "paused")?;
        podman.ok("pod unpause pod")?;
        podman.ok("pod stop -t 0 pod")?;
        same("status", status(podman, "first")?.as_str(), "exited")?;
        podman.ok("pod start pod")?;
        same("status", status(podman, "first")?.as_str(), "running")?;
        podman.ok("pod rm -f -t 0 pod").map(drop)
    })
}

const POD: &str = r"
apiVersion: v1
kind: Pod
metadata:
  name: kubed
spec:
  restartPolicy: Never
  initContainers:
  - name: before
    image: localhost/busybox:latest
    command: [sh, -c, 'echo first >/shared/order']
    volumeMounts: [{name: shared, mountPath: /shared}]
  containers:
  - name: one
    image: localhost/busybox:latest
    command: [sh, -c, 'echo $GREETING; exec sleep 600']
    env: [{name: GREETING, value: hello}]
    resources: {limits: {memory: 64Mi, cpu: 500m}}
    securityContext: {readOnlyRootFilesystem: true, runAsUser: 1000}
    volumeMounts: [{name: shared, mountPath: /shared}]
  - name: two
    image: localhost/busybox:latest
    command: [sleep, '601']
    volumeMounts: [{name: shared, mountPath: /shared}]
  volumes: [{name: shared, emptyDir: {}}]
";

fn kubernetes_objects(case: &Case) -> Outcome {
    Podman::with(case, |podman| {
        fs::write(podman.island.path("/run/pod.yaml"), POD)?;
        podman.ok("kube play --network=none /run/pod.yaml")?;
        same("log", podman.ok("logs kubed-one")?.as_str(), "hello")?;
        same("user", podman.exec("kubed-one", "id -u")?.as_str(), "1000")?;
        let refused = podman.words("exec kubed-one touch /x")?;
        has(&refused.err, "Read-only file system")?;
        podman.exec("kubed-two", "echo second >>/shared/order")?;
        let order = podman.exec("kubed-one", "cat /shared/order")?;
        same("volume", order.as_str(), "first\nsecond")?;
        has(&podman.ok("generate kube kubed")?, "kind: Pod")?;
        podman.ok("kube down /run/pod.yaml")?;
        // Its parent is Podman's own here.
        let parents = "for dir in /sys/fs/cgroup/libpod_parent /sys/fs/cgroup/*/libpod_parent; do
            [ ! -d $dir ] || find $dir -depth -type d -exec rmdir {} +
        done";
        podman.island.sh(parents)?.ok().map(drop)
    })
}

/// CRIU of a distribution works with the kernels of its time.
fn checkpoint(case: &Case) -> Outcome {
    needs(&["criu"])?;
    Podman::with(case, |podman| {
        if podman.island.sh("criu check")?.code != 0 {
            return skip("needs a criu that works with this kernel");
        }
        let script = "n=0; while :; do n=$((n + 1)); echo $n; usleep 100000; done";
        let line = ["-d", "--name=first", "busybox", "sh", "-c", script];
        podman.start(&line)?.ok()?;
        let last = || -> Outcome<u32> {
            let line = podman.ok("logs --tail=1 first")?;
            Ok(line.trim().parse().unwrap_or(0))
        };
        eventually("it counts", || Ok(last()? > 2))?;
        podman.ok("container checkpoint first")?;
        same("status", status(podman, "first")?.as_str(), "exited")?;
        let before = last()?;
        podman.ok("container restore first")?;
        eventually("it counts on", || Ok(last()? > before))?;
        podman.exec("first", "true")?;
        podman.ok("rm -f -t 0 first").map(drop)
    })
}

fn a_user(case: &Case) -> Outcome {
    Podman::as_user(case, |podman| {
        let out = podman.run(&[], "id -u; cat /proc/self/uid_map")?;
        let words: Vec<&str> = out.split_whitespace().collect();
        same(
            "ids",
            words,
            vec!["0", "0", "7077", "1", "1", "770000", "65536"],
        )?;
        let out = podman.run(&["--userns=keep-id"], "id -u")?;
        same("kept", out.as_str(), "7077")?;
        let out = podman.run(&["--user=1000:1001"], "id -u; id -g")?;
        same("user", out.as_str(), "1000\n1001")?;
        podman.start(&["--rm", "busybox", "nosuch"])?.ended(127)?;
        podman.start(&["--rm", "busybox", "/etc"])?.ended(126)?;
        podman.try_run(&[], "exit 42")?.ended(42)?;
        let out = podman.try_run(
            &["--read-only", "--tmpfs=/scratch"],
            "touch /scratch/x && touch /x",
        )?;
        has(&out.err, "Read-only file system")?;
        podman.run(&["-v", "kept:/home"], "echo 1 >/home/one")?;
        same(
            "kept",
            podman.run(&["-v", "kept:/home"], "cat /home/one")?.as_str(),
            "1",
        )?;
        let few = ["--cap-drop=all", "--security-opt=no-new-privileges"];
        let out = podman.run(&few, "grep -E '^(CapEff|Seccomp):' /proc/self/status")?;
        has(&out, "CapEff:\t0000000000000000")?;
        has(&out, "Seccomp:\t2")?;

        podman.detached("--name=first busybox sleep 600")?;
        same("exec", podman.exec("first", "id -u")?.as_str(), "0")?;
        has(&podman.ok("top first")?, "sleep 600")?;
        podman.ok("stop -t 0 first")?;
        podman.ok("start first")?;
        podman.ok("kill first")?;
        same("wait", podman.ok("wait first")?.as_str(), "137")?;
        podman.ok("rm first").map(drop)
    })
}

fn a_users_networks_and_pods(case: &Case) -> Outcome {
    needs(&["slirp4netns"])?;
    Podman::as_user(case, |podman| {
        podman.run(&["--network=host"], "ls /sys/class/net")?;
        let net = "--network=slirp4netns --hostname=served --name=first";
        podman.detached(&format!("{net} -p 8081:80 {SERVE}"))?;
        eventually("the published port answers", || {
            Ok(ask(podman.island, "127.0.0.1/8081")? == "served")
        })?;
        podman.ok("rm -f -t 0 first")?;
        podman.ok("pod create --network=none --name=pod")?;
        podman.detached("--pod=pod --name=first busybox sleep 600")?;
        same(
            "hostname",
            podman.run(&["--pod=pod"], "hostname")?,
            podman.exec("first", "hostname")?,
        )?;
        podman.ok("pod rm -f -t 0 pod")?;
        Ok::<(), Fault>(())
    })
}
