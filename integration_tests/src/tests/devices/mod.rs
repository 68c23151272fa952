//! What is in `/dev`.

use serde_json::{Value, json};

use crate::harness::config::{with_capabilities, with_user};
use crate::harness::{Case, Outcome, has, same};
use crate::tests::list;

list!["devices":
    default_nodes,
    default_links,
    terminal_multiplexer_is_the_containers,
    configured_device,
    callers_umask_does_not_matter,
    directories_on_the_way,
    default_devices_may_be_listed,
    same_path_twice,
    fifo,
    other_devices_are_denied,
    allowed_device_can_be_used,
    without_a_dev_mount,
];

fn with_devices(case: &Case, devices: Value) -> Outcome {
    case.edit(|c| c["linux"]["devices"] = devices)
}

fn default_nodes(case: &Case) -> Outcome {
    let seen = case.probe()?;
    for (name, numbers) in [
        ("null", "1, 3"),
        ("zero", "1, 5"),
        ("full", "1, 7"),
        ("random", "1, 8"),
        ("urandom", "1, 9"),
        ("tty", "5, 0"),
    ] {
        let line = seen.device(name);
        has(&line, &format!("crw-rw-rw- 1 root root {numbers} "))?;
    }
    Ok(())
}

fn default_links(case: &Case) -> Outcome {
    let seen = case.probe()?;
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        has(&seen.device(name), &format!("{name} -> {target}"))?;
    }
    Ok(())
}

fn terminal_multiplexer_is_the_containers(case: &Case) -> Outcome {
    let out = case.run_script("ls /dev/pts; stat -Lc '%a %t:%T' /dev/ptmx")?;
    same("pts", out, "ptmx\n666 5:2")
}

fn configured_device(case: &Case) -> Outcome {
    with_devices(
        case,
        json!([
            {"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 12, "gid": 34},
            {"path": "/dev/plain", "type": "c", "major": 1, "minor": 3},
            {"path": "/dev/block", "type": "b", "major": 7, "minor": 0, "fileMode": 0o600},
            {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 7, "fileMode": 0o666},
        ]),
    )?;
    let out =
        case.run_script("cd /dev; stat -c '%F %a %u:%g %t:%T' mine plain block unbuffered")?;
    same(
        "devices",
        out,
        "character special file 640 12:34 1:5\ncharacter special file 666 0:0 1:3\n\
        block special file 600 0:0 7:0\ncharacter special file 666 0:0 1:7",
    )
}

fn callers_umask_does_not_matter(case: &Case) -> Outcome {
    with_devices(
        case,
        json!([
            {"path": "/dev/a", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666},
            {"path": "/dev/b", "type": "c", "major": 1, "minor": 5, "fileMode": 0o1660},
        ]),
    )?;
    case.bundle.script("stat -c %a /dev/a /dev/b /dev/null")?;
    let call = case
        .call(&["run", &case.id])
        .under("umask 077; exec \"$@\"");
    same("modes", call.answer()?.ok()?.out(), "666\n1660\n666\n")
}

fn directories_on_the_way(case: &Case) -> Outcome {
    with_devices(
        case,
        json!([{"path": "/dev/sub/deep/foo", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666}]),
    )?;
    case.edit(|c| with_user(c, 1000, 1000))?;
    case.bundle
        .script("stat -c %a /dev/sub /dev/sub/deep; head -c 2 /dev/sub/deep/foo | wc -c")?;
    let call = case
        .call(&["run", &case.id])
        .under("umask 077; exec \"$@\"");
    same(
        "modes and bytes",
        call.answer()?.ok()?.out(),
        "755\n755\n2\n",
    )
}

fn default_devices_may_be_listed(case: &Case) -> Outcome {
    with_devices(
        case,
        json!([
            {"path": "/dev/tty", "type": "c", "major": 5, "minor": 0},
            {"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2},
            {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666},
        ]),
    )?;
    let out = case.run_script("stat -Lc '%t:%T' /dev/ptmx /dev/null /dev/tty; ls /dev/pts")?;
    same("devices", out, "5:2\n1:3\n5:0\nptmx")
}

fn same_path_twice(case: &Case) -> Outcome {
    let device = json!({"path": "/dev/mine", "type": "c", "major": 1, "minor": 5});
    with_devices(case, json!([device, device]))?;
    same("device", case.run_script("stat -c %t:%T /dev/mine")?, "1:5")
}

fn fifo(case: &Case) -> Outcome {
    with_devices(
        case,
        json!([{"path": "/dev/pipe", "type": "p", "fileMode": 0o640}]),
    )?;
    same(
        "kind",
        case.run_script("stat -c '%F %a' /dev/pipe")?,
        "fifo 640",
    )
}

fn denied_by_default(c: &mut Value) {
    c["linux"]["resources"]["devices"] = json!([{"allow": false, "access": "rwm"}]);
    with_capabilities(c, &["CAP_MKNOD", "CAP_DAC_OVERRIDE"]);
}

/// Makes the node of the kernel's log and opens it, which changes nothing.
const OPEN_KMSG: &str =
    "mknod /kmsg c 1 11 && echo made; sh -c ': > /kmsg' 2>&1 && echo opened; true";

fn other_devices_are_denied(case: &Case) -> Outcome {
    case.edit(denied_by_default)?;
    let out = case.run_script(OPEN_KMSG)?;
    has(&out, "made")?;
    has(&out, "Operation not permitted")?;
    let out = case.run_script("echo x > /dev/null && head -c 2 /dev/zero | wc -c")?;
    same("the defaults work", out.as_str(), "2")
}

fn allowed_device_can_be_used(case: &Case) -> Outcome {
    case.edit(|c| {
        denied_by_default(c);
        let rule = json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": "w"});
        if let Some(rules) = c["linux"]["resources"]["devices"].as_array_mut() {
            rules.push(rule);
        }
    })?;
    has(&case.run_script(OPEN_KMSG)?, "opened")?;
    has(
        &case.run_script("head -c 1 /kmsg 2>&1; true")?,
        "Operation not permitted",
    )
}

fn without_a_dev_mount(case: &Case) -> Outcome {
    case.edit(|c| {
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.retain(|m| {
                !m["destination"]
                    .as_str()
                    .is_some_and(|d| d.starts_with("/dev"))
            });
        }
    })?;
    same("output", case.run_script("echo ran")?, "ran")
}
