//! The life of a container and of what runs in it beside its first process.

use crate::harness::{Case, Docker, Outcome, eventually, has, holds, same};
use crate::tests::list;

list!["engines::docker":
    run_and_logs,
    exit_codes,
    exec,
    stop_start_and_remove,
    a_container_from_outside,
    health_checks,
    init,
];

fn run_and_logs(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        same("output", docker.run(&[], "echo hello")?.as_str(), "hello")?;
        let script = "echo out; echo err >&2";
        docker
            .script("run --network=none --name=first", script)?
            .ok()?;
        let logs = docker.words("logs first")?;
        same("stdout", logs.out.as_str(), "out\n")?;
        same("stderr", logs.err.as_str(), "err\n")?;
        docker.ok("rm first")?;
        // What is typed into `run -i`, and 1 MiB back.
        let line = "echo 'wc -c; head -c 1048576 /dev/zero' | \
                    docker run -i --rm --network=none busybox sh -c 'read line; eval \"$line\"' | wc -c";
        let count: u32 = docker.island.sh(line)?.ok()?.trim().parse()?;
        holds(format!("{count} bytes came"), count > 1_048_576)
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
        let missing = run(&["nosuch"])?;
        missing.ended(127)?;
        has(&missing.err, "executable file not found in $PATH")?;
        run(&["/nosuch"])?.ended(127)?;
        run(&["/etc"])?.ended(126)?;
        run(&["/etc/passwd"])?.ended(126)?;
        // The engine's own fault, and one that is the host's.
        docker.words("run --nosuch busybox true")?.ended(125)?;
        let line = "run --rm --network=nosuch busybox true";
        docker.words(line)?.ended(125)?;
        same(
            "kill",
            run(&["/bin/sh", "-c", "sh -c 'kill -9 $$'; exit $?"])?.code,
            137,
        )
    })
}

fn exec(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        docker.ok("run -d --network=none --name=first -e A=1 busybox sleep 600")?;
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
        let missing = docker.words("exec first nosuch")?;
        // Which of the two depends on the engine's version.
        holds(format!("{missing:?}"), [126, 127].contains(&missing.code))?;
        docker.ok("exec -d first sleep 601")?;
        has(&docker.ok("top first")?, "sleep 601")?;
        docker.ok("rm -f first").map(drop)
    })
}

fn status(docker: &Docker<'_>) -> Outcome<String> {
    docker.field("first", ".State.Status")
}

fn stop_start_and_remove(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let script = "trap 'echo asked; exit 3' TERM; trap 'echo one' USR1; echo up; \
                      while :; do usleep 10000; done";
        docker
            .script("create --network=none --name=first", script)?
            .ok()?;
        same("status", status(docker)?.as_str(), "created")?;
        let last = |text: &str| {
            eventually(text, || {
                Ok(docker.words("logs --tail=1 first")?.out.trim() == text)
            })
        };
        for _ in 0..2 {
            docker.ok("start first")?;
            same("status", status(docker)?.as_str(), "running")?;
            last("up")?;
            docker.ok("kill -s USR1 first")?;
            last("one")?;
            docker.ok("stop first")?;
            same("status", status(docker)?.as_str(), "exited")?;
            same(
                "code",
                docker.field("first", ".State.ExitCode")?.as_str(),
                "3",
            )?;
            last("asked")?;
        }
        docker.ok("restart first")?;
        last("up")?;
        docker.ok("restart first")?;
        last("up")?;
        docker.ok("pause first")?;
        same("status", status(docker)?.as_str(), "paused")?;
        docker.ok("unpause first")?;
        same("status", status(docker)?.as_str(), "running")?;
        docker.ok("kill first")?;
        same("wait", docker.ok("wait first")?.as_str(), "137")?;
        docker.ok("start first")?;
        // Frozen ones go as well.
        docker.ok("pause first")?;
        docker.ok("rm -f first")?;
        // The engine starts it again by itself.
        let line = "run -d --network=none --name=again --restart=on-failure:2 busybox false";
        docker.ok(line)?;
        eventually("it was started again twice", || {
            Ok(docker.field("again", ".RestartCount")? == "2")
        })?;
        docker.ok("rm -f again").map(drop)
    })
}

fn a_container_from_outside(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        docker.ok("run -d --network=none --name=first --memory=64m busybox sleep 600")?;
        has(&docker.ok("top first")?, "sleep 600")?;
        has(&docker.ok("top first -o pid,comm")?, "sleep")?;
        let format = "{{.PIDs}} {{.MemUsage}}";
        let line = ["stats", "--no-stream", "--format", format, "first"];
        // Nothing but zeros until the engine has looked twice.
        let mut figures = String::new();
        eventually("figures", || {
            figures = docker.docker(&line)?.ok()?;
            Ok(!figures.contains(" 0B"))
        })?;
        has(&figures, "1 ")?;
        has(&figures, "64MiB")?;
        let file = docker.island.dir.join("file");
        std::fs::write(&file, "copied\n")?;
        docker.ok(&format!("cp {} first:/tmp/file", file.display()))?;
        same(
            "in",
            docker.exec("first", "cat /tmp/file")?.as_str(),
            "copied",
        )?;
        docker.exec("first", "echo back >/tmp/back")?;
        docker.ok(&format!("cp first:/tmp/back {}", file.display()))?;
        same("out", std::fs::read_to_string(&file)?.as_str(), "back\n")?;
        docker.ok("rename first second")?;
        let list = docker.ok("ps --format {{.Names}}")?;
        same("names", list.as_str(), "second")?;
        let export = "docker export second | tar -tf - | grep -c '^bin/busybox$'";
        same("export", docker.island.sh(export)?.ok()?.as_str(), "1")?;
        docker.ok("rm -f second").map(drop)
    })
}

fn health_checks(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let line = [
            "run",
            "-d",
            "--network=none",
            "--name=first",
            "--health-cmd=test -e /tmp/well",
            "--health-interval=200ms",
            "--health-retries=2",
            "busybox",
            "sleep",
            "600",
        ];
        docker.docker(&line)?.ok()?;
        let becomes = |word: &str| {
            eventually(word, || {
                Ok(docker.field("first", ".State.Health.Status")? == word)
            })
        };
        becomes("unhealthy")?;
        docker.exec("first", "touch /tmp/well")?;
        becomes("healthy")?;
        docker.ok("rm -f first").map(drop)
    })
}

/// `--init`: somebody reaps, and hands signals on.
fn init(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        let out = docker.run(
            &["--init"],
            "cat /proc/1/comm; sh -c 'sleep 0.1 & exit'; ps",
        )?;
        has(&out, "init")?;
        docker.ok("run -d --init --network=none --name=first busybox sleep 600")?;
        docker.ok("kill -s TERM first")?;
        same("code", docker.ok("wait first")?.as_str(), "143")?;
        docker.ok("rm first").map(drop)
    })
}
