//! T6: descriptors and directories that lead out. CVE-2024-21626, and promised
//! descriptors that the runtime's own stand in for.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use super::ways::{WAYS, refused, start};
use crate::harness::{Answer, Case, Outcome, Seen, has, holds, lacks, same};
use crate::tests::list;

list!["attacks::t06":
    directory_by_a_descriptor,
    directory_below_a_mask,
    directory_by_another_process,
    program_by_a_descriptor,
    hundred_descriptors_of_the_caller,
    closed_standard_streams,
    promised_descriptors_that_are_not_there,
    kept_descriptors_are_the_callers,
    created_init_holds_no_host_file,
];

fn outside(text: &str) -> bool {
    // A directory of the host is unreachable, or shows a name that no image has.
    text.contains("(unreachable)") || text.contains("lodge-tests-")
}

const LOOK: &str = "readlink /proc/self/cwd; ls -d ../../../../tmp/lodge-tests-* 2>/dev/null; true";
const LEAKING: &str = "exec 7</ 8</proc; exec \"$@\"";

fn directory_by_a_descriptor(case: &Case) -> Outcome {
    for number in 3..31 {
        for end in ["", "/..", "/../.."] {
            let cwd = format!("/proc/self/fd/{number}{end}");
            case.edit(|c| c["process"]["cwd"] = json!(cwd))?;
            case.bundle.script(LOOK)?;
            let answer = case.call(&["run", &case.id]).under(LEAKING).answer()?;
            holds(format!("{cwd}: {}", answer.out()), !outside(&answer.out()))?;
        }
    }
    case.edit(|c| c["process"]["cwd"] = json!("/"))?;
    case.run_asleep()?;
    for number in 3..31 {
        for end in ["", "/.."] {
            let cwd = format!("/proc/self/fd/{number}{end}");
            exec_in(case, &cwd)?;
        }
    }
    Ok(())
}

/// What a mask covers and what is closed for writing are open still to a descriptor
/// that was taken before.
fn directory_below_a_mask(case: &Case) -> Outcome {
    let root = &case.bundle.rootfs;
    for name in ["secret", "fixed"] {
        fs::create_dir(root.join(name))?;
        fs::write(root.join(name).join("inner"), "text of the image\n")?;
    }
    case.edit(|c| {
        c["linux"]["maskedPaths"] = json!(["/secret", "/proc/acpi", "/proc/kcore"]);
        c["linux"]["readonlyPaths"] = json!(["/fixed", "/proc/sys", "/proc/irq"]);
    })?;
    // Opens for writing, and writes nothing. In /proc/sys that would be the kernel's.
    let script = "
        case $(readlink /proc/$$/cwd) in
            /secret) cat inner ;;
            /fixed) (: >> inner) 2>/dev/null && echo open ;;
            /proc/sys) (: >> kernel/domainname) 2>/dev/null && echo open ;;
        esac
        echo end";
    case.bundle.script(script)?;
    for number in 3..80 {
        let cwd = format!("/proc/self/fd/{number}");
        case.edit(|c| c["process"]["cwd"] = json!(cwd))?;
        for way in WAYS {
            let answer = start(case, way)?;
            if answer.code == 0 {
                same(&cwd, answer.out(), "end\n")?;
            }
        }
    }
    case.nothing_left()
}

fn exec_in(case: &Case, cwd: &str) -> Outcome {
    let line = ["exec", "--cwd", cwd, &case.id, "/bin/sh", "-c", LOOK];
    let answer = case.call(&line).under(LEAKING).answer()?;
    holds(
        format!("exec in {cwd}: {}", answer.out()),
        !outside(&answer.out()),
    )
}

fn directory_by_another_process(case: &Case) -> Outcome {
    let places = [
        "/proc/1/root",
        "/proc/1/cwd",
        "/proc/1/root/..",
        "/proc/self/cwd",
        "/proc/self/cwd/..",
        "/proc/self/root/..",
        "/proc/self/task/1/root",
        "/proc/thread-self/cwd/../..",
        "/proc/2/root",
    ];
    for cwd in places {
        case.edit(|c| c["process"]["cwd"] = json!(cwd))?;
        case.bundle.script(LOOK)?;
        for way in WAYS {
            let answer = start(case, way)?;
            holds(format!("{cwd}: {}", answer.out()), !outside(&answer.out()))?;
        }
    }
    case.edit(|c| c["process"]["cwd"] = json!("/"))?;
    case.run_asleep()?;
    places.iter().try_for_each(|cwd| exec_in(case, cwd))
}

fn program_by_a_descriptor(case: &Case) -> Outcome {
    // The host's cat would show the host's mounts.
    let seen = |context: &str, answer: &Answer| {
        holds(
            format!("{context}: {}", answer.out()),
            !answer.out().contains("lodge-tests-") || answer.code != 0,
        )
    };
    for number in 3..31 {
        let program = format!("/proc/self/fd/{number}/../../../../../../../bin/ls");
        case.edit(|c| c["process"]["args"] = json!([program, "/tmp"]))?;
        let answer = case.call(&["run", &case.id]).under(LEAKING).answer()?;
        seen(&program, &answer)?;
        lacks(&answer.out(), "lodge-tests-")?;
    }
    case.run_asleep()?;
    for number in 3..31 {
        let program = format!("/proc/self/fd/{number}/../../../../../../../bin/ls");
        let line = ["exec", &case.id, &program, "/tmp"];
        let answer = case.call(&line).under(LEAKING).answer()?;
        lacks(&answer.out(), "lodge-tests-")?;
    }
    case.destroy()
}

/// The descriptors that a shell inside has.
fn numbers(answer: &Answer) -> Outcome<Vec<u32>> {
    Ok(Seen::parse(&answer.out())?.fds().into_keys().collect())
}

fn hundred_descriptors_of_the_caller(case: &Case) -> Outcome {
    case.bundle.script(Seen::SCRIPT)?;
    let leaking =
        "for n in $(seq 3 102); do eval \"exec $n</\"; done; exec 50</sys/fs/cgroup; exec \"$@\"";
    let answer = case.call(&["run", &case.id]).under(leaking).answer()?;
    same("of run", numbers(&answer.ok()?)?, vec![0, 1, 2])?;
    let created = case
        .call(&["create", &case.id])
        .under(leaking)
        .answer()?
        .ok()?;
    case.rt(&["start", &case.id])?.ok()?;
    case.becomes("stopped")?;
    same("of create", numbers(&created)?, vec![0, 1, 2])?;
    case.destroy()?;
    case.run_asleep()?;
    let line = ["exec", &case.id, "/bin/sh", "-c", Seen::SCRIPT];
    let answer = case.call(&line).under(leaking).answer()?.ok()?;
    same("of exec", numbers(&answer)?, vec![0, 1, 2])
}

fn closed_standard_streams(case: &Case) -> Outcome {
    let list = case.bundle.rootfs.join("list");
    let script = "ls -l /proc/$$/fd > /list; true";
    let check = |context: &str| -> Outcome {
        let text = fs::read_to_string(&list)?;
        // A stand-in is /dev/null; the other files are this test's own.
        for target in text.lines().filter_map(|line| line.split(" -> ").nth(1)) {
            holds(
                format!("{context}: {target} is no file of the runtime"),
                target == "/dev/null" || target == "/list" || target.contains("/logs/"),
            )?;
        }
        fs::remove_file(&list)?;
        Ok(())
    };
    let all = [
        "",
        "<&-",
        ">&-",
        "2>&-",
        "<&- >&-",
        "<&- 2>&-",
        ">&- 2>&-",
        "<&- >&- 2>&-",
    ];
    for closed in all {
        let under = format!("exec \"$@\" {closed}");
        case.bundle.script(script)?;
        let call = case.call(&["run", &case.id]);
        call.under(&under).answer()?.ok()?;
        check(&format!("run {closed}"))?;
    }
    case.run_asleep()?;
    for closed in all {
        let under = format!("exec \"$@\" {closed}");
        let line = ["exec", &case.id, "/bin/sh", "-c", script];
        case.call(&line).under(&under).answer()?.ok()?;
        check(&format!("exec {closed}"))?;
    }
    Ok(())
}

fn promised_descriptors_that_are_not_there(case: &Case) -> Outcome {
    // Descriptors of the runtime must never stand in for the missing ones.
    let closing = "for f in /proc/$$/fd/*; do \
        n=${f##*/}; [ $n -lt 3 ] || eval \"exec $n>&-\"; done; exec \"$@\"";
    case.bundle.script(Seen::SCRIPT)?;
    let judge = |context: &str, answer: &Answer| -> Outcome {
        if answer.code != 0 {
            return refused(context, answer);
        }
        same(context, numbers(answer)?, vec![0, 1, 2])
    };
    for count in ["1", "3", "10", "40", "1000"] {
        let line = ["run", "--preserve-fds", count, &case.id];
        let answer = case.call(&line).under(closing).answer()?;
        judge(&format!("run --preserve-fds {count}"), &answer)?;
        let call = case.call(&["run", &case.id]).env("LISTEN_FDS", count);
        let answer = call.under(closing).answer()?;
        judge(&format!("run with LISTEN_FDS={count}"), &answer)?;
    }
    for count in ["-1", "x", "4294967295", "18446744073709551616"] {
        let line = ["run", "--preserve-fds", count, &case.id];
        let answer = case.call(&line).under(closing).answer()?;
        judge(&format!("run --preserve-fds {count}"), &answer)?;
    }
    case.run_asleep()?;
    for count in ["1", "3", "10", "40", "1000"] {
        let line = [
            "exec",
            "--preserve-fds",
            count,
            &case.id,
            "/bin/sh",
            "-c",
            Seen::SCRIPT,
        ];
        let answer = case.call(&line).under(closing).answer()?;
        judge(&format!("exec --preserve-fds {count}"), &answer)?;
        let line = ["exec", &case.id, "/bin/sh", "-c", Seen::SCRIPT];
        let call = case.call(&line).env("LISTEN_FDS", count);
        let answer = call.under(closing).answer()?;
        judge(&format!("exec with LISTEN_FDS={count}"), &answer)?;
    }
    Ok(())
}

fn kept_descriptors_are_the_callers(case: &Case) -> Outcome {
    // Not the numbers alone: each is the file that the caller had there.
    let dir = case.bundle.beside("given")?;
    for name in ["three", "four", "five"] {
        fs::write(dir.join(name), name)?;
    }
    let giving = format!(
        "exec 3<{0}/three 4<{0}/four 5<{0}/five 6</ 7</sys/fs/cgroup; exec \"$@\"",
        dir.display()
    );
    let script = "for n in 3 4 5 6 7; do echo $n $(cat <&$n 2>/dev/null); done 2>/dev/null; ls /proc/$$/fd | wc -l";
    let judge = |context: &str, answer: &Answer| -> Outcome {
        let mut seen = BTreeMap::new();
        let out = answer.out();
        for line in out.lines() {
            let (number, text) = line.split_once(' ').unwrap_or((line, ""));
            seen.insert(number.to_owned(), text.to_owned());
        }
        for (number, text) in [("3", "three"), ("4", "four"), ("5", "five")] {
            same(context, seen.get(number).map(String::as_str), Some(text))?;
        }
        has(&out, "\n6\n")
    };
    case.bundle.script(script)?;
    let line = ["run", "--preserve-fds", "3", &case.id];
    let answer = case.call(&line).under(&giving).answer()?.ok()?;
    judge("run", &answer)?;
    case.run_asleep()?;
    let line = [
        "exec",
        "--preserve-fds",
        "3",
        &case.id,
        "/bin/sh",
        "-c",
        script,
    ];
    judge("exec", &case.call(&line).under(&giving).answer()?.ok()?)
}

fn created_init_holds_no_host_file(case: &Case) -> Outcome {
    let created = case.call(&["create", &case.id]).under(LEAKING).answer()?;
    created.ok()?;
    let pid = case.pid()?;
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let target = fs::read_link(entry?.path())?.to_string_lossy().into_owned();
        let fine = [
            "anon_inode:",
            "socket:",
            "pipe:",
            "/memfd:",
            "/dev/null",
            "/dev/pts/",
            "/proc",
        ]
        .iter()
        .any(|start| target.starts_with(start))
            || target.contains("/logs/")
            || target.ends_with("/exec.fifo");
        holds(format!("{target} is no door"), fine)?;
    }
    Ok(())
}
