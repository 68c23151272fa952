//! T16: the system calls of a container's life, as they are meant to be. Each rule of
//! SECURITY.md that shows in a call is checked, and the list of the calls that decide
//! on rights, mounts and files is compared with the one in `t16_calls`: whoever changes
//! it looks at the difference. `LODGE_BLESS=1` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::ways::is_lodge;
use crate::harness::{Case, Hierarchies, Outcome, holds, needs_strace, same, skip};
use crate::tests::list;

list!["attacks::t16":
    calls_of_run,
    calls_of_exec,
    calls_of_delete,
];

/// The calls that decide on rights, mounts and files.
const WATCHED: &str = "open,openat,openat2,mount,umount2,fsopen,fsconfig,fsmount,open_tree,\
    move_mount,mount_setattr,pivot_root,chroot,clone,clone3,fork,vfork,unshare,setns,prctl,\
    capset,setgroups,setuid,setgid,setresuid,setresgid,seccomp,bpf,execve,execveat,memfd_create,\
    close_range,mknod,mknodat,mkdir,mkdirat,symlink,symlinkat,link,linkat,unlink,unlinkat,rename,\
    renameat,renameat2,chown,fchownat,chmod,fchmodat,setxattr,lsetxattr,ptrace,keyctl";

/// The calls of a command, without those of the user's program.
fn calls(case: &Case, args: &[&str]) -> Outcome<Vec<String>> {
    needs_strace()?;
    if !is_lodge(case)? {
        return skip("the calls are lodge's own");
    }
    let notes = case.bundle.dir.join("calls");
    let script = format!(
        "exec timeout -k 1 -s KILL 20 strace -f -y -qq -s 300 -o '{}' -e trace={WATCHED} \"$@\"",
        notes.display()
    );
    case.call(args).under(&script).limit(30).answer()?.ok()?;
    let text = fs::read_to_string(&notes)?;
    let mut users = BTreeSet::new();
    let mut begun = BTreeMap::new();
    let mut ours = Vec::new();
    for line in text.lines() {
        let (pid, call) = line.split_once(' ').unwrap_or_default();
        let mut call = call.trim_start().to_owned();
        if let Some(start) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(pid, start.to_owned());
            continue;
        }
        if let Some((_, rest)) = call.split_once(" resumed>") {
            call = begun.remove(pid).unwrap_or_default() + rest;
        }
        if users.contains(pid) || !call.contains('(') {
            continue;
        }
        if call.starts_with("execve(\"/bin/") && call.ends_with("= 0") {
            users.insert(pid);
        }
        ours.push(call);
    }
    // The first one is strace's own.
    holds("calls were seen", ours.len() > 10)?;
    Ok(ours.split_off(1))
}

/// The rules that hold for every call.
fn keeps_the_rules(case: &Case, calls: &[String]) -> Outcome {
    let rootfs = case.bundle.rootfs.to_string_lossy().into_owned();
    let below = format!("{rootfs}/");
    for call in calls {
        let name = call.split('(').next().unwrap_or_default();
        let named = strings(call);
        let arguments = call
            .rsplit_once(" = ")
            .map_or(call.as_str(), |(call, _)| call);
        let directory = arguments.contains(&format!("<{rootfs}>"));
        match name {
            "open" | "openat" | "openat2" => {
                holds(format!("close-on-exec: {call}"), call.contains("O_CLOEXEC"))?;
                let inside = named.iter().any(|name| name.starts_with(&below)) || directory;
                holds(
                    format!("a path of the container by openat2 alone: {call}"),
                    !inside || call.contains("RESOLVE_"),
                )?;
            }
            "mount" | "umount2" => {
                let inside = named.iter().any(|name| name.starts_with(&below));
                holds(format!("no mount by a path: {call}"), !inside)?;
            }
            "mknodat" | "mkdirat" | "symlinkat" | "unlinkat" | "linkat" | "fchownat"
            | "fchmodat" => {
                let last = if name == "symlinkat" {
                    named.last()
                } else {
                    named.first()
                };
                let plain = last.is_none_or(|name| !name.contains('/'));
                holds(
                    format!("one name in one directory: {call}"),
                    plain || !directory,
                )?;
            }
            "mknod" | "mkdir" | "symlink" | "link" | "unlink" | "chown" | "chmod" | "setxattr"
            | "lsetxattr" => {
                let inside = named.iter().any(|name| name.starts_with(&below));
                holds(format!("nothing made by a path: {call}"), !inside)?;
            }
            _ => {}
        }
        // The whole structure of those that may grow: a kernel has written past the end
        // of a short one.
        for (which, size) in [("clone3", 88), ("openat2", 24), ("mount_setattr", 32)] {
            if name == which {
                let whole = arguments.contains(&format!("}}, {size}"))
                    || arguments.contains(&format!(", {size})"));
                holds(format!("the whole structure: {call}"), whole)?;
            }
        }
        holds(
            format!("no size of half: {call}"),
            !call.starts_with("bpf(") || {
                let size = call
                    .rsplit(", ")
                    .next()
                    .and_then(|end| end.split(')').next());
                size.and_then(|size| size.parse::<u32>().ok()) >= Some(64)
            },
        )?;
    }
    Ok(())
}

/// The strings among the arguments.
fn strings(call: &str) -> Vec<String> {
    let parts = call.split('"').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// A call with its flags, without what differs each time.
fn normal(call: &str) -> Option<String> {
    let (name, rest) = call.split_once('(')?;
    // The loader's and the allocator's; what a name is of says nothing.
    let plain: String = rest.split('"').step_by(2).collect::<Vec<_>>().join("_");
    let plain = plain.split(" = ").next().unwrap_or_default();
    let plain: String = plain
        .split('<')
        .map(|part| part.rsplit('>').next().unwrap_or(part))
        .collect();
    let words = plain.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut flags: Vec<&str> = words
        .filter(|word| word.len() > 2 && word.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter(|word| {
            word.chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
        .collect();
    if matches!(name, "prctl" | "capset" | "seccomp" | "fsconfig") {
        // Which capabilities: that is the configuration's.
        flags.truncate(1);
    }
    // The second one is of musl alone.
    flags.retain(|flag| !matches!(*flag, "AT_FDCWD" | "O_LARGEFILE"));
    Some(format!("{name} {}", flags.join(" ")).trim_end().to_owned())
}

/// The list must be the one that was looked at.
fn known(case: &Case, command: &str, calls: &[String], wanted: &str) -> Outcome {
    keeps_the_rules(case, calls)?;
    if Hierarchies::read()?.unified() {
        // On another kind of host other files are written.
        return skip("the rules are kept; the list is of hosts with cgroup v1");
    }
    let seen: BTreeSet<String> = calls.iter().filter_map(|call| normal(call)).collect();
    if std::env::var_os("LODGE_BLESS").is_some() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/attacks/t16_calls");
        fs::create_dir_all(&dir)?;
        let lines: Vec<String> = seen.into_iter().collect();
        let text = lines.join("\n") + "\n";
        fs::write(dir.join(format!("{command}.txt")), text)?;
        return Ok(());
    }
    let wanted: BTreeSet<String> = wanted.lines().map(str::to_owned).collect();
    let new: Vec<&String> = seen.difference(&wanted).collect();
    let gone: Vec<&String> = wanted.difference(&seen).collect();
    same("calls that are new", new, Vec::<&String>::new())?;
    same("calls that are gone", gone, Vec::<&String>::new())
}

fn calls_of_run(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["args"] = serde_json::json!(["/bin/true"]))?;
    let calls = calls(case, &["run", &case.id])?;
    known(case, "run", &calls, include_str!("t16_calls/run.txt"))
}

fn calls_of_exec(case: &Case) -> Outcome {
    case.run_asleep()?;
    let calls = calls(case, &["exec", &case.id, "/bin/true"])?;
    known(case, "exec", &calls, include_str!("t16_calls/exec.txt"))
}

fn calls_of_delete(case: &Case) -> Outcome {
    case.run_asleep()?;
    let calls = calls(case, &["delete", "--force", &case.id])?;
    known(case, "delete", &calls, include_str!("t16_calls/delete.txt"))
}
