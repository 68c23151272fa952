//! `linux.intelRdt`. The hardware is rare: a debug build takes a plain folder for
//! resctrl, and what was written there is looked at.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{Case, Outcome, eventually, holds, same, skip};
use crate::tests::list;

list!["intelrdt":
    container_is_put_into_a_group_of_its_own,
    exec_joins_the_group,
    update_writes_other_shares,
    update_writes_the_schemata,
    named_group_stays,
    named_group_has_to_match,
    failed_create_leaves_no_group,
    killed_create_leaves_no_group,
    host_without_resctrl_is_an_error,
    group_that_is_gone_stops_nobody,
];

const FOLDER: &str = "LODGE_RESCTRL";

/// A stand-in for resctrl, with a group `gold` of somebody's.
struct Resctrl {
    root: PathBuf,
    name: String,
}

impl Resctrl {
    fn make(case: &Case) -> Outcome<Self> {
        let root = case.bundle.beside("resctrl")?;
        let resctrl = Self {
            name: root.to_string_lossy().into_owned(),
            root,
        };
        for (path, text) in [
            ("tasks", ""),
            ("schemata", "L3:0=ff\nMB:0=100\n"),
            ("info/last_cmd_status", "ok\n"),
            ("info/L3/cbm_mask", "ff\n"),
            ("info/MB/bandwidth_gran", "10\n"),
            ("info/L3_MON/mon_features", "llc_occupancy\n"),
            ("gold/tasks", ""),
            ("gold/schemata", "    L3:0=0f\n"),
            ("gold/mon_groups/other/tasks", ""),
        ] {
            let path = resctrl.root.join(path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            fs::write(path, text)?;
        }
        Ok(resctrl)
    }

    fn text(&self, path: &str) -> Outcome<String> {
        Ok(fs::read_to_string(self.root.join(path))?)
    }

    fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// `run --detach` of a process that sleeps; skips under a release build, which
    /// does not look at the folder.
    fn run_asleep(&self, case: &Case) -> Outcome {
        case.bundle.script("exec sleep 600")?;
        let call = case.call(&["run", "--detach", &case.id]);
        let answer = call.env(FOLDER, &self.name).answer()?;
        if answer.err().contains("no resctrl file system is mounted") {
            return skip("needs a debug build of the runtime, which takes a folder for resctrl");
        }
        answer.ok().map(drop)
    }
}

fn container_is_put_into_a_group_of_its_own(case: &Case) -> Outcome {
    let resctrl = Resctrl::make(case)?;
    case.edit(|c| {
        c["linux"]["intelRdt"] = json!({
            "schemata": ["L2:0=3"],
            "memBwSchema": "MB:0=20",
            "l3CacheSchema": "L3:0=7",
            "enableMonitoring": true,
        });
    })?;
    resctrl.run_asleep(case)?;
    let group = &case.id;
    let pid = case.pid()?.to_string();
    same(
        "schemata",
        resctrl.text(&format!("{group}/schemata"))?.as_str(),
        "L3:0=7\nMB:0=20\nL2:0=3\n",
    )?;
    same("tasks", resctrl.text(&format!("{group}/tasks"))?, &*pid)?;
    let monitored = format!("{group}/mon_groups/{group}/tasks");
    same("monitored", resctrl.text(&monitored)?, &*pid)?;
    case.destroy()?;
    holds("the group is gone", !resctrl.has(group))?;
    holds("the other stays", resctrl.has("gold/mon_groups/other"))
}

fn exec_joins_the_group(case: &Case) -> Outcome {
    let resctrl = Resctrl::make(case)?;
    case.edit(|c| c["linux"]["intelRdt"] = json!({"closID": "gold", "enableMonitoring": true}))?;
    resctrl.run_asleep(case)?;
    let monitored = format!("gold/mon_groups/{}/tasks", case.id);
    for file in ["gold/tasks", &monitored] {
        fs::write(resctrl.root.join(file), "")?;
    }
    let line = ["exec", "-d", "--pid-file", "pid", &case.id, "sleep", "600"];
    case.rt(&line)?.ok()?;
    let pid = fs::read_to_string(case.bundle.dir.join("pid"))?;
    same("tasks", resctrl.text("gold/tasks")?, &*pid)?;
    same("monitored", resctrl.text(&monitored)?, &*pid)?;
    case.destroy()?;
    holds(
        "the monitoring group is gone",
        !resctrl.has(&format!("gold/mon_groups/{}", case.id)),
    )
}

fn update_writes_the_schemata(case: &Case) -> Outcome {
    let resctrl = Resctrl::make(case)?;
    case.edit(|c| c["linux"]["intelRdt"] = json!({"l3CacheSchema": "L3:0=ff"}))?;
    resctrl.run_asleep(case)?;
    let update = |argv: &[&str]| {
        let call = case.call(&[&["update", &case.id], argv].concat());
        call.env(FOLDER, &resctrl.name).answer()
    };
    update(&["--l3-cache-schema", "L3:0=3", "--mem-bw-schema", "MB:0=20"])?.ok()?;
    let seen = resctrl.text(&format!("{}/schemata", case.id))?;
    for line in ["L3:0=3", "MB:0=20"] {
        holds(line, seen.lines().any(|known| known == line))?;
    }
    // A failure of the one takes back the other.
    let file = resctrl.root.join(&case.id).join("schemata");
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    let faulty = ["--pids-limit", "7", "--l3-cache-schema", "L3:0=7"];
    update(&faulty)?.fails(1, &["schemata"])?;
    fs::remove_dir(&file)?;
    fs::write(&file, "")?;
    let pids = crate::tests::cgroup::file(case, "pids", "pids.max", "pids.max")?;
    same("pids", pids, "max")
}

fn update_writes_other_shares(case: &Case) -> Outcome {
    let resctrl = Resctrl::make(case)?;
    let line = [
        "update",
        "--mem-bw-schema",
        "MB:0=50",
        "--l3-cache-schema=L3:0=1",
        &case.id,
    ];
    case.run_asleep()?;
    case.rt(&line)?.fails(1, &["Intel RDT"])?;
    case.destroy()?;
    case.edit(|c| c["linux"]["intelRdt"] = json!({}))?;
    resctrl.run_asleep(case)?;
    let schemata = format!("{}/schemata", case.id);
    same("before", resctrl.text(&schemata)?.as_str(), "")?;
    case.rt(&line)?.ok()?;
    same(
        "schemata",
        resctrl.text(&schemata)?.as_str(),
        "L3:0=1\nMB:0=50\n",
    )?;
    let line = ["update", "--mem-bw-schema", "50", &case.id];
    case.rt(&line)?.fails(1, &["memBwSchema"])
}

fn named_group_stays(case: &Case) -> Outcome {
    let resctrl = Resctrl::make(case)?;
    for (name, asked) in [
        ("gold", json!({"closID": "gold", "l3CacheSchema": "L3:0=f"})),
        ("new", json!({"closID": "new", "l3CacheSchema": "L3:0=f"})),
        ("", json!({"closID": "/"})),
    ] {
        case.edit(|c| c["linux"]["intelRdt"] = asked)?;
        resctrl.run_asleep(case)?;
        let tasks = format!("{name}/tasks");
        let tasks = tasks.trim_start_matches('/');
        same("tasks", resctrl.text(tasks)?, case.pid()?.to_string())?;
        case.destroy()?;
        holds(format!("{name:?} stays"), resctrl.has(tasks))?;
    }
    Ok(())
}

fn named_group_has_to_match(case: &Case) -> Outcome {
    let resctrl = Resctrl::make(case)?;
    case.edit(|c| c["linux"]["intelRdt"] = json!({"closID": "/"}))?;
    resctrl.run_asleep(case)?;
    case.destroy()?;
    for (asked, words) in [
        (
            json!({"closID": "gold", "l3CacheSchema": "L3:0=ff"}),
            "gold: it has L3:0=0f, asked for is L3:0=ff",
        ),
        (json!({"closID": "lead"}), "lead: no such file or directory"),
        (json!({"closID": "a/b"}), "has a slash"),
        (
            json!({"memBwSchema": "MB:0=1\nL3:0=1"}),
            "linux.intelRdt.memBwSchema: ",
        ),
    ] {
        case.edit(|c| c["linux"]["intelRdt"] = asked)?;
        let call = case.call(&["create", &case.id]);
        let answer = call.env(FOLDER, &resctrl.name).answer()?;
        answer.fails(1, &[words])?;
        case.nothing_left()?;
        same("gold", resctrl.text("gold/schemata")?.trim(), "L3:0=0f")?;
        holds("no group is made", !resctrl.has("lead"))?;
    }
    Ok(())
}

fn failed_create_leaves_no_group(case: &Case) -> Outcome {
    let resctrl = Resctrl::make(case)?;
    case.edit(|c| c["linux"]["intelRdt"] = json!({"l3CacheSchema": "L3:0=7"}))?;
    resctrl.run_asleep(case)?;
    case.destroy()?;
    // The program is looked for after the group was made.
    case.edit(|c| c["process"]["args"] = json!(["/no/such/program"]))?;
    let call = case.call(&["create", &case.id]);
    let answer = call.env(FOLDER, &resctrl.name).answer()?;
    holds("create fails", answer.code != 0)?;
    case.nothing_left()?;
    holds("the group is gone", !resctrl.has(&case.id))
}

fn killed_create_leaves_no_group(case: &Case) -> Outcome {
    let resctrl = Resctrl::make(case)?;
    case.bundle.script("exec sleep 600")?;
    case.edit(|c| {
        c["linux"]["intelRdt"] = json!({"l3CacheSchema": "L3:0=7", "enableMonitoring": true});
    })?;
    let mut killed = 0;
    let mut seen = 0;
    for step in 1..60 {
        let call = case
            .call(&["create", &case.id])
            .env(FOLDER, &resctrl.name)
            .env("LODGE_KILL_AT_STEP", &step.to_string());
        let answer = call.answer()?;
        let done = answer.code == 0;
        // Killed by itself; a release build looks for the host's own resctrl.
        if !done && answer.code != 137 {
            return skip("needs a debug build of the runtime, which can kill itself at a step");
        }
        killed += u32::from(!done);
        seen += u32::from(resctrl.has(&case.id));
        case.destroy()?;
        holds(
            format!("step {step} leaves no group"),
            !resctrl.has(&case.id),
        )?;
        case.nothing_left()?;
        if done {
            break;
        }
    }
    if killed == 0 {
        return skip("needs a debug build of the runtime, which can kill itself at a step");
    }
    holds("the group was there after some steps", seen > 2)
}

fn host_without_resctrl_is_an_error(case: &Case) -> Outcome {
    if fs::read_to_string("/proc/self/mountinfo")?.contains(" - resctrl ") {
        return skip("needs a host without resctrl");
    }
    case.edit(|c| c["linux"]["intelRdt"] = json!({}))?;
    let answer = case.run()?;
    answer.fails(1, &["linux.intelRdt: no resctrl file system is mounted"])?;
    case.nothing_left()
}

/// resctrl may be unmounted at any time.
fn group_that_is_gone_stops_nobody(case: &Case) -> Outcome {
    let resctrl = Resctrl::make(case)?;
    case.edit(|c| c["linux"]["intelRdt"] = json!({"enableMonitoring": true}))?;
    resctrl.run_asleep(case)?;
    fs::remove_dir_all(&resctrl.root)?;
    same("exec", case.exec_script(&[], "echo in")?, "in")?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    eventually("it is stopped", || Ok(case.state()?["status"] == "stopped"))?;
    case.rt(&["delete", &case.id])?.ok().map(drop)
}
