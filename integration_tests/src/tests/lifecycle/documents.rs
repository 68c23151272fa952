//! state, list, ps, and the pid file.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Case, Outcome, eventually, has, holds, same};
use crate::tests::list;

list!["lifecycle":
    state_has_every_field,
    annotations_are_in_the_state,
    pid_file_holds_the_pid,
    pid_file_is_relative_to_the_callers_directory,
    list_as_a_table,
    list_quiet_and_sorted,
    list_as_json,
    list_of_a_missing_root_is_refused,
    list_of_a_host_that_never_had_any,
    stopped_container_has_no_pid,
    list_goes_on_after_a_broken_record,
    ps_as_a_table,
    ps_passes_its_arguments,
    ps_as_json,
];

fn state_has_every_field(case: &Case) -> Outcome {
    case.run_asleep()?;
    let state = case.state()?;
    same("id", state["id"].as_str(), Some(case.id.as_str()))?;
    same("status", state["status"].as_str(), Some("running"))?;
    let bundle = case.bundle.dir.to_string_lossy().into_owned();
    same("bundle", state["bundle"].as_str(), Some(bundle.as_str()))?;
    let rootfs = case.bundle.rootfs.to_string_lossy().into_owned();
    same("rootfs", state["rootfs"].as_str(), Some(rootfs.as_str()))?;
    holds("ociVersion is there", state["ociVersion"].is_string())?;
    same("owner", state["owner"].as_str(), Some(""))?;
    holds("pid is positive", state["pid"].as_i64() > Some(0))?;
    let created = state["created"].as_str().unwrap_or_default();
    holds(
        format!("{created:?} is RFC 3339 in UTC with a fraction"),
        created.len() > 20
            && created.ends_with('Z')
            && created.get(10..11) == Some("T")
            && created.get(19..20) == Some("."),
    )
}

fn annotations_are_in_the_state(case: &Case) -> Outcome {
    case.edit(|c| c["annotations"] = json!({"org.example.a": "b c"}))?;
    case.run_asleep()?;
    same(
        "annotation",
        case.state()?["annotations"]["org.example.a"].as_str(),
        Some("b c"),
    )
}

fn pid_file_holds_the_pid(case: &Case) -> Outcome {
    case.bundle.script("exec sleep 600")?;
    let file = case.bundle.dir.join("pid");
    let name = file.to_string_lossy().into_owned();
    case.rt(&["create", "--pid-file", &name, &case.id])?.ok()?;
    same(
        "pid file",
        fs::read_to_string(file)?,
        case.pid()?.to_string(),
    )
}

fn pid_file_is_relative_to_the_callers_directory(case: &Case) -> Outcome {
    case.bundle.script("exec sleep 600")?;
    let dir = case.bundle.beside("elsewhere")?;
    let bundle = case.bundle.dir.to_string_lossy().into_owned();
    let line = [
        "run",
        "-d",
        &case.id,
        "--bundle",
        &bundle,
        "--pid-file=here",
    ];
    case.call(&line).in_dir(&dir).answer()?.ok()?;
    same(
        "pid file",
        fs::read_to_string(dir.join("here"))?,
        case.pid()?.to_string(),
    )
}

fn list_as_a_table(case: &Case) -> Outcome {
    case.run_asleep()?;
    let out = case.rt(&["list"])?.ok()?.out();
    let rows: Vec<Vec<&str>> = out
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    let bundle = case.bundle.dir.to_string_lossy().into_owned();
    let pid = case.pid()?.to_string();
    match rows.as_slice() {
        [header, row] => {
            let titles = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
            same("header", header.as_slice(), titles.as_slice())?;
            let start = [case.id.as_str(), &pid, "running", &bundle];
            same("row", row.get(..4), Some(start.as_slice()))
        }
        _ => holds(format!("two rows: {out}"), false),
    }
}

fn list_quiet_and_sorted(case: &Case) -> Outcome {
    let mut ids = vec![case.id.clone()];
    case.rt(&["create", &case.id])?.ok()?;
    for _ in 0..2 {
        let other = case.another()?;
        other.rt(&["create", &other.id])?.ok()?;
        ids.insert(0, other.id.clone());
    }
    ids.sort();
    let out = case.rt(&["list", "--quiet"])?.ok()?.out();
    same("ids", out.lines().collect::<Vec<_>>(), ids)
}

fn list_as_json(case: &Case) -> Outcome {
    case.rt(&["create", &case.id])?.ok()?;
    let out = case.rt(&["list", "--format", "json"])?.ok()?.out();
    let rows: Vec<Value> = serde_json::from_str(&out)?;
    same("rows", rows.len(), 1)?;
    // Shell callers match on the order of the fields.
    let places: Vec<Option<usize>> = [
        "ociVersion",
        "id",
        "pid",
        "status",
        "bundle",
        "rootfs",
        "created",
    ]
    .iter()
    .map(|field| out.find(&format!("\"{field}\":")))
    .collect();
    holds(
        format!("all fields, in order: {out}"),
        places.is_sorted() && places.iter().all(Option::is_some),
    )?;
    case.rt(&["list", "--format", "xml"])?
        .fails(1, &["invalid format option"])
}

fn list_of_a_missing_root_is_refused(case: &Case) -> Outcome {
    let missing = case.bundle.dir.join("missing");
    let name = missing.to_string_lossy().into_owned();
    case.rt(&["--root", &name, "list"])?
        .fails(1, &["no such file or directory"])
}

/// Nobody has named the root, and there is none yet.
fn list_of_a_host_that_never_had_any(case: &Case) -> Outcome {
    let script = "exec unshare --mount bash -c 'mount -t tmpfs tmpfs /run && shift 2 && exec \"$0\" \"$@\"' \"$@\"";
    let out = case
        .call(&["list", "--quiet"])
        .under(script)
        .answer()?
        .ok()?
        .out();
    same("ids", out.as_str(), "")?;
    let out = case
        .call(&["list", "-f", "json"])
        .under(script)
        .answer()?
        .ok()?
        .out();
    same("document", out.trim(), "null")
}

fn stopped_container_has_no_pid(case: &Case) -> Outcome {
    case.run_detached("exit 0")?;
    case.becomes("stopped")?;
    same("pid", case.state()?["pid"].as_i64(), Some(0))?;
    let rows: Value = serde_json::from_str(&case.rt(&["list", "-f", "json"])?.ok()?.out())?;
    same("pid in the list", rows[0]["pid"].as_i64(), Some(0))?;
    let table = case.rt(&["list"])?.ok()?.out();
    let row = table.lines().nth(1).unwrap_or_default();
    same("pid in the table", row.split_whitespace().nth(1), Some("0"))
}

fn list_goes_on_after_a_broken_record(case: &Case) -> Outcome {
    case.rt(&["create", &case.id])?.ok()?;
    fs::create_dir(case.state_root.join("broken"))?;
    let answer = case.rt(&["list", "-q"])?.ok()?;
    same("ids", answer.out().trim_end(), case.id.as_str())?;
    fs::remove_dir(case.state_root.join("broken"))?;
    Ok(())
}

fn ps_as_a_table(case: &Case) -> Outcome {
    case.run_asleep()?;
    eventually("the process is there", || {
        Ok(case
            .rt(&["ps", &case.id])?
            .ok()?
            .out()
            .contains("sleep 600"))
    })?;
    let out = case.rt(&["ps", &case.id])?.ok()?.out();
    same("rows", out.lines().count(), 2)?;
    let header = out.lines().next().unwrap_or_default();
    same(
        "header",
        header.split_whitespace().collect::<Vec<_>>().join(" "),
        "UID PID PPID C STIME TTY TIME CMD",
    )?;
    has(&out, &case.pid()?.to_string())
}

fn ps_passes_its_arguments(case: &Case) -> Outcome {
    case.run_asleep()?;
    let out = case.rt(&["ps", &case.id, "-e", "-x"])?.ok()?.out();
    let header = out.lines().next().unwrap_or_default();
    same(
        "header",
        header.split_whitespace().collect::<Vec<_>>().join(" "),
        "PID TTY STAT TIME COMMAND",
    )
}

fn ps_as_json(case: &Case) -> Outcome {
    case.run_detached("sleep 600 & echo > /ready; exec sleep 600")?;
    let ready = case.bundle.rootfs.join("ready");
    eventually("two processes", || Ok(ready.exists()))?;
    let out = case.rt(&["ps", "--format", "json", &case.id])?.ok()?.out();
    let pids: Vec<i32> = serde_json::from_str(&out)?;
    same("pids", pids.len(), 2)?;
    holds("init is among them", pids.contains(&case.pid()?))?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    case.rt(&["ps", &case.id])?.ok().map(drop)
}
