//! Terminals where the root, the streams or the user are not the usual ones.

use std::fs::File;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::with_terminal;
use crate::harness::{Case, ConsoleSocket, Outcome, Pty, has, read_until, same};
use crate::tests::list;

list!["terminal":
    read_only_root_without_a_dev_mount,
    console_in_the_root_that_is_seen,
    standard_input_that_is_a_file,
    terminal_of_exec_belongs_to_its_user,
];

fn first_words(case: &Case, end: &str) -> Outcome<String> {
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    case.rt(&["run", "-d", "--console-socket", &socket.arg(), &case.id])?
        .ok()?;
    let (_, fd) = socket.receive()?;
    read_until(&mut File::from(fd), end)
}

fn without_mounts(c: &mut Value, unwanted: impl Fn(&str) -> bool) {
    if let Some(mounts) = c["mounts"].as_array_mut() {
        mounts.retain(|mount| !unwanted(mount["destination"].as_str().unwrap_or_default()));
    }
}

fn read_only_root_without_a_dev_mount(case: &Case) -> Outcome {
    with_terminal(
        case,
        "tty; stat -c 'console %t:%T' /dev/console; echo x > /dev/console; touch /x 2>&1; exec sleep 600",
    )?;
    std::fs::create_dir(case.bundle.rootfs.join("dev/pts"))?;
    std::fs::write(case.bundle.rootfs.join("dev/console"), "")?;
    case.edit(|c| {
        c["root"]["readonly"] = json!(true);
        without_mounts(c, |it| {
            it == "/dev" || it == "/dev/shm" || it == "/dev/mqueue"
        });
    })?;
    let text = first_words(case, "Read-only file system")?;
    has(&text, "/dev/pts/0")?;
    has(&text, "console 88:0")?;
    let image = std::fs::metadata(case.bundle.rootfs.join("dev/console"))?;
    same("the image's file", image.len(), 0)
}

/// A mount over `/` hides the first root: the console is not to be below it.
fn console_in_the_root_that_is_seen(case: &Case) -> Outcome {
    let other = case.another()?;
    with_terminal(case, "stat -c 'console %t:%T' /dev/console; exec sleep 600")?;
    let source = other.bundle.rootfs.to_string_lossy().into_owned();
    case.edit(|c| {
        let over =
            json!({"destination": "/", "type": "bind", "source": source, "options": ["rbind"]});
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.insert(0, over);
        }
    })?;
    first_words(case, "console 88:0").map(drop)
}

/// The controlling terminal is there, but not on stdin.
fn standard_input_that_is_a_file(case: &Case) -> Outcome {
    with_terminal(
        case,
        "tty; read a; read b; echo \"<$a><$b>\"; seq 1 3000; echo done",
    )?;
    let input = case.bundle.dir.join("input");
    std::fs::write(&input, "one\ntwo\n")?;
    let mut pty = Pty::open(24, 80)?;
    let slave: PathBuf = nix::unistd::ttyname(&pty.slave)?;
    let script = format!(
        "exec setsid -w bash -c 'exec 3<{0} >{0}; exec 3<&- <{1} \"$@\"' bash \"$@\"",
        slave.display(),
        input.display()
    );
    let running = case.call(&["run", &case.id]).under(&script).spawn()?;
    let text = read_until(&mut pty.master, "done")?;
    has(&text, "/dev/pts/0")?;
    has(&text, "<one><two>")?;
    has(&text, "\n3000")?;
    running.answer()?.ok().map(drop)
}

fn terminal_of_exec_belongs_to_its_user(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["user"] = json!({"uid": 0, "gid": 0}))?;
    case.run_asleep()?;
    let script = "stat -c 'owner %u:%g' $(tty); echo x > $(tty) && echo wrote; exec sleep 600";
    for (user, owner) in [("1000", "owner 1000:5"), ("0", "owner 0:5")] {
        let dir = case.bundle.beside(user)?;
        let socket = ConsoleSocket::listen(&dir)?;
        let line = [
            "exec",
            "-t",
            "-d",
            "-u",
            user,
            "--console-socket",
            &socket.arg(),
            &case.id,
            "/bin/sh",
            "-c",
            script,
        ];
        case.rt(&line)?.ok()?;
        let (_, fd) = socket.receive()?;
        let text = read_until(&mut File::from(fd), "wrote")?;
        has(&text, owner)?;
    }
    Ok(())
}
