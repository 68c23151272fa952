//! The command line itself: options, help, version, logs, `spec`, `features`.

use std::fs;

use serde_json::Value;

use crate::harness::{Case, Outcome, has, holds, lacks, same};
use crate::tests::list;

list!["cli":
    options_in_every_place,
    version,
    help,
    every_command_has_help,
    the_rest_of_runcs_commands,
    unknown_command_and_option,
    wrong_number_of_arguments,
    json_log,
    text_log_on_stderr,
    bad_log_format,
    spec_does_not_overwrite,
    spec_values,
    spec_rootless,
    features,
    root_slash_is_refused,
];

/// The commands that make a runtime.
const COMMANDS: [&str; 13] = [
    "create", "delete", "exec", "features", "kill", "list", "pause", "ps", "resume", "run", "spec",
    "start", "state",
];

/// The rest of runc's.
const MORE: [&str; 4] = ["checkpoint", "events", "restore", "update"];

fn options_in_every_place(case: &Case) -> Outcome {
    case.bundle.script("exec sleep 600")?;
    let dir = case.bundle.beside("elsewhere")?;
    let bundle = case.bundle.dir.to_string_lossy().into_owned();
    let call = |line: &[&str]| case.call(line).in_dir(&dir).answer()?.ok();
    call(&["create", "-bundle", &bundle, &case.id])?;
    call(&["delete", &case.id, "-force"])?;
    call(&[
        "create",
        &case.id,
        &format!("--bundle={bundle}"),
        "--no-pivot=false",
    ])?;
    call(&["delete", "--force=true", &case.id])?;
    call(&["run", "-d", &case.id, "-b", &bundle])?;
    call(&["delete", &case.id, "-f"])?;
    case.nothing_left()
}

fn version(case: &Case) -> Outcome {
    for option in ["--version", "-v"] {
        let out = case.rt(&[option])?.ok()?.out();
        let first = out.lines().next().unwrap_or_default();
        holds(
            format!("{first:?} is NAME version X"),
            first.split(' ').nth(1) == Some("version"),
        )?;
        holds(
            "a line with the spec's version",
            out.lines().any(|line| line.starts_with("spec: 1.")),
        )?;
    }
    Ok(())
}

fn help(case: &Case) -> Outcome {
    for line in [vec!["--help"], vec!["-h"], vec!["help"], vec![]] {
        let out = case.rt(&line)?.ok()?.out();
        for command in COMMANDS {
            has(&out, command)?;
        }
    }
    Ok(())
}

fn every_command_has_help(case: &Case) -> Outcome {
    for command in COMMANDS {
        let out = case.rt(&[command, "--help"])?.ok()?.out();
        has(out.lines().next().unwrap_or_default(), "NAME:")?;
        has(out.lines().nth(1).unwrap_or_default(), command)?;
    }
    Ok(())
}

fn the_rest_of_runcs_commands(case: &Case) -> Outcome {
    for command in MORE {
        case.needs_command(command)?;
        has(&case.rt(&[command, "--help"])?.ok()?.out(), command)?;
    }
    Ok(())
}

fn unknown_command_and_option(case: &Case) -> Outcome {
    let answer = case.rt(&["frobnicate"])?;
    holds("an unknown command fails", answer.code != 0)?;
    let answer = case.rt(&["state", "--frobnicate", "x"])?;
    same("exit code", answer.code, 1)?;
    has(&answer.err(), "frobnicate")
}

fn wrong_number_of_arguments(case: &Case) -> Outcome {
    for command in [
        "create", "run", "start", "state", "kill", "delete", "pause", "resume",
    ] {
        let answer = case.rt(&[command])?;
        same(command, answer.code, 1)?;
        has(&answer.err(), command)?;
    }
    case.rt(&["start", "a", "b"])?.ended(1)?;
    case.rt(&["exec", "a"])?.ended(255).map(drop)
}

fn json_log(case: &Case) -> Outcome {
    let log = case.bundle.dir.join("log");
    let name = log.to_string_lossy().into_owned();
    for id in ["first", "second"] {
        case.rt(&["--log", &name, "--log-format", "json", "state", id])?
            .ended(1)?;
    }
    let text = fs::read_to_string(&log)?;
    same("lines, the second appended", text.lines().count(), 2)?;
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line)?;
        same("level", entry["level"].as_str(), Some("error"))?;
        has(
            entry["msg"].as_str().unwrap_or_default(),
            "container does not exist",
        )?;
        has(entry["time"].as_str().unwrap_or_default(), "T")?;
    }
    Ok(())
}

fn text_log_on_stderr(case: &Case) -> Outcome {
    let err = case.rt(&["state", "nobody"])?.ended(1)?.err();
    has(&err, "level=error")?;
    has(&err, "msg=\"")?;
    has(&err, "time=\"")
}

fn bad_log_format(case: &Case) -> Outcome {
    case.rt(&["--log-format", "foo", "list"])?
        .fails(1, &["log-format"])
}

fn spec_does_not_overwrite(case: &Case) -> Outcome {
    let before = fs::read(case.bundle.config_file())?;
    case.rt(&["spec"])?.fails(1, &["config.json"])?;
    same("config.json", fs::read(case.bundle.config_file())?, before)
}

fn spec_values(case: &Case) -> Outcome {
    let dir = case.bundle.beside("fresh")?;
    let name = dir.to_string_lossy().into_owned();
    case.rt(&["spec", "--bundle", &name])?.ok()?;
    let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
    let process = &config["process"];
    same("terminal", process["terminal"].as_bool(), Some(true))?;
    same("args", &process["args"], &serde_json::json!(["sh"]))?;
    same("cwd", process["cwd"].as_str(), Some("/"))?;
    same(
        "no_new_privs",
        process["noNewPrivileges"].as_bool(),
        Some(true),
    )?;
    let caps = serde_json::json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    for set in ["bounding", "effective", "permitted"] {
        same(set, &process["capabilities"][set], &caps)?;
    }
    same("root", config["root"]["path"].as_str(), Some("rootfs"))?;
    same("readonly", config["root"]["readonly"].as_bool(), Some(true))?;
    let mounts = config["mounts"].as_array().cloned().unwrap_or_default();
    let points: Vec<&str> = mounts
        .iter()
        .filter_map(|m| m["destination"].as_str())
        .collect();
    same(
        "mounts",
        points,
        vec![
            "/proc",
            "/dev",
            "/dev/pts",
            "/dev/shm",
            "/dev/mqueue",
            "/sys",
            "/sys/fs/cgroup",
        ],
    )
}

fn spec_rootless(case: &Case) -> Outcome {
    let dir = case.bundle.beside("fresh")?;
    case.call(&["spec", "--rootless"])
        .in_dir(&dir)
        .answer()?
        .ok()?;
    let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
    let kinds = config["linux"]["namespaces"].to_string();
    has(&kinds, "user")?;
    lacks(&kinds, "network")?;
    same(
        "one line of mapping",
        config["linux"]["uidMappings"][0]["size"].as_u64(),
        Some(1),
    )?;
    holds("no limits", config["linux"]["resources"].is_null())
}

fn features(case: &Case) -> Outcome {
    let features: Value = serde_json::from_str(&case.rt(&["features"])?.ok()?.out())?;
    has(&features["linux"]["namespaces"].to_string(), "mount")?;
    has(&features["mountOptions"].to_string(), "rro")?;
    has(&features["hooks"].to_string(), "startContainer")?;
    same(
        "seccomp",
        features["linux"]["seccomp"]["enabled"].as_bool(),
        Some(true),
    )?;
    holds(
        "no control characters",
        !features.to_string().contains("\\n"),
    )
}

fn root_slash_is_refused(case: &Case) -> Outcome {
    case.rt(&["--root", "/", "list"])?.ended(1).map(drop)
}
