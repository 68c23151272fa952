//! `-it`.

use std::process::Stdio;

use crate::harness::{Case, Docker, Outcome, Pty, eventually, has, read_until, same, type_line};
use crate::tests::list;

list!["engines::docker":
    terminal,
];

/// A size that comes after the start is waited for: Docker sends it then.
const LOOK: &str = "tty; until [ \"$(stty size 2>/dev/null)\" = \"33 77\" ]; do usleep 10000; done; \
                    echo \"<$(stty size)>\"";

fn terminal(case: &Case) -> Outcome {
    Docker::with(case, |docker| {
        docker.ok("run -d --network=none --name=first busybox sleep 600")?;
        for words in [
            "run -it --rm --network=none --name=second busybox /bin/sh",
            "exec -it first /bin/sh",
        ] {
            let mut pty = Pty::open(33, 77)?;
            let slave = nix::unistd::ttyname(&pty.slave)?;
            // The terminal becomes the client's own.
            let script = format!(
                "exec <{0} >{0} 2>{0}; exec setsid -c timeout --foreground 60 docker {words}",
                slave.display()
            );
            let mut client = docker.island.command("bash");
            client.args(["-c", &script]).stdout(Stdio::null());
            let mut running = client.spawn()?;
            read_until(&mut pty.master, "# ")?;
            type_line(&mut pty.master, LOOK)?;
            let text = read_until(&mut pty.master, "<33 77>")?;
            has(&text, "/dev/pts/")?;
            type_line(&mut pty.master, "exit 9")?;
            same("code", running.wait()?.code(), Some(9))?;
        }
        // Detached with a terminal, attached to later.
        docker.ok("run -dit --network=none --name=third busybox /bin/sh")?;
        let attach = "(echo 'echo $((40 + 2))'; sleep 1) | \
                      timeout 60 script -qec 'docker attach third' /dev/null";
        let text = docker.island.sh(attach)?;
        has(&text.out, "42")?;
        eventually("the log has it, too", || {
            Ok(docker.words("logs third")?.out.contains("42"))
        })?;
        docker.ok("rm -f first third").map(drop)
    })
}
