//! T11: capability sets that are larger than asked for, so that file capabilities of
//! the image take effect. CVE-2016-8867, CVE-2022-24769, CVE-2022-27650,
//! CVE-2022-29162, CVE-2025-27612.
//!
//! What the sets hold when they are asked for is tested in `process` and `exec`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::ways::{WAYS, start};
use crate::harness::config::{MAPPED_ROOT, with_user, with_user_namespace};
use crate::harness::{Case, Outcome, holds, same, skip};
use crate::tests::list;

list!["attacks::t11":
    inheritable_files_of_an_ordinary_user,
    inheritable_files_in_a_user_namespace,
    inheritable_files_by_exec,
    permitted_files_stay_in_the_bounding_set,
    permitted_files_without_new_privileges,
    cap_option_inherits_nothing,
    documents_of_exec_inherit_nothing,
];

/// A copy of busybox in the image, with these file capabilities (capabilities(7)).
fn gift(case: &Case, capabilities: &str) -> Outcome {
    let setcap = ["/usr/sbin/setcap", "/sbin/setcap"];
    let Some(setcap) = setcap.into_iter().find(|path| Path::new(path).exists()) else {
        return skip("setcap is not installed, which gives capabilities to files");
    };
    let file = case.bundle.rootfs.join("opt/busybox");
    fs::copy(case.bundle.rootfs.join("bin/busybox"), &file)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new(setcap);
    let done = command.arg(capabilities).arg(&file).output()?;
    if !done.status.success() {
        return skip(format!(
            "this file system keeps no capabilities: {}",
            String::from_utf8_lossy(&done.stderr)
        ));
    }
    Ok(())
}

const LOOK: [&str; 4] = ["/opt/busybox", "grep", "^Cap", "/proc/self/status"];

/// Sets as an engine gives them: of root, of which an ordinary user has the bounding
/// set alone.
fn sets(config: &mut Value, names: &[&str]) {
    config["process"]["capabilities"] =
        json!({"bounding": names, "permitted": names, "effective": names});
}

const ALL: [&str; 4] = ["CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_SETUID"];

/// A set of what grep(1) printed.
fn set(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    u64::from_str_radix(value.trim(), 16).ok()
}

/// It gained nothing.
#[track_caller]
fn has_none(context: &str, text: &str) -> Outcome {
    for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        same(&format!("{context}: {name}"), set(text, name), Some(0))?;
    }
    Ok(())
}

fn by_all_ways(case: &Case) -> Outcome {
    for way in WAYS {
        let answer = start(case, way)?.ok()?;
        has_none(&format!("{way:?}"), &answer.out())?;
    }
    Ok(())
}

fn inheritable_files_of_an_ordinary_user(case: &Case) -> Outcome {
    gift(case, "cap_net_admin,cap_sys_admin,cap_setuid=ei")?;
    case.edit(|c| {
        sets(c, &ALL);
        with_user(c, 1000, 1000);
        c["process"]["args"] = json!(LOOK);
    })?;
    by_all_ways(case)
}

fn inheritable_files_in_a_user_namespace(case: &Case) -> Outcome {
    gift(case, "cap_net_admin,cap_sys_admin,cap_setuid=ei")?;
    // A new owner costs a file its capabilities.
    let file = case.bundle.rootfs.join("opt/busybox");
    case.bundle.give_to(MAPPED_ROOT)?;
    std::os::unix::fs::chown(&file, Some(0), Some(0))?;
    gift(case, "cap_net_admin,cap_sys_admin,cap_setuid=ei")?;
    case.edit(|c| {
        with_user_namespace(c);
        sets(c, &ALL);
        with_user(c, 1000, 1000);
        c["process"]["args"] = json!(LOOK);
    })?;
    by_all_ways(case)
}

fn inheritable_files_by_exec(case: &Case) -> Outcome {
    gift(case, "cap_net_admin,cap_sys_admin,cap_setuid=ei")?;
    case.edit(|c| sets(c, &ALL))?;
    case.run_asleep()?;
    for options in [
        vec!["--user", "1000"],
        vec!["--user", "1000:1000", "--cap", "CAP_NET_ADMIN"],
        vec!["--user", "1000", "--cap", "CAP_SYS_PTRACE"],
    ] {
        let mut line = vec!["exec"];
        line.extend(&options);
        line.push(&case.id);
        line.extend(LOOK);
        let out = case.rt(&line)?.ok()?.out();
        has_none(&options.join(" "), &out)?;
    }
    Ok(())
}

fn permitted_files_stay_in_the_bounding_set(case: &Case) -> Outcome {
    // That a file gives what the bounding set has is the kernel's rule, and all that
    // it may give.
    gift(case, "cap_chown,cap_sys_admin,cap_sys_module=p")?;
    case.edit(|c| {
        sets(c, &["CAP_CHOWN", "CAP_KILL"]);
        with_user(c, 1000, 1000);
        c["process"]["args"] = json!(LOOK);
    })?;
    for way in WAYS {
        let out = start(case, way)?.ok()?.out();
        same("CapPrm", set(&out, "CapPrm"), Some(1))?;
        same("CapEff", set(&out, "CapEff"), Some(0))?;
    }
    case.run_asleep()?;
    let mut line = vec!["exec", "--user", "1000", &case.id];
    line.extend(LOOK);
    let out = case.rt(&line)?.ok()?.out();
    same("CapPrm by exec", set(&out, "CapPrm"), Some(1))
}

fn permitted_files_without_new_privileges(case: &Case) -> Outcome {
    // No more than what the process had before, which is nothing.
    gift(case, "cap_chown,cap_sys_admin=p")?;
    case.edit(|c| {
        c["process"]["capabilities"] = json!({"bounding": ALL});
        with_user(c, 1000, 1000);
        c["process"]["noNewPrivileges"] = json!(true);
        c["process"]["args"] = json!(LOOK);
    })?;
    by_all_ways(case)
}

fn cap_option_inherits_nothing(case: &Case) -> Outcome {
    case.edit(|c| sets(c, &["CAP_CHOWN"]))?;
    case.run_asleep()?;
    for user in ["0", "1000"] {
        for name in ["CAP_KILL", "CAP_SYS_ADMIN"] {
            let line = [
                "exec",
                "--user",
                user,
                "--cap",
                name,
                &case.id,
                "grep",
                "^Cap",
                "/proc/self/status",
            ];
            let out = case.rt(&line)?.ok()?.out();
            let context = format!("--user {user} --cap {name}: {out}");
            holds(&context, set(&out, "CapInh") == Some(0))?;
            holds(&context, set(&out, "CapAmb") == Some(0))?;
            let of_root = user == "0" && set(&out, "CapPrm") > Some(1);
            let of_others = user != "0" && set(&out, "CapPrm") == Some(0);
            holds(context, of_root || of_others)?;
        }
    }
    Ok(())
}

fn documents_of_exec_inherit_nothing(case: &Case) -> Outcome {
    gift(case, "cap_net_admin,cap_sys_admin,cap_setuid=ei")?;
    // What the container's own process inherits is not the document's.
    case.edit(|c| {
        c["process"]["capabilities"] = json!({
            "bounding": ALL, "permitted": ALL, "effective": ALL, "inheritable": ALL,
            "ambient": ALL,
        });
    })?;
    case.run_asleep()?;
    let file = case.bundle.dir.join("process.json");
    let name = file.to_string_lossy().into_owned();
    for (capabilities, bounding) in [
        (json!(null), 0),
        (json!({}), 0),
        (json!({"bounding": ["CAP_SYS_ADMIN"]}), 1 << 21),
        (
            json!({"bounding": ["CAP_SYS_ADMIN"], "permitted": ["CAP_SYS_ADMIN"], "effective": ["CAP_SYS_ADMIN"]}),
            1 << 21,
        ),
    ] {
        let process = json!({"args": LOOK, "cwd": "/", "env": ["PATH=/bin"],
            "user": {"uid": 1000, "gid": 1000}, "capabilities": capabilities});
        fs::write(&file, process.to_string())?;
        let out = case
            .rt(&["exec", "--process", &name, &case.id])?
            .ok()?
            .out();
        let context = format!("with {capabilities}");
        has_none(&context, &out)?;
        same(&context, set(&out, "CapBnd"), Some(bounding))?;
    }
    Ok(())
}
