//! T7: a process of the runtime that is seen in the container's pid namespace before
//! it is the user's program: its descriptors, directories and rights are the host's
//! still. CVE-2016-9962.
//!
//! `LODGE_ATTACK_ROUNDS` says how many processes come by.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::watcher::{READY, SEEN, STOP, WORD, read};
use super::ways::{Way, rounds, until_there};
use crate::harness::config::{MAPPED_ROOT, with_capabilities, with_namespace, with_user_namespace};
use crate::harness::{Case, Outcome, holds, same};
use crate::tests::list;

list!["attacks::t07":
    exec_seen_by_root,
    exec_seen_by_a_tracer,
    exec_seen_by_a_tracer_in_a_user_namespace,
    init_seen_by_root_of_a_shared_pid_namespace,
];

/// What Docker gives its containers.
const USUAL: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

fn tracers() -> Vec<&'static str> {
    USUAL.into_iter().chain(["CAP_SYS_PTRACE"]).collect()
}

/// Makes the container's program the attacker, with the host's libraries.
fn attacker(case: &Case, rights: &[&str]) -> Outcome {
    let program = case.bundle.rootfs.join("watcher");
    fs::copy(std::env::current_exe()?, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    for dir in ["/lib", "/lib64", "/usr/lib"] {
        if Path::new(dir).is_dir() {
            case.bundle
                .mount(json!({"destination": dir, "type": "bind", "source": dir,
                "options": ["rbind", "ro"]}))?;
        }
    }
    case.edit(|c| {
        with_capabilities(c, rights);
        c["process"]["args"] = json!(["/watcher", WORD]);
    })?;
    case.rt(&["run", "--detach", &case.id])?.ok()?;
    until_there(&inside(case, READY))
}

fn inside(case: &Case, path: &str) -> std::path::PathBuf {
    case.bundle.rootfs.join(path.trim_start_matches('/'))
}

/// What the attacker saw.
fn end(case: &Case) -> Outcome<Value> {
    fs::write(inside(case, STOP), "")?;
    until_there(&inside(case, SEEN))?;
    let seen = read(&case.bundle.rootfs)?;
    tell(&seen);
    let met = seen["met"].as_u64().unwrap_or_default();
    holds(
        format!("the attacker met {met} processes"),
        met >= u64::from(rounds()) / 2,
    )?;
    Ok(seen)
}

#[expect(clippy::print_stderr, reason = "the number is what one looks for")]
fn tell(seen: &Value) {
    if std::env::var_os("LODGE_ATTACK_ROUNDS").is_some() {
        eprintln!("    {seen:#}");
    }
}

/// Nothing could be had before the user's program ran.
#[track_caller]
fn nothing_had(seen: &Value) -> Outcome {
    same("of processes of the runtime", &seen["had"], &json!({}))
}

fn many_execs(case: &Case) -> Outcome {
    for _ in 0..rounds() {
        case.rt(&["exec", &case.id, "/bin/true"])?.ok()?;
    }
    Ok(())
}

fn exec_seen_by_root(case: &Case) -> Outcome {
    attacker(case, &USUAL)?;
    many_execs(case)?;
    nothing_had(&end(case)?)
}

fn exec_seen_by_a_tracer(case: &Case) -> Outcome {
    attacker(case, &tracers())?;
    many_execs(case)?;
    of_the_container(&end(case)?)
}

fn exec_seen_by_a_tracer_in_a_user_namespace(case: &Case) -> Outcome {
    case.bundle.give_to(MAPPED_ROOT)?;
    case.edit(with_user_namespace)?;
    attacker(case, &tracers())?;
    many_execs(case)?;
    nothing_had(&end(case)?)
}

/// Containers of one pod, which share a pid namespace.
fn neighbours(case: &Case) -> Outcome {
    let pid = case.pid()?;
    let other = case.another()?;
    other.edit(|c| {
        with_namespace(c, "pid", Some(&format!("/proc/{pid}/ns/pid")));
        c["process"]["args"] = json!(["/bin/true"]);
    })?;
    for round in 0..rounds() {
        let way = if round % 2 == 0 {
            Way::Run
        } else {
            Way::Create
        };
        let answer = super::ways::start(&other, way)?;
        same("exit", answer.code, 0)?;
    }
    Ok(())
}

fn init_seen_by_root_of_a_shared_pid_namespace(case: &Case) -> Outcome {
    attacker(case, &USUAL)?;
    neighbours(case)?;
    nothing_had(&end(case)?)
}

/// A tracer with a right over the whole host, as one without a user namespace is, is
/// kept off by nothing: what it gets hold of must be the container's own.
#[track_caller]
fn of_the_container(seen: &Value) -> Outcome {
    let had = seen["had"].as_object().into_iter().flatten();
    let names = had.map(|(name, _)| name.as_str());
    let of_the_host: Vec<&str> = names
        .filter(|name| {
            let own_image = *name == "exe /memfd:lodge:init (deleted)";
            // Our socket, and what makes the procfs that it writes to.
            let own_fds = [
                "fd of a procfs that lies nowhere",
                "fd socket",
                "fd pipe",
                "fd anon_inode:[fscontext]",
            ];
            let fine_fd =
                !name.starts_with("fd ") || name.starts_with("fd /") || own_fds.contains(name);
            name.contains("of another place")
                || name.starts_with("exe /") && !own_image && *name != "exe /bin/busybox"
                || !fine_fd
        })
        .collect();
    same("of the host", of_the_host, Vec::<&str>::new())
}
