//! Exit codes, states that allow it, what it shares with the container.

use std::fs;

use serde_json::json;

use crate::harness::{Case, Outcome, eventually, has, holds, no_signals, same};
use crate::tests::list;

list!["exec":
    exit_code,
    signal_gives_128_and_its_number,
    failures_are_255,
    options_after_the_id_are_the_programs,
    in_a_created_container,
    in_a_stopped_container,
    shares_namespaces_and_cgroup,
    adds_no_mount,
    detached_with_a_pid_file,
    leaves_the_container_as_it_was,
    inherits_the_processs_settings,
    signals_are_reset,
    missing_interpreter,
    large_output_arrives,
];

fn exit_code(case: &Case) -> Outcome {
    case.run_asleep()?;
    for code in [0, 1, 42, 255] {
        case.exec(&[], &format!("exit {code}"))?.ended(code)?;
    }
    Ok(())
}

fn signal_gives_128_and_its_number(case: &Case) -> Outcome {
    case.run_asleep()?;
    case.exec(&[], "kill -TERM $$")?.ended(143)?;
    case.exec(&[], "kill -KILL $$")?.ended(137).map(drop)
}

fn failures_are_255(case: &Case) -> Outcome {
    case.run_asleep()?;
    let id = case.id.as_str();
    case.rt(&["exec", id, "nosuch"])?
        .fails(255, &["nosuch", "executable file not found in $PATH"])?;
    case.rt(&["exec", id, "/nosuch"])?
        .fails(255, &["/nosuch", "no such file or directory"])?;
    case.rt(&["exec", id, "/etc"])?.fails(255, &["/etc"])?;
    case.rt(&["exec", id, "/etc/passwd"])?
        .fails(255, &["/etc/passwd", "permission denied"])?;
    case.rt(&["exec", "--pid-file", "/nosuch/dir/pid", id, "true"])?
        .fails(255, &["/nosuch/dir"])?;
    case.rt(&["exec", "--process", "/nosuch", id])?
        .fails(255, &["/nosuch"])?;
    case.rt(&["exec", "--cwd", "relative", id, "true"])?
        .ended(255)?;
    case.rt(&["exec", "--cwd", "/no/such", id, "true"])?
        .fails(255, &["chdir", "/no/such", "no such file or directory"])?;
    same(
        "nothing is made",
        case.bundle.rootfs.join("no").exists(),
        false,
    )?;
    let answer = case.rt(&["exec", "--frobnicate", id, "true"])?;
    same("an unknown option fails", answer.code != 0, true)
}

fn options_after_the_id_are_the_programs(case: &Case) -> Outcome {
    case.run_asleep()?;
    let out = case
        .rt(&["exec", &case.id, "echo", "--env", "-t", "-d"])?
        .ok()?
        .out();
    same("output", out, "--env -t -d\n")?;
    let out = case.rt(&["exec", "--", &case.id, "echo", "x"])?.ok()?.out();
    same("output", out, "x\n")
}

fn in_a_created_container(case: &Case) -> Outcome {
    case.rt(&["create", &case.id])?.ok()?;
    same("output", case.exec_script(&[], "echo in")?, "in")?;
    case.status_is("created")?;
    case.rt(&["start", &case.id])?.ok().map(drop)
}

fn in_a_stopped_container(case: &Case) -> Outcome {
    case.run_detached("exit 0")?;
    case.becomes("stopped")?;
    case.exec(&[], "true")?
        .fails(255, &["cannot exec in a stopped container"])
}

fn shares_namespaces_and_cgroup(case: &Case) -> Outcome {
    case.run_asleep()?;
    let links =
        "for n in /proc/PID/ns/*; do echo ${n##*/} $(readlink $n); done; cat /proc/PID/cgroup";
    let of = |pid: &str| case.exec_script(&[], &links.replace("PID", pid));
    same("of init and of exec", of("1")?, of("self")?)
}

fn adds_no_mount(case: &Case) -> Outcome {
    case.run_asleep()?;
    let file = format!("/proc/{}/mountinfo", case.pid()?);
    let before = fs::read_to_string(&file)?;
    for _ in 0..3 {
        case.exec(&[], "true")?.ok()?;
    }
    same("mounts", fs::read_to_string(&file)?, before)
}

fn detached_with_a_pid_file(case: &Case) -> Outcome {
    case.run_asleep()?;
    let file = case.bundle.dir.join("pid");
    let name = file.to_string_lossy().into_owned();
    let line = ["exec", "-d", "--pid-file", &name, &case.id, "sleep", "601"];
    case.rt(&line)?.ok()?;
    let pid = fs::read_to_string(&file)?;
    same("it is not init's", pid != case.pid()?.to_string(), true)?;
    eventually("it sleeps", || {
        let words = fs::read(format!("/proc/{pid}/cmdline"))?;
        Ok(String::from_utf8_lossy(&words) == "sleep\x00601\x00")
    })
}

fn leaves_the_container_as_it_was(case: &Case) -> Outcome {
    case.run_asleep()?;
    let before = case.state()?;
    case.exec(&[], "true")?.ok()?;
    same("state", case.state()?, before)
}

fn inherits_the_processs_settings(case: &Case) -> Outcome {
    case.edit(|c| {
        c["process"]["user"] = json!({"uid": 1000, "gid": 1000, "umask": 0o77});
        c["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]);
        c["process"]["oomScoreAdj"] = json!(123);
        c["process"]["cwd"] = json!("/home/bob");
        c["process"]["noNewPrivileges"] = json!(true);
    })?;
    case.run_asleep()?;
    let seen = case.probe_exec(&[])?;
    same("Uid", seen.status("Uid"), "1000 1000 1000 1000")?;
    same("Umask", seen.status("Umask"), "0077")?;
    same("limit", seen.limit("Max open files"), "77 88")?;
    same("score", seen.part("oom_score_adj"), "123")?;
    same("cwd", seen.part("cwd"), "/home/bob")?;
    same("NoNewPrivs", seen.status("NoNewPrivs"), "1")?;
    has(seen.part("env"), "HOME=/home/bob")
}

fn signals_are_reset(case: &Case) -> Outcome {
    case.run_asleep()?;
    let line = [
        "exec",
        &case.id,
        "grep",
        "-E",
        "^Sig(Blk|Ign)",
        "/proc/self/status",
    ];
    let caller = "trap '' HUP USR1 PIPE; exec env --block-signal=TERM,USR2 \"$@\"";
    let out = case.call(&line).under(caller).answer()?.ok()?.out();
    holds(&out, no_signals(&out))
}

fn missing_interpreter(case: &Case) -> Outcome {
    let file = case.bundle.rootfs.join("run.sh");
    fs::write(&file, "#!/nosuch\n")?;
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    case.run_asleep()?;
    let answer = case.rt(&["exec", &case.id, "/run.sh"])?.ended(255)?;
    has(&answer.err(), "exec /run.sh: no such file or directory")?;
    same("lines", answer.err().lines().count(), 1)
}

fn large_output_arrives(case: &Case) -> Outcome {
    case.run_asleep()?;
    let out = case.exec(&[], "seq 1 50000")?.ok()?.out();
    same("lines", out.lines().count(), 50000)?;
    same("the last", out.lines().next_back(), Some("50000"))
}
