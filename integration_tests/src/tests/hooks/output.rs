//! Files that the configuration names for the output of hooks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::json;

use super::{KINDS, add, script};
use crate::harness::config::with_user_namespace;
use crate::harness::{Case, Outcome, has, lacks, same};
use crate::tests::list;

list!["hooks":
    output_in_files,
    output_in_files_with_a_user_namespace,
    output_of_start_and_delete_alone,
    output_of_a_hook_that_fails,
    output_for_a_fifo_that_nobody_reads,
    files_for_output_stay_with_the_hooks,
];

/// Has both streams of all hooks go to files beside the bundle's root.
fn files(case: &Case) -> Outcome<(PathBuf, PathBuf)> {
    let (out, err) = (case.bundle.dir.join("out"), case.bundle.dir.join("err"));
    case.edit(|c| {
        c["annotations"] = json!({"run.oci.hooks.stdout": &out, "run.oci.hooks.stderr": &err});
    })?;
    Ok((out, err))
}

/// What hooks of all kinds write.
fn talk(case: &Case) -> Outcome {
    for kind in KINDS {
        add(
            case,
            kind,
            script(&format!("echo {kind}; echo no {kind} >&2")),
        )?;
    }
    Ok(())
}

fn all_talked(case: &Case) -> Outcome {
    let (out, err) = files(case)?;
    talk(case)?;
    fs::write(&out, "before\n")?;
    same("program", case.run_script("echo ran")?.as_str(), "ran")?;
    let lines = |prefix: &str| KINDS.map(|kind| format!("{prefix}{kind}\n")).concat();
    let expected = format!("before\n{}", lines(""));
    same("stdout", fs::read_to_string(&out)?, expected)?;
    same("stderr", fs::read_to_string(&err)?, lines("no "))?;
    same(
        "mode",
        fs::metadata(&err)?.permissions().mode() & 0o777,
        0o600,
    )
}

fn output_in_files(case: &Case) -> Outcome {
    all_talked(case)
}

fn output_in_files_with_a_user_namespace(case: &Case) -> Outcome {
    case.edit(with_user_namespace)?;
    all_talked(case)
}

/// In commands of their own the hooks append to the same files.
fn output_of_start_and_delete_alone(case: &Case) -> Outcome {
    let (out, _) = files(case)?;
    for kind in ["startContainer", "poststart", "poststop"] {
        add(case, kind, script(&format!("echo {kind}")))?;
    }
    case.bundle.script("exec sleep 600")?;
    case.rt(&["create", &case.id])?.ok()?;
    let read = || fs::read_to_string(&out).unwrap_or_default();
    same("after create", read().as_str(), "")?;
    case.rt(&["start", &case.id])?.ok()?;
    same(
        "after start",
        read().as_str(),
        "startContainer\npoststart\n",
    )?;
    case.rt(&["delete", "--force", &case.id])?.ok()?;
    same(
        "after delete",
        read().as_str(),
        "startContainer\npoststart\npoststop\n",
    )
}

fn output_of_a_hook_that_fails(case: &Case) -> Outcome {
    let (_, err) = files(case)?;
    add(case, "createRuntime", script("echo words >&2; exit 3"))?;
    case.run()?
        .fails(1, &["createRuntime hook #0: exit status 3"])?;
    same("stderr", fs::read_to_string(err)?.as_str(), "words\n")?;
    case.nothing_left()
}

fn output_for_a_fifo_that_nobody_reads(case: &Case) -> Outcome {
    let (out, _) = files(case)?;
    nix::unistd::mkfifo(&out, nix::sys::stat::Mode::S_IRWXU)?;
    for kind in ["createRuntime", "startContainer"] {
        case.edit(|c| c["hooks"] = json!({kind: [{"path": "/bin/true"}]}))?;
        case.run()?.fails(1, &["cannot open", "/out"])?;
        case.nothing_left()?;
    }
    Ok(())
}

fn files_for_output_stay_with_the_hooks(case: &Case) -> Outcome {
    let (out, _) = files(case)?;
    for kind in ["createContainer", "startContainer"] {
        add(case, kind, script("ls /proc/self/fd | tr '\\n' ' '; echo"))?;
    }
    let seen = case.run_script("ls -l /proc/$$/fd")?;
    lacks(&seen, &format!("-> {}", out.display()))?;
    // The fourth is the list's own.
    has(&fs::read_to_string(out)?, "0 1 2 3 \n0 1 2 3 \n")
}
