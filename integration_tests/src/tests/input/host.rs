//! Faults of the command line's values and of the host.

use std::fs;
use std::os::unix::fs::symlink;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::harness::config::without_namespace;
use crate::harness::{Case, Outcome, holds, same};
use crate::tests::list;

list!["input":
    malformed_ids,
    long_ids,
    unwritable_pid_file,
    console_socket_without_terminal,
    terminal_detached_without_console_socket,
    console_socket_that_is_not_there,
    read_only_state_root,
    full_state_root,
    broken_state_can_be_deleted,
    corrupt_state_is_told,
    state_root_that_is_a_file,
    state_directory_with_links,
];

fn malformed_ids(case: &Case) -> Outcome {
    for id in [
        "..", ".", "a/b", "/a", "a b", "../x", "ä", "a\nb", "a:b", "a@b", "*",
    ] {
        for verb in ["create", "run", "state", "delete"] {
            case.rt(&[verb, id])?
                .fails(1, &["invalid container ID format"])?;
        }
        case.rt(&["exec", id, "true"])?
            .fails(255, &["invalid container ID format"])?;
    }
    case.rt(&["delete", "--force", ".."])?
        .fails(1, &["invalid container ID format"])?;
    case.rt(&["run", ""])?.ended(1)?;
    holds("the state root is still there", case.state_root.is_dir())?;
    case.nothing_left()
}

fn long_ids(case: &Case) -> Outcome {
    // 255 bytes are a file name; what is longer must end in an error, not in a
    // half-made container.
    let long = format!("{}{}", case.tag, "x".repeat(200));
    case.bundle.script("echo ran")?;
    same("output", case.rt(&["run", &long])?.ok()?.out(), "ran\n")?;
    let longer = "x".repeat(1025);
    case.rt(&["run", &longer])?.ended(1)?;
    case.nothing_left()
}

fn unwritable_pid_file(case: &Case) -> Outcome {
    case.bundle.script("exec sleep 600")?;
    for verb in ["create", "run"] {
        case.rt(&[verb, "--pid-file", "/nosuch/dir/pid", &case.id])?
            .fails(1, &["/nosuch/dir", "no such file or directory"])?;
        case.nothing_left()?;
    }
    Ok(())
}

fn console_socket_without_terminal(case: &Case) -> Outcome {
    case.rt(&["create", "--console-socket", "/nosuch", &case.id])?
        .fails(1, &["console"])?;
    case.nothing_left()
}

fn terminal_detached_without_console_socket(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["terminal"] = serde_json::json!(true))?;
    case.rt(&["create", &case.id])?.fails(1, &["console"])?;
    case.rt(&["run", "-d", &case.id])?.fails(1, &["console"])?;
    case.nothing_left()
}

fn console_socket_that_is_not_there(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["terminal"] = serde_json::json!(true))?;
    case.rt(&["create", "--console-socket", "/nosuch/socket", &case.id])?
        .fails(1, &["/nosuch/socket"])?;
    case.nothing_left()
}

fn on_a_tmpfs(
    case: &Case,
    flags: MsFlags,
    options: &str,
    check: impl Fn(&str) -> Outcome,
) -> Outcome {
    let dir = case.bundle.beside("small")?;
    mount(Some("tmpfs"), &dir, Some("tmpfs"), flags, Some(options))?;
    let outcome = check(&dir.to_string_lossy());
    umount2(&dir, MntFlags::MNT_DETACH)?;
    outcome
}

fn read_only_state_root(case: &Case) -> Outcome {
    on_a_tmpfs(case, MsFlags::MS_RDONLY, "", |root| {
        for verb in ["create", "run"] {
            case.rt(&["--root", root, verb, &case.id])?
                .fails(1, &["read-only file system"])?;
        }
        Ok(())
    })?;
    case.nothing_left()
}

fn full_state_root(case: &Case) -> Outcome {
    on_a_tmpfs(case, MsFlags::empty(), "size=4k,nr_inodes=64", |root| {
        fs::write(std::path::Path::new(root).join("fill"), vec![0u8; 4096])?;
        case.bundle.script("exec sleep 600")?;
        let answer = case.rt(&["--root", root, "run", "-d", &case.id])?;
        answer.fails(1, &["no space left on device"])?;
        case.rt(&["--root", root, "delete", "--force", &case.id])?
            .ok()?;
        let names = fs::read_dir(root)?
            .flatten()
            .map(|e| e.file_name())
            .collect::<Vec<_>>();
        same("names in the state root", names, vec!["fill"])?;
        same(
            "processes",
            crate::harness::clean::processes(&case.cgroup),
            Vec::<i32>::new(),
        )
    })
}

fn broken_state_can_be_deleted(case: &Case) -> Outcome {
    for own_pid_namespace in [true, false] {
        if !own_pid_namespace {
            case.edit(|c| without_namespace(c, "pid"))?;
        }
        for text in ["", "{", "garbage", "{\"version\": 999}"] {
            case.run_detached("sleep 600 & exec sleep 600")?;
            let dir = case.state_root.join(&case.id);
            for entry in fs::read_dir(&dir)?.flatten() {
                if entry.path().extension().is_some_and(|e| e == "json") {
                    fs::write(entry.path(), text)?;
                }
            }
            let answer = case.rt(&["delete", &case.id])?;
            holds("plain delete refuses", answer.code == 1)?;
            case.destroy()?;
            case.nothing_left()?;
        }
        // The record is gone.
        case.run_detached("sleep 600 & exec sleep 600")?;
        fs::remove_file(case.state_root.join(&case.id).join("state.json"))?;
        case.destroy()?;
        case.nothing_left()?;
    }
    // Nothing but the directory.
    fs::create_dir(case.state_root.join(&case.id))?;
    case.destroy()?;
    case.nothing_left()
}

fn corrupt_state_is_told(case: &Case) -> Outcome {
    let dir = case.state_root.join(&case.id);
    fs::create_dir(&dir)?;
    fs::write(dir.join("state.json"), "garbage")?;
    for verb in ["state", "start", "kill", "pause"] {
        case.rt(&[verb, &case.id])?.fails(1, &[])?;
    }
    case.rt(&["list"])?.ok()?;
    case.destroy()
}

fn state_root_that_is_a_file(case: &Case) -> Outcome {
    let file = case.bundle.dir.join("file");
    fs::write(&file, "")?;
    let name = file.to_string_lossy().into_owned();
    case.rt(&["--root", &name, "run", &case.id])?
        .fails(1, &[&name])?;
    case.nothing_left()
}

fn state_directory_with_links(case: &Case) -> Outcome {
    // What a link in a state directory names is not the container's.
    let outside = case.bundle.beside("outside")?;
    fs::write(outside.join("file"), "kept\n")?;
    case.run_asleep()?;
    let link = case.state_root.join(&case.id).join("link");
    symlink(&outside, &link)?;
    // The link goes with the rest, or is told of.
    let answer = case.rt(&["delete", "--force", &case.id])?;
    if answer.code != 0 {
        answer.fails(1, &[&case.id])?;
        fs::remove_file(&link)?;
        case.destroy()?;
    }
    same(
        "outside",
        fs::read_to_string(outside.join("file"))?,
        "kept\n",
    )?;
    // A link in place of a state directory.
    symlink(&outside, case.state_root.join("linked"))?;
    let answer = case.rt(&["delete", "--force", "linked"])?;
    same(
        "outside",
        fs::read_to_string(outside.join("file"))?,
        "kept\n",
    )?;
    let _ = fs::remove_file(case.state_root.join("linked"));
    holds("no panic", answer.code < 2)
}
