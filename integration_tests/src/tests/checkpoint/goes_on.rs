//! What a container has in its hands is there after a restore.

use std::fs;

use serde_json::json;

use super::{checkpoint, images, needs_criu, restore, run_quietly};
use crate::harness::{
    Case, ConsoleSocket, Outcome, eventually, has, holds, read_until, same, type_line,
};
use crate::tests::list;

list!["checkpoint":
    a_counter_goes_on_where_it_stopped,
    files_and_pipes_stay_open,
    leave_running,
    pre_dump_and_a_parent,
    twice_and_exec,
    terminal_with_a_console_socket,
    foreground,
];

/// Runs this script, which says `ready` in the root file system once it is so far.
fn run_until_ready(case: &Case, script: &str) -> Outcome {
    run_quietly(case, script)?;
    let ready = case.bundle.rootfs.join("ready");
    eventually("the script is ready", || Ok(ready.exists()))
}

fn number(case: &Case, name: &str) -> Outcome<u64> {
    let text = fs::read_to_string(case.bundle.rootfs.join(name))?;
    Ok(text.trim().parse().unwrap_or_default())
}

const COUNTER: &str = "i=0; while :; do i=$((i+1)); echo $i >/count.new; \
    mv /count.new /count; [ $i = 5 ] && touch /ready; usleep 20000; done";

fn a_counter_goes_on_where_it_stopped(case: &Case) -> Outcome {
    needs_criu()?;
    run_until_ready(case, COUNTER)?;
    let old = case.pid()?;
    let answer = checkpoint(case, &[])?.ok()?;
    same("output", answer.out().as_str(), "")?;
    // The container is gone, with all that it had on the host.
    case.rt(&["state", &case.id])?
        .fails(1, &["does not exist"])?;
    case.nothing_left()?;
    for file in ["dump.log", "descriptors.json", "inventory.img"] {
        holds(file, images(case).join(file).exists())?;
    }
    let before = number(case, "count")?;
    let pid_file = case.bundle.dir.join("pid");
    let name = pid_file.to_string_lossy().into_owned();
    restore(case, &["--detach", "--pid-file", &name])?.ok()?;
    case.status_is("running")?;
    holds("restore.log", images(case).join("restore.log").exists())?;
    let pid = case.pid()?;
    same("pid file", fs::read_to_string(&pid_file)?, pid.to_string())?;
    holds("another process", pid != old)?;
    eventually("the counter goes on", || {
        Ok(number(case, "count")? > before + 3)
    })?;
    holds("it did not begin anew", number(case, "count")? > before)?;
    let list = case.rt(&["list", "--quiet"])?.ok()?.out();
    has(&list, &case.id)?;
    // All commands find it as they find any other.
    case.rt(&["pause", &case.id])?.ok()?;
    case.status_is("paused")?;
    case.rt(&["resume", &case.id])?.ok()?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    case.rt(&["delete", &case.id])?.ok()?;
    case.nothing_left()
}

fn files_and_pipes_stay_open(case: &Case) -> Outcome {
    needs_criu()?;
    // A file that is read line by line, and a pipe between two processes.
    run_until_ready(
        case,
        "printf 'one\\ntwo\\n' >/lines; exec 5</lines; read -r first <&5; \
         (while [ ! -e /go ]; do usleep 20000; done; echo through) | \
         (touch /ready; read -r word; echo $word >/new; mv /new /piped) & \
         while [ ! -e /piped ]; do usleep 20000; done; \
         read -r second <&5; echo \"$first $second\" >/end; mv /end /result; while :; do sleep 1; done",
    )?;
    checkpoint(case, &[])?.ok()?;
    restore(case, &["--detach"])?.ok()?;
    fs::write(case.bundle.rootfs.join("go"), "")?;
    let result = case.bundle.rootfs.join("result");
    eventually("the script ends", || Ok(result.exists()))?;
    same(
        "piped",
        fs::read_to_string(case.bundle.rootfs.join("piped"))?.trim(),
        "through",
    )?;
    same("read", fs::read_to_string(result)?.trim(), "one two")
}

fn leave_running(case: &Case) -> Outcome {
    needs_criu()?;
    // Nothing is open for writing at the dump: a file that went on growing after it would
    // rightly be refused at the restore.
    run_until_ready(
        case,
        "touch /ready; while [ ! -e /go ]; do usleep 20000; done; touch /gone; \
         while :; do sleep 1; done",
    )?;
    let pid = case.pid()?;
    checkpoint(case, &["--leave-running"])?.ok()?;
    case.status_is("running")?;
    same("pid", case.pid()?, pid)?;
    let (go, gone) = (
        case.bundle.rootfs.join("go"),
        case.bundle.rootfs.join("gone"),
    );
    fs::write(&go, "")?;
    eventually("it goes on", || Ok(gone.exists()))?;
    case.destroy()?;
    fs::remove_file(&go)?;
    fs::remove_file(&gone)?;
    // What was dumped had not seen the file.
    restore(case, &["--detach"])?.ok()?;
    case.status_is("running")?;
    holds("it waits", !gone.exists())?;
    fs::write(&go, "")?;
    eventually("the restored one goes on", || Ok(gone.exists()))
}

fn pre_dump_and_a_parent(case: &Case) -> Outcome {
    needs_criu()?;
    run_until_ready(case, COUNTER)?;
    let parent = case
        .bundle
        .dir
        .join("parent")
        .to_string_lossy()
        .into_owned();
    let answer = case
        .call(&[
            "checkpoint",
            "--pre-dump",
            "--image-path",
            &parent,
            &case.id,
        ])
        .limit(60)
        .answer()?;
    if answer.err().contains("missing features") {
        return crate::harness::skip(answer.err());
    }
    answer.ok()?;
    case.status_is("running")?;
    checkpoint(case, &["--parent-path", "../parent"])?.ok()?;
    holds("link to the parent", images(case).join("parent").exists())?;
    let before = number(case, "count")?;
    restore(case, &["--detach"])?.ok()?;
    eventually("the counter goes on", || {
        Ok(number(case, "count")? > before + 3)
    })
}

fn twice_and_exec(case: &Case) -> Outcome {
    needs_criu()?;
    run_until_ready(case, COUNTER)?;
    for _ in 0..2 {
        checkpoint(case, &[])?.ok()?;
        restore(case, &["--detach"])?.ok()?;
        same("exec", case.exec_script(&[], "echo ok")?.as_str(), "ok")?;
        // In the container's namespaces and cgroup.
        let inits = case.exec_script(&[], "readlink /proc/1/ns/pid; readlink /proc/1/ns/mnt")?;
        let own = case.exec_script(
            &[],
            "readlink /proc/self/ns/pid; readlink /proc/self/ns/mnt",
        )?;
        same("namespaces", own, inits)?;
    }
    Ok(())
}

fn terminal_with_a_console_socket(case: &Case) -> Outcome {
    needs_criu()?;
    case.edit(|c| c["process"]["terminal"] = json!(true))?;
    case.bundle.script(
        "read -r a; echo first $a; read -r b; echo second $a $b; while :; do sleep 1; done",
    )?;
    let socket = ConsoleSocket::listen(&case.bundle.dir)?;
    case.rt(&["run", "-d", "--console-socket", &socket.arg(), &case.id])?
        .ok()?;
    let (_, master) = socket.receive()?;
    let mut master = fs::File::from(master);
    type_line(&mut master, "x")?;
    read_until(&mut master, "first x")?;
    checkpoint(case, &[])?.ok()?;
    drop(master);
    restore(case, &["--detach", "--console-socket", &socket.arg()])?.ok()?;
    let (_, master) = socket.receive()?;
    let mut master = fs::File::from(master);
    type_line(&mut master, "y")?;
    has(&read_until(&mut master, "second x y")?, "second x y")?;
    // Without a socket there is nobody to hand the terminal to.
    case.destroy()?;
    restore(case, &["--detach"])?.fails(1, &["--console-socket"])
}

fn foreground(case: &Case) -> Outcome {
    needs_criu()?;
    run_until_ready(
        case,
        "touch /ready; while [ ! -e /go ]; do usleep 20000; done; exit 7",
    )?;
    checkpoint(case, &[])?.ok()?;
    fs::write(case.bundle.rootfs.join("go"), "")?;
    restore(case, &[])?.ended(7)?;
    case.nothing_left()
}
