//! `process.selinuxLabel`, `exec --process-label` and `linux.mountLabel`.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::harness::config::{MAPPED_ROOT, with_user_namespace};
use crate::harness::{Case, Fault, Outcome, has, lacks, same, skip};
use crate::tests::library::executor;
use crate::tests::list;

list!["lsm":
    label_of_the_program,
    label_of_exec,
    label_that_the_policy_refuses,
    label_of_the_keyring,
    label_of_the_keyring_in_a_user_namespace,
    mount_label,
    mount_label_of_a_message_queue,
    mount_label_of_masked_directories,
    context_of_one_mount,
    mount_label_by_another_option,
    label_of_an_executors_program,
];

const PROCESS: &str = "system_u:system_r:container_t:s0:c4,c5";
const OTHER: &str = "system_u:system_r:container_t:s0:c6,c7";
const FILE: &str = "system_u:object_r:container_file_t:s0:c4,c5";

fn needs_selinux() -> Outcome {
    if fs::metadata("/sys/fs/selinux/enforce").is_err() {
        return skip("needs SELinux");
    }
    Ok(())
}

fn labelled(case: &Case) -> Outcome {
    needs_selinux()?;
    case.edit(|c| c["process"]["selinuxLabel"] = json!(PROCESS))
}

/// The label of a process, without the NUL byte at its end.
fn label_of(pid: i32) -> Outcome<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/attr/current"))?;
    Ok(text.trim_end_matches(['\0', '\n']).to_owned())
}

fn label_of_the_program(case: &Case) -> Outcome {
    labelled(case)?;
    for no_new_privileges in [true, false] {
        case.edit(|c| c["process"]["noNewPrivileges"] = json!(no_new_privileges))?;
        case.run_asleep()?;
        same("label", label_of(case.pid()?)?, PROCESS)?;
        case.destroy()?;
    }
    Ok(())
}

fn label_of_exec(case: &Case) -> Outcome {
    labelled(case)?;
    case.run_asleep()?;
    for (options, wanted) in [(vec![], PROCESS), (vec!["--process-label", OTHER], OTHER)] {
        let mut words = vec!["exec", "-d", "--pid-file", "pid"];
        words.extend(options);
        words.extend([case.id.as_str(), "sleep", "600"]);
        case.rt(&words)?.ok()?;
        let pid = fs::read_to_string(case.bundle.dir.join("pid"))?;
        let pid = pid.parse().map_err(Fault::failed)?;
        same("label", label_of(pid)?, wanted)?;
    }
    Ok(())
}

fn label_that_the_policy_refuses(case: &Case) -> Outcome {
    needs_selinux()?;
    case.edit(|c| c["process"]["selinuxLabel"] = json!("no:such:label_t:s0"))?;
    case.run()?.fails(1, &["no:such:label_t:s0"])?;
    case.nothing_left()?;
    case.edit(|c| {
        c["process"]["selinuxLabel"] = json!("");
        c["linux"]["mountLabel"] = json!("no:such:label_t:s0");
    })?;
    case.run()?.fails(1, &["/dev"])?;
    case.nothing_left()
}

/// The keyring's label, as keyctl(1) of the host has it for the keyring's user.
fn keyring_label(case: &Case, owner: u32) -> Outcome {
    case.needs_command("keyctl")?;
    case.needs_command("setpriv")?;
    let as_owner = |words: &[&str]| -> Outcome<String> {
        let said = Command::new("setpriv")
            .args(["--reuid", &owner.to_string(), "--clear-groups", "--"])
            .args(words)
            .output()?;
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    };
    case.run_asleep()?;
    let keys = as_owner(&["cat", "/proc/keys"])?;
    let name = format!("_ses.{}:", case.id);
    let line = keys.lines().find(|line| line.contains(&name));
    let serial = line.and_then(|line| line.split_whitespace().next());
    let serial = serial.ok_or_else(|| Fault::failed(format!("no {name} in {keys}")))?;
    let said = as_owner(&["keyctl", "security", &format!("0x{serial}")])?;
    same("label", said.trim_end_matches(['\0', '\n']), PROCESS)
}

fn label_of_the_keyring(case: &Case) -> Outcome {
    labelled(case)?;
    keyring_label(case, 0)
}

fn label_of_the_keyring_in_a_user_namespace(case: &Case) -> Outcome {
    labelled(case)?;
    case.edit(with_user_namespace)?;
    keyring_label(case, MAPPED_ROOT)
}

/// The options of the superblock that is mounted at a place.
fn superblock(mountinfo: &str, point: &str) -> String {
    let lines = mountinfo.lines().rev();
    let mut found = lines.filter(|line| line.split(' ').nth(4) == Some(point));
    found.next().unwrap_or_default().to_owned()
}

fn with_mount_label(case: &Case) -> Outcome {
    needs_selinux()?;
    case.bundle.mount(json!({
        "destination": "/fresh", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k"],
    }))?;
    case.edit(|c| c["linux"]["mountLabel"] = json!(FILE))
}

fn mount_label(case: &Case) -> Outcome {
    with_mount_label(case)?;
    let mounts = case.run_script("cat /proc/self/mountinfo")?;
    for point in ["/fresh", "/dev", "/dev/pts", "/dev/shm"] {
        has(&superblock(&mounts, point), &format!("context=\"{FILE}\""))?;
    }
    for point in ["/proc", "/sys", "/sys/fs/cgroup"] {
        lacks(&superblock(&mounts, point), "context=")?;
    }
    Ok(())
}

fn mount_label_of_a_message_queue(case: &Case) -> Outcome {
    with_mount_label(case)?;
    case.needs_command("getfattr")?;
    case.run_asleep()?;
    let said = Command::new("getfattr")
        .args([
            "--only-values",
            "--absolute-names",
            "-n",
            "security.selinux",
        ])
        .arg(format!("/proc/{}/root/dev/mqueue", case.pid()?))
        .output()?;
    let said = String::from_utf8_lossy(&said.stdout);
    same("label", said.trim_end_matches('\0'), FILE)
}

fn mount_label_of_masked_directories(case: &Case) -> Outcome {
    with_mount_label(case)?;
    case.edit(|c| c["linux"]["maskedPaths"] = json!(["/opt", "/tmp"]))?;
    let mounts = case.run_script("cat /proc/self/mountinfo")?;
    for point in ["/opt", "/tmp"] {
        has(&superblock(&mounts, point), &format!("context=\"{FILE}\""))?;
    }
    Ok(())
}

/// A mount's own options go before the container's label.
/// Files keep their own labels below a root that has this one.
fn mount_label_by_another_option(case: &Case) -> Outcome {
    with_mount_label(case)?;
    case.edit(|c| c["annotations"] = json!({"run.oci.mount_context_type": "rootcontext"}))?;
    let mounts = case.run_script("cat /proc/self/mountinfo")?;
    let line = superblock(&mounts, "/fresh");
    has(&line, &format!("rootcontext=\"{FILE}\""))?;
    lacks(&line, ",context=")
}

fn context_of_one_mount(case: &Case) -> Outcome {
    with_mount_label(case)?;
    let own = "system_u:object_r:tmp_t:s0:c1,c2";
    case.bundle.mount(json!({
        "destination": "/own", "type": "tmpfs", "source": "tmpfs",
        "options": [format!("size=64k,context=\"{own}\""), "mode=700"],
    }))?;
    let mounts = case.run_script("cat /proc/self/mountinfo")?;
    let line = superblock(&mounts, "/own");
    has(&line, &format!("context=\"{own}\""))?;
    has(&line, "mode=700")
}

/// There is no exec that would bring it.
fn label_of_an_executors_program(case: &Case) -> Outcome {
    labelled(case)?;
    executor::program(case, "show /proc/self/attr/current\n")?;
    same(
        "label",
        executor::run(case)?
            .ok()?
            .out()
            .trim_end_matches(['\0', '\n']),
        PROCESS,
    )
}
