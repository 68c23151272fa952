//! `--console-socket` and `--pidfd-socket`.

use std::fs::File;
use std::os::fd::AsRawFd;

use serde_json::json;

use super::with_terminal;
use crate::harness::{Case, ConsoleSocket, Outcome, has, holds, read_until, same, type_line};
use crate::tests::list;

list!["terminal":
    console_socket_gets_the_pty,
    console_of_exec,
    size_of_the_console,
    owner_of_the_terminal,
    pidfd_socket,
    socket_with_a_long_path,
];

fn console_socket_gets_the_pty(case: &Case) -> Outcome {
    with_terminal(
        case,
        "tty; ls -l /proc/self/fd; stat -c '%t:%T' /dev/console; read line; echo \"<$line>\"; exec sleep 600",
    )?;
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    case.rt(&["run", "-d", "--console-socket", &socket.arg(), &case.id])?
        .ok()?;
    let (name, fd) = socket.receive()?;
    has(&name, "/dev/pt")?;
    let mut master = File::from(fd);
    let text = read_until(&mut master, "88:0")?;
    has(&text, "/dev/pts/0")?;
    for number in 0..3 {
        has(&text, &format!("{number} -> /dev/pts/0"))?;
    }
    type_line(&mut master, "typed")?;
    read_until(&mut master, "<typed>").map(drop)
}

fn console_of_exec(case: &Case) -> Outcome {
    case.run_asleep()?;
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    let line = [
        "exec",
        "-t",
        "-d",
        "--console-socket",
        &socket.arg(),
        &case.id,
        "/bin/sh",
        "-c",
        "tty; exec sleep 600",
    ];
    case.rt(&line)?.ok()?;
    let (_, fd) = socket.receive()?;
    read_until(&mut File::from(fd), "/dev/pts/0").map(drop)
}

fn size_of_the_console(case: &Case) -> Outcome {
    with_terminal(case, "stty size; exec sleep 600")?;
    case.edit(|c| c["process"]["consoleSize"] = json!({"height": 33, "width": 77}))?;
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    case.rt(&["run", "-d", "--console-socket", &socket.arg(), &case.id])?
        .ok()?;
    let (_, fd) = socket.receive()?;
    read_until(&mut File::from(fd), "33 77").map(drop)
}

fn owner_of_the_terminal(case: &Case) -> Outcome {
    with_terminal(case, "stat -c '%u:%g' $(tty); exec sleep 600")?;
    case.edit(|c| c["process"]["user"] = json!({"uid": 1000, "gid": 1000}))?;
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    case.rt(&["run", "-d", "--console-socket", &socket.arg(), &case.id])?
        .ok()?;
    let (_, fd) = socket.receive()?;
    read_until(&mut File::from(fd), "1000:5").map(drop)
}

fn pidfd_socket(case: &Case) -> Outcome {
    case.bundle.script("exec sleep 600")?;
    for verb in ["create", "run"] {
        let socket = ConsoleSocket::listen(&case.bundle.beside(verb)?)?;
        let detach = if verb == "run" {
            "--detach=true"
        } else {
            "--no-pivot=false"
        };
        case.rt(&[verb, detach, "--pidfd-socket", &socket.arg(), &case.id])?
            .ok()?;
        stands_for(&socket, &case.pid()?.to_string())?;
        if verb == "create" {
            case.destroy()?;
        }
    }
    let socket = ConsoleSocket::listen(&case.bundle.beside("exec")?)?;
    let line = [
        "exec",
        "-d",
        "--pid-file",
        "pid",
        "--pidfd-socket",
        &socket.arg(),
        &case.id,
        "sleep",
        "600",
    ];
    case.rt(&line)?.ok()?;
    stands_for(
        &socket,
        &std::fs::read_to_string(case.bundle.dir.join("pid"))?,
    )
}

/// The descriptor that came is this process's.
fn stands_for(socket: &ConsoleSocket, pid: &str) -> Outcome {
    let (_, fd) = socket.receive()?;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
    let line = info.lines().find_map(|line| line.strip_prefix("Pid:"));
    same("the pid it stands for", line.map(str::trim), Some(pid))
}

fn socket_with_a_long_path(case: &Case) -> Outcome {
    // sockaddr_un has 108 bytes.
    with_terminal(case, "tty; exec sleep 600")?;
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    let deep = case.bundle.beside(&"d".repeat(100))?.join("socket");
    std::fs::rename(&socket.path, &deep)?;
    let name = deep.to_string_lossy().into_owned();
    holds("the name is long", name.len() > 108)?;
    case.rt(&["run", "-d", "--console-socket", &name, &case.id])?
        .ok()?;
    let (_, fd) = socket.receive()?;
    read_until(&mut File::from(fd), "/dev/pts/0").map(drop)
}
