//! Order, input, environment and directory of hooks.

use std::fs;

use serde_json::{Value, json};

use super::{KINDS, add, place, script};
use crate::harness::config::with_env;
use crate::harness::{Case, Outcome, has, holds, lacks, no_signals, same};
use crate::tests::list;

list!["hooks":
    order_of_the_kinds,
    each_list_in_order,
    state_on_stdin,
    state_has_no_escaped_slashes,
    environment_as_given,
    environment_without_env,
    directory,
    arguments_as_given,
    hook_that_reads_nothing,
    descriptors_of_a_hook,
    namespaces_of_the_hooks,
    mounts_are_in_place_and_root_is_writable,
    signals_are_reset,
];

fn order_of_the_kinds(case: &Case) -> Outcome {
    for kind in KINDS.iter().rev() {
        let order = place(case, kind, "order");
        add(case, kind, script(&format!("echo {kind} >> {order}")))?;
    }
    case.bundle.script("exec sleep 600")?;
    let read = || fs::read_to_string(case.bundle.rootfs.join("order")).unwrap_or_default();
    case.rt(&["create", &case.id])?.ok()?;
    same(
        "after create",
        read().as_str(),
        "prestart\ncreateRuntime\ncreateContainer\n",
    )?;
    case.rt(&["start", &case.id])?.ok()?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    case.rt(&["delete", &case.id])?.ok()?;
    same("after delete", read(), KINDS.join("\n") + "\n")?;
    case.nothing_left()
}

fn each_list_in_order(case: &Case) -> Outcome {
    for kind in KINDS {
        let order = place(case, kind, "order");
        for n in 0..3 {
            add(case, kind, script(&format!("echo {n} >> {order}")))?;
        }
    }
    case.run_script("true")?;
    same(
        "order",
        fs::read_to_string(case.bundle.rootfs.join("order"))?,
        "0\n1\n2\n".repeat(6),
    )
}

fn state_on_stdin(case: &Case) -> Outcome {
    case.edit(|c| c["annotations"] = json!({"org.example.a": "b"}))?;
    for kind in KINDS {
        let file = place(case, kind, kind);
        add(case, kind, script(&format!("cat > {file}")))?;
    }
    case.run_script("true")?;
    let bundle = case.bundle.dir.to_string_lossy().into_owned();
    for (kind, status) in [
        ("prestart", "creating"),
        ("createRuntime", "creating"),
        ("createContainer", "creating"),
        ("startContainer", "created"),
        ("poststart", "running"),
        ("poststop", "stopped"),
    ] {
        let text = fs::read_to_string(case.bundle.rootfs.join(kind))?;
        let state: Value = serde_json::from_str(&text)?;
        same(
            &format!("status of {kind}"),
            state["status"].as_str(),
            Some(status),
        )?;
        same("id", state["id"].as_str(), Some(case.id.as_str()))?;
        same("bundle", state["bundle"].as_str(), Some(bundle.as_str()))?;
        same(
            "annotation",
            state["annotations"]["org.example.a"].as_str(),
            Some("b"),
        )?;
        holds("ociVersion", state["ociVersion"].is_string())?;
        let pid = state["pid"].as_i64().unwrap_or(0);
        holds(
            format!("pid {pid} of {kind}"),
            (pid > 0) == (kind != "poststop"),
        )?;
    }
    Ok(())
}

fn state_has_no_escaped_slashes(case: &Case) -> Outcome {
    let file = place(case, "prestart", "state");
    add(case, "prestart", script(&format!("cat > {file}")))?;
    case.run_script("true")?;
    has(
        &fs::read_to_string(case.bundle.rootfs.join("state"))?,
        "\"bundle\":\"/",
    )
}

fn environment_as_given(case: &Case) -> Outcome {
    case.edit(|c| with_env(c, "PROCESS=1"))?;
    for kind in KINDS {
        let file = place(case, kind, kind);
        let text = format!("env > {file}");
        add(
            case,
            kind,
            json!({"path": "/bin/sh", "args": ["sh", "-c", text], "env": ["GIVEN=1", "PATH=/bin:/usr/bin"]}),
        )?;
    }
    case.bundle.script("true")?;
    case.call(&["run", &case.id])
        .env("CALLER", "1")
        .answer()?
        .ok()?;
    for kind in KINDS {
        let env = fs::read_to_string(case.bundle.rootfs.join(kind))?;
        has(&env, "GIVEN=1")?;
        lacks(&env, "PROCESS=1")?;
        lacks(&env, "CALLER=1")?;
    }
    Ok(())
}

fn environment_without_env(case: &Case) -> Outcome {
    case.edit(|c| with_env(c, "PROCESS=1"))?;
    for kind in KINDS {
        let file = place(case, kind, kind);
        add(case, kind, script(&format!("env > {file}")))?;
    }
    case.bundle.script("true")?;
    case.call(&["run", &case.id])
        .env("CALLER", "1")
        .answer()?
        .ok()?;
    for kind in KINDS {
        let env = fs::read_to_string(case.bundle.rootfs.join(kind))?;
        let (wanted, unwanted) = if kind == "startContainer" {
            ("PROCESS=1", "CALLER=1")
        } else {
            ("CALLER=1", "PROCESS=1")
        };
        has(&env, wanted)?;
        lacks(&env, unwanted)?;
    }
    Ok(())
}

fn directory(case: &Case) -> Outcome {
    for kind in KINDS {
        let file = place(case, kind, kind);
        add(
            case,
            kind,
            script(&format!("readlink /proc/self/cwd > {file}")),
        )?;
    }
    case.run_script("true")?;
    let read = |kind: &str| -> Outcome<String> {
        Ok(fs::read_to_string(case.bundle.rootfs.join(kind))?
            .trim()
            .to_owned())
    };
    let rootfs = case.bundle.rootfs.to_string_lossy().into_owned();
    same("createContainer", read("createContainer")?, rootfs)?;
    same("startContainer", read("startContainer")?.as_str(), "/")
}

fn arguments_as_given(case: &Case) -> Outcome {
    let file = place(case, "prestart", "args");
    let text = "tr '\\0' ' ' < /proc/$$/cmdline > $1";
    add(
        case,
        "prestart",
        json!({"path": "/bin/sh", "args": ["other-name", "-c", text, "zero", file]}),
    )?;
    case.run_script("true")?;
    let args = fs::read_to_string(case.bundle.rootfs.join("args"))?;
    holds(
        format!("args[0] is as given: {args}"),
        args.starts_with("other-name -c "),
    )
}

fn hook_that_reads_nothing(case: &Case) -> Outcome {
    case.edit(|c| c["annotations"] = json!({"long": "x".repeat(200_000)}))?;
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
    ] {
        add(case, kind, json!({"path": "/bin/true"}))?;
    }
    for _ in 0..5 {
        case.run_script("true")?;
    }
    Ok(())
}

fn descriptors_of_a_hook(case: &Case) -> Outcome {
    for kind in KINDS {
        let file = place(case, kind, kind);
        // The shell stays, so that what `ls` opens is not taken for its own.
        let text = format!("ls -l /proc/$$/fd > {file}; true");
        add(case, kind, script(&text))?;
    }
    case.bundle.script("true")?;
    let leaking = "exec 3</etc/passwd 9</; exec \"$@\"";
    case.call(&["run", &case.id])
        .under(leaking)
        .answer()?
        .ok()?;
    for kind in KINDS {
        let list = fs::read_to_string(case.bundle.rootfs.join(kind))?;
        let numbers: Vec<&str> = list
            .lines()
            .filter_map(|line| line.split(" -> ").next()?.rsplit(' ').next())
            .filter(|word| word.parse::<u32>().is_ok())
            .filter(|word| !["0", "1", "2"].contains(word))
            .collect();
        // A shell that redirects keeps the old stdout above 9 for a moment.
        let high = numbers
            .iter()
            .filter(|n| n.parse::<u32>().is_ok_and(|n| n < 10));
        same(kind, high.count(), 0)?;
    }
    Ok(())
}

fn namespaces_of_the_hooks(case: &Case) -> Outcome {
    for kind in KINDS {
        let file = place(case, kind, kind);
        add(
            case,
            kind,
            script(&format!("readlink /proc/self/ns/mnt > {file}")),
        )?;
    }
    let inside = case.run_script("readlink /proc/self/ns/mnt")?;
    let host = fs::read_link("/proc/self/ns/mnt")?
        .to_string_lossy()
        .into_owned();
    for kind in KINDS {
        let seen = fs::read_to_string(case.bundle.rootfs.join(kind))?;
        let wanted = if ["createContainer", "startContainer"].contains(&kind) {
            &inside
        } else {
            &host
        };
        same(kind, seen.trim(), wanted.as_str())?;
    }
    Ok(())
}

fn mounts_are_in_place_and_root_is_writable(case: &Case) -> Outcome {
    case.edit(|c| c["root"]["readonly"] = json!(true))?;
    let rootfs = case.bundle.rootfs.to_string_lossy().into_owned();
    let text = format!(
        "grep -q '{rootfs}/proc ' /proc/self/mountinfo && test -e {rootfs}/proc/self && echo made > {rootfs}/by-hook && ln -s by-hook {rootfs}/link"
    );
    add(case, "createContainer", script(&text))?;
    same("seen inside", case.run_script("cat /link")?, "made")
}

fn signals_are_reset(case: &Case) -> Outcome {
    for kind in KINDS {
        let file = place(case, kind, kind);
        let text = format!("exec grep -E '^Sig(Blk|Ign)' /proc/self/status > {file}");
        add(case, kind, script(&text))?;
    }
    case.bundle.script("true")?;
    case.call(&["run", &case.id])
        .under("trap '' HUP USR1 PIPE; exec \"$@\"")
        .answer()?
        .ok()?;
    for kind in KINDS {
        let seen = fs::read_to_string(case.bundle.rootfs.join(kind))?;
        holds(format!("{kind}: {seen}"), no_signals(&seen))?;
    }
    Ok(())
}
