//! args, env, cwd.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use serde_json::json;

use crate::harness::config::{with_env, with_user};
use crate::harness::{Case, Outcome, has, same};
use crate::tests::list;

list!["process":
    args_reach_the_program,
    program_is_found_in_the_containers_path,
    program_relative_to_cwd,
    last_of_two_variables_wins,
    environment_is_exactly_the_configured,
    home_is_looked_up,
    empty_home_is_looked_up,
    cwd_is_set,
    missing_cwd_is_made,
    missing_cwd_is_made_in_a_read_only_root,
    cwd_that_only_root_may_enter,
    cwd_that_only_the_user_may_enter,
    missing_program,
    directory_as_program,
    program_without_x,
    missing_interpreter,
    first_process_leads_a_session,
];

fn put(path: &Path, text: &str, mode: u32) -> Outcome {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn args_reach_the_program(case: &Case) -> Outcome {
    let args = [
        "/bin/sh",
        "-c",
        "for a; do echo \"<$a>\"; done",
        "sh",
        "a b",
        "",
        "ä\n*",
    ];
    case.edit(|c| c["process"]["args"] = json!(args))?;
    same("output", case.run()?.ok()?.out(), "<a b>\n<>\n<ä\n*>\n")
}

fn program_is_found_in_the_containers_path(case: &Case) -> Outcome {
    put(
        &case.bundle.rootfs.join("opt/tool"),
        "#!/bin/sh\necho found\n",
        0o755,
    )?;
    case.edit(|c| {
        c["process"]["args"] = json!(["tool"]);
        c["process"]["env"] = json!(["PATH=/nowhere:/opt"]);
    })?;
    same("output", case.run()?.ok()?.out(), "found\n")
}

fn program_relative_to_cwd(case: &Case) -> Outcome {
    put(
        &case.bundle.rootfs.join("opt/tool"),
        "#!/bin/sh\necho found\n",
        0o755,
    )?;
    case.edit(|c| {
        c["process"]["args"] = json!(["./tool"]);
        c["process"]["cwd"] = json!("/opt");
    })?;
    same("output", case.run()?.ok()?.out(), "found\n")
}

fn last_of_two_variables_wins(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["args"] = json!(["/bin/env"]);
        c["process"]["env"] = json!(["A=1", "PATH=/bin", "A=2", "B=", "HOME=/x"]);
    })?;
    let out = case.run()?.ok()?.out();
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    same(
        "environment",
        lines,
        vec!["A=2", "B=", "HOME=/x", "PATH=/bin"],
    )
}

fn environment_is_exactly_the_configured(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["args"] = json!(["/bin/env"]);
        c["process"]["env"] = json!(["HOME=/", "MULTI=a\nb"]);
    })?;
    let answer = case
        .call(&["run", &case.id])
        .env("LEAK", "1")
        .answer()?
        .ok()?;
    same("environment", answer.out(), "HOME=/\nMULTI=a\nb\n")
}

fn home_is_looked_up(case: &Case) -> Outcome {
    for (uid, home) in [(0, "/root"), (1000, "/home/bob"), (1234, "/")] {
        case.edit(|c| with_user(c, uid, 0))?;
        same("HOME", case.run_script("echo $HOME")?, home)?;
    }
    Ok(())
}

fn empty_home_is_looked_up(case: &Case) -> Outcome {
    case.edit(|c| {
        with_env(c, "HOME=");
        c["process"]["args"] = json!(["/bin/env"]);
    })?;
    let out = case.run()?.ok()?.out();
    let homes: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("HOME="))
        .collect();
    same("HOME", homes, vec!["HOME=/root"])
}

fn cwd_is_set(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["cwd"] = json!("/home/bob"))?;
    same(
        "cwd",
        case.run_script("readlink /proc/self/cwd")?,
        "/home/bob",
    )
}

fn missing_cwd_is_made_in_a_read_only_root(case: &Case) -> Outcome {
    case.edit(|c| {
        c["root"]["readonly"] = json!(true);
        c["process"]["cwd"] = json!("/made/for/it");
    })?;
    same(
        "cwd",
        case.run_script("readlink /proc/self/cwd")?,
        "/made/for/it".to_owned(),
    )
}

fn missing_cwd_is_made(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["cwd"] = json!("/new/deep"))?;
    same(
        "cwd",
        case.run_script("readlink /proc/self/cwd")?,
        "/new/deep",
    )
}

fn cwd_that_only_root_may_enter(case: &Case) -> Outcome {
    // The change of directory as root comes first.
    case.edit(|c| {
        with_user(c, 1000, 1000);
        c["process"]["cwd"] = json!("/root");
        c["process"]["capabilities"]["bounding"] = json!(["CAP_DAC_OVERRIDE"]);
        c["process"]["capabilities"]["permitted"] = json!([]);
        c["process"]["capabilities"]["effective"] = json!([]);
    })?;
    same("ran", case.run_script("echo in")?, "in")
}

fn cwd_that_only_the_user_may_enter(case: &Case) -> Outcome {
    // Without CAP_DAC_OVERRIDE in the container; the runtime must not need it either.
    let dir = case.bundle.rootfs.join("home/bob");
    chown(&dir, Some(1000), Some(1000))?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
    case.edit(|c| {
        with_user(c, 1000, 1000);
        c["process"]["cwd"] = json!("/home/bob");
    })?;
    same("cwd", case.run_script("pwd")?, "/home/bob")
}

fn missing_program(case: &Case) -> Outcome {
    for (program, words) in [
        ("/nosuch", "no such file or directory"),
        ("nosuch", "executable file not found in $PATH"),
    ] {
        case.edit(|c| c["process"]["args"] = json!([program]))?;
        for verb in ["create", "run"] {
            case.rt(&[verb, &case.id])?.fails(1, &["nosuch", words])?;
            case.nothing_left()?;
        }
    }
    Ok(())
}

fn directory_as_program(case: &Case) -> Outcome {
    case.edit(|c| c["process"]["args"] = json!(["/etc"]))?;
    let answer = case.run()?;
    answer.fails(1, &["/etc"])?;
    let err = answer.err();
    // Engines make 126 of either.
    same(
        "one of the known reasons",
        err.contains("is a directory") || err.contains("permission denied"),
        true,
    )?;
    case.nothing_left()
}

fn program_without_x(case: &Case) -> Outcome {
    put(&case.bundle.rootfs.join("opt/tool"), "#!/bin/sh\n", 0o644)?;
    case.edit(|c| c["process"]["args"] = json!(["/opt/tool"]))?;
    case.run()?.fails(1, &["/opt/tool", "permission denied"])?;
    case.nothing_left()
}

fn missing_interpreter(case: &Case) -> Outcome {
    put(&case.bundle.rootfs.join("run.sh"), "#!/nosuch\n", 0o755)?;
    case.edit(|c| c["process"]["args"] = json!(["/run.sh"]))?;
    let answer = case.run()?;
    same("it fails", answer.code != 0, true)?;
    let words = "exec /run.sh: no such file or directory";
    same("the program's own failure", answer.err().trim_end(), words)?;
    // Engines read the log.
    case.rt(&["--log", "log", "run", &case.id])?;
    has(
        &fs::read_to_string(case.bundle.dir.join("log"))?,
        &format!("level=error msg=\"{words}\""),
    )?;
    case.nothing_left()
}

fn first_process_leads_a_session(case: &Case) -> Outcome {
    // pid, then (after the command and the state) parent, group and session.
    let stat = case.run_script("cat /proc/$$/stat")?;
    let words: Vec<&str> = stat.split(' ').collect();
    same(
        "pid, parent, group, session",
        (words.first(), words.get(3), words.get(4), words.get(5)),
        (Some(&"1"), Some(&"0"), Some(&"1"), Some(&"1")),
    )
}
