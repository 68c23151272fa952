//! exec's options, and the process document.

use std::fs;

use serde_json::{Value, json};

use crate::harness::config::{with_capabilities, with_user};
use crate::harness::{Case, Hierarchies, Outcome, has, holds, lacks, same};
use crate::tests::list;

list!["exec":
    env_is_added_and_overrides,
    cwd_option,
    user_option,
    users_that_are_no_numbers_are_refused,
    additional_groups,
    groups_are_not_the_callers,
    home_is_the_users,
    cap_option,
    cap_option_with_inheritable,
    no_new_privs_option,
    process_document,
    process_document_decides_alone,
    broken_process_document,
    sub_cgroup_outside_is_refused,
    unknown_sub_cgroup_is_refused,
    sub_cgroups_are_joined,
    cpu_affinity,
];

fn env_is_added_and_overrides(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["env"] = json!(["PATH=/bin", "A=1", "B=2"]))?;
    case.run_asleep()?;
    let line = ["exec", "-e", "A=3", "--env", "C=4", &case.id, "env"];
    let out = case.rt(&line)?.ok()?.out();
    for wanted in ["A=3\n", "B=2\n", "C=4\n", "PATH=/bin\n"] {
        has(&out, wanted)?;
    }
    lacks(&out, "A=1")
}

fn cwd_option(case: &Case) -> Outcome {
    case.run_asleep()?;
    same("cwd", case.exec_script(&["--cwd", "/etc"], "pwd")?, "/etc")
}

fn user_option(case: &Case) -> Outcome {
    case.edit(|c| with_user(c, 0, 7))?;
    case.run_asleep()?;
    for (user, ids) in [
        ("1000", "1000:7"),
        ("1000:1001", "1000:1001"),
        ("0:0", "0:0"),
    ] {
        same(
            user,
            case.exec_script(&["--user", user], "echo $(id -u):$(id -g)")?,
            ids,
        )?;
    }
    Ok(())
}

fn users_that_are_no_numbers_are_refused(case: &Case) -> Outcome {
    // An image may call root what it likes.
    let passwd = "root:x:0:0::/:/bin/sh\n4294967296:x:0:0::/:/bin/sh\nbob:x:0:0::/:/bin/sh\n";
    fs::write(case.bundle.rootfs.join("etc/passwd"), passwd)?;
    case.run_asleep()?;
    for user in [
        "bob",
        "4294967296",
        "-1",
        " 1",
        "1 ",
        "1:",
        ":1",
        "1:2:3",
        "0x1",
        "1:bob",
    ] {
        let answer = case.rt(&["exec", &format!("--user={user}"), &case.id, "id", "-u"])?;
        same(&format!("exit code for {user:?}"), answer.code, 255)?;
        same("output", answer.out(), "")?;
    }
    Ok(())
}

fn additional_groups(case: &Case) -> Outcome {
    case.run_asleep()?;
    let options = [
        "--user",
        "1000:1000",
        "--additional-gids",
        "100",
        "-g",
        "65534",
    ];
    same(
        "groups",
        case.exec_script(&options, "id -G")?,
        "1000 100 65534",
    )
}

fn groups_are_not_the_callers(case: &Case) -> Outcome {
    case.run_asleep()?;
    let line = ["exec", &case.id, "grep", "^Groups", "/proc/self/status"];
    let call = case
        .call(&line)
        .under("exec setpriv --groups 7,8 -- \"$@\"");
    same("groups", call.answer()?.ok()?.out().trim(), "Groups:")
}

fn home_is_the_users(case: &Case) -> Outcome {
    case.run_asleep()?;
    same(
        "HOME",
        case.exec_script(&["-u", "1000"], "echo $HOME")?,
        "/home/bob",
    )?;
    same(
        "HOME",
        case.exec_script(&["-u", "4321"], "echo $HOME")?,
        "/",
    )
}

fn cap_option(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["capabilities"] = json!({"bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]});
    })?;
    case.run_asleep()?;
    let seen = case.probe_exec(&["--cap", "CAP_KILL"])?;
    same("CapBnd", seen.bits("CapBnd"), 0b10_0001)?;
    same("CapEff", seen.bits("CapEff"), 0b10_0001)?;
    same("CapInh", seen.bits("CapInh"), 0)?;
    same("CapAmb", seen.bits("CapAmb"), 0)?;
    let seen = case.probe_exec(&["--cap", "CAP_KILL", "-u", "1000"])?;
    same("CapEff of a user", seen.bits("CapEff"), 0)
}

fn cap_option_with_inheritable(case: &Case) -> Outcome {
    case.edit(|c| with_capabilities(c, &["CAP_CHOWN", "CAP_KILL"]))?;
    case.edit(|c| c["process"]["capabilities"]["ambient"] = json!([]))?;
    case.run_asleep()?;
    let seen = case.probe_exec(&["--cap", "CAP_KILL", "-u", "1000"])?;
    same("CapAmb", seen.bits("CapAmb"), 0b10_0000)?;
    same("CapEff", seen.bits("CapEff"), 0b10_0000)
}

fn no_new_privs_option(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["noNewPrivileges"] = json!(false))?;
    case.run_asleep()?;
    same("without", case.probe_exec(&[])?.status("NoNewPrivs"), "0")?;
    same(
        "with",
        case.probe_exec(&["--no-new-privs"])?.status("NoNewPrivs"),
        "1",
    )
}

fn document(case: &Case, process: &Value) -> Outcome<String> {
    let file = case.bundle.dir.join("process.json");
    fs::write(&file, process.to_string())?;
    Ok(file.to_string_lossy().into_owned())
}

fn process_document(case: &Case) -> Outcome {
    case.run_asleep()?;
    let process = json!({
        "terminal": false,
        "user": {"uid": 1000, "gid": 1001, "additionalGids": [9]},
        "args": ["/bin/sh", "-c", "id -u; id -g; id -G; pwd; env"],
        "env": ["PATH=/bin", "X=y"],
        "cwd": "/etc",
    });
    let file = document(case, &process)?;
    let out = case
        .rt(&["exec", "--process", &file, &case.id])?
        .ok()?
        .out();
    let lines: Vec<&str> = out.lines().collect();
    same(
        "ids and cwd",
        lines.get(..4),
        Some(["1000", "1001", "1001 9", "/etc"].as_slice()),
    )?;
    has(&out, "X=y")?;
    has(&out, "HOME=/home/bob")?;
    lacks(&out, "TERM=")
}

fn process_document_decides_alone(case: &Case) -> Outcome {
    case.run_asleep()?;
    let process =
        json!({"user": {"uid": 0, "gid": 0}, "args": ["/bin/id", "-u"], "env": [], "cwd": "/"});
    let file = document(case, &process)?;
    let line = ["exec", "-u", "1000", "-p", &file, &case.id, "/bin/false"];
    same("uid", case.rt(&line)?.ok()?.out(), "0\n")
}

fn broken_process_document(case: &Case) -> Outcome {
    case.run_asleep()?;
    let file = document(case, &json!({"args": "not a list", "cwd": "/"}))?;
    case.rt(&["exec", "-p", &file, &case.id])?
        .fails(255, &["args"])?;
    let file = document(case, &json!({"args": [], "cwd": "/"}))?;
    case.rt(&["exec", "-p", &file, &case.id])?
        .fails(255, &["args"])
}

fn sub_cgroup_outside_is_refused(case: &Case) -> Outcome {
    case.run_asleep()?;
    for path in ["../..", "/..", "memory:/../..", "a/../../.."] {
        let answer = case.rt(&["exec", "--cgroup", path, &case.id, "true"])?;
        same(path, answer.code, 255)?;
    }
    Ok(())
}

fn unknown_sub_cgroup_is_refused(case: &Case) -> Outcome {
    case.run_asleep()?;
    let answer = case.rt(&["exec", "--cgroup", "/nosuch", &case.id, "true"])?;
    answer.fails(255, &["no such file or directory"])?;
    case.rt(&["exec", "--cgroup", "/", &case.id, "true"])?
        .ok()
        .map(drop)
}

fn sub_cgroups_are_joined(case: &Case) -> Outcome {
    case.run_asleep()?;
    let hierarchies = Hierarchies::read()?;
    for point in hierarchies.all() {
        let own = point.join(case.cgroup.trim_start_matches('/'));
        if own.is_dir() {
            fs::create_dir(own.join("sub"))?;
        }
    }
    let line = |path: &str| -> Outcome<String> {
        let words = [
            "exec",
            "--cgroup",
            path,
            &case.id,
            "cat",
            "/proc/self/cgroup",
        ];
        Ok(case.rt(&words)?.ok()?.out())
    };
    let end = format!("{}/sub", case.cgroup);
    if hierarchies.unified() {
        return has(&line("sub")?, "/sub\n");
    }
    let one = line("pids:sub")?;
    let within = |name: &str| one.lines().find(|line| line.contains(name));
    holds(
        "pids in the sub-cgroup",
        within(":pids:").is_some_and(|line| line.ends_with(&end)),
    )?;
    holds(
        "devices at the container's own",
        within(":devices:").is_some_and(|line| line.ends_with(&case.cgroup)),
    )
}

fn cpu_affinity(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["execCPUAffinity"] = json!({"initial": "0", "final": "0"}))?;
    case.run_asleep()?;
    let out = case.exec_script(&[], "grep ^Cpus_allowed_list /proc/self/status")?;
    same("affinity", out.as_str(), "Cpus_allowed_list:\t0")?;
    holds(
        "the container keeps running",
        case.state()?["status"] == "running",
    )
}
