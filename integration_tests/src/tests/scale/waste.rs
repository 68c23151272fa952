//! What a call does not do at all: mount on the host, wait in steps, copy the binary.

use std::fs::File;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::harness::{Case, Host, Outcome, holds, in_mounts_of_ones_own, needs_strace, same};
use crate::tests::list;

list!["scale":
    no_mount_of_the_host_changes,
    nothing_waits_in_steps,
    nobody_sleeps_but_the_container,
    exec_takes_few_calls,
    binary_is_not_copied,
];

/// Whether the mount table has changed since it was asked (proc(5), "mounts").
fn changed(table: &File) -> Outcome<bool> {
    let mut wait = [PollFd::new(table.as_fd(), PollFlags::POLLPRI)];
    Ok(poll(&mut wait, PollTimeout::ZERO)? > 0)
}

fn no_mount_of_the_host_changes(case: &Case) -> Outcome {
    let id = case.id.as_str();
    in_mounts_of_ones_own(|| {
        let table = File::open("/proc/thread-self/mountinfo")?;
        let mut calls = Vec::new();
        case.bundle.script("true")?;
        calls.push(vec!["run", id]);
        calls.push(vec!["create", id]);
        calls.push(vec!["delete", id]);
        for line in &calls {
            case.rt(line)?.ok()?;
            holds(format!("{line:?} changes no mount"), !changed(&table)?)?;
        }
        case.run_asleep()?;
        holds("run --detach changes no mount", !changed(&table)?)?;
        let calls = [
            vec!["exec", id, "true"],
            vec!["exec", id, "true"],
            vec!["state", id],
            vec!["list"],
            vec!["ps", id],
            vec!["pause", id],
            vec!["resume", id],
            vec!["update", "--pids-limit", "30", id],
            vec!["events", "--stats", id],
            vec!["kill", id, "KILL"],
            vec!["delete", "--force", id],
        ];
        for line in calls {
            case.rt(&line)?.ok()?;
            holds(format!("{line:?} changes no mount"), !changed(&table)?)?;
        }
        // The question itself is a good one.
        let dir = case.bundle.beside("mounted")?;
        let none = None::<&str>;
        nix::mount::mount(
            Some("x"),
            &dir,
            Some("tmpfs"),
            nix::mount::MsFlags::empty(),
            none,
        )?;
        let seen = changed(&table);
        nix::mount::umount(&dir)?;
        same("a mount is seen", seen?, true)
    })
}

/// The commands of a container's life, one after the other.
fn life(id: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["create", id],
        vec!["start", id],
        vec!["exec", id, "/bin/true"],
        vec!["state", id],
        vec!["kill", id, "KILL"],
        vec!["delete", "--force", id],
        vec!["run", id],
    ]
}

/// The notes of each command's system calls.
fn notes(case: &Case, expressions: &[&str]) -> Outcome<Vec<(String, Vec<String>)>> {
    needs_strace()?;
    let mut all = Vec::new();
    let config = case.bundle.config()?;
    for line in life(&case.id) {
        case.edit(|c| {
            *c = config.clone();
            let program = if line.first() == Some(&"run") {
                "true"
            } else {
                "sleep"
            };
            c["process"]["args"] = serde_json::json!([format!("/bin/{program}"), "600"]);
        })?;
        let word = line.first().copied().unwrap_or_default().to_owned();
        if word == "create" {
            // strace(1) would wait for the container.
            case.rt(&line)?.ok()?;
            continue;
        }
        let (answer, lines) = case.traced(&line, expressions)?;
        answer.ok()?;
        all.push((word, lines));
    }
    Ok(all)
}

fn nothing_waits_in_steps(case: &Case) -> Outcome {
    // A wait that ends by its own time has waited in vain; one of no time at all
    // is a question.
    let waits = "trace=poll,ppoll,select,pselect6,epoll_wait,epoll_pwait,futex,rt_sigtimedwait";
    for (word, lines) in notes(case, &[waits])? {
        let vain = lines.iter().filter(|line| {
            let ended = line.contains("(Timeout)") || line.contains("ETIMEDOUT");
            ended && !line.contains("], 1, 0) =") && !line.contains("], 3, 0) =")
        });
        let vain: Vec<&String> = vain.collect();
        holds(format!("{word} waits in vain: {vain:?}"), vain.is_empty())?;
    }
    Ok(())
}

fn nobody_sleeps_but_the_container(case: &Case) -> Outcome {
    for (word, lines) in notes(case, &["trace=nanosleep,clock_nanosleep"])? {
        // The container sleeps ten minutes, or until it is killed.
        let sleeps = lines
            .iter()
            .filter(|line| line.contains("nanosleep(") && !line.contains("tv_sec=600,"));
        let sleeps: Vec<&String> = sleeps.collect();
        holds(format!("{word} sleeps: {sleeps:?}"), sleeps.is_empty())?;
    }
    Ok(())
}

fn exec_takes_few_calls(case: &Case) -> Outcome {
    case.run_asleep()?;
    let line = ["exec", case.id.as_str(), "/bin/true"];
    let count = case.system_calls(&line)?;
    // A debug build starts twice by the dynamic loader.
    holds(format!("{count} system calls"), count < 420)
}

/// The bytes that a call moved, at the end of its line.
fn moved(line: &str) -> u64 {
    let result = line.rsplit("= ").next().unwrap_or_default();
    let number = result.split_whitespace().next().unwrap_or_default();
    number.parse().unwrap_or_default()
}

fn binary_is_not_copied(case: &Case) -> Outcome {
    let size = std::fs::metadata(&Host::get().binary)?.len();
    case.bundle.script("true")?;
    let copies = "trace=read,pread64,readv,write,pwrite64,sendfile,copy_file_range,splice";
    let (answer, lines) = case.traced(&["run", &case.id], &[copies])?;
    answer.ok()?;
    let bytes: u64 = lines.iter().map(|line| moved(line)).sum();
    if bytes > size {
        return crate::harness::skip("a build without an image for the init copies itself");
    }
    holds(
        format!("{bytes} bytes are moved, the binary has {size}"),
        bytes < size / 2,
    )
}
