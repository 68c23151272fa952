//! What is in `/dev`.

use serde_json::{Value, json};

use crate::harness::config::{MAPPED_ROOT, with_capabilities, with_user, with_user_namespace};
use crate::harness::{Case, Host, Outcome, has, same};
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
    files_of_the_image_are_bound_over,
    owner_of_the_hosts_null_stays,
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

fn without_dev(case: &Case) -> Outcome {
    case.edit(|c| {
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.retain(|m| {
                !m["destination"]
                    .as_str()
                    .is_some_and(|d| d.starts_with("/dev"))
            });
        }
    })
}

fn without_a_dev_mount(case: &Case) -> Outcome {
    without_dev(case)?;
    same("output", case.run_script("echo ran")?, "ran")
}

/// Where nodes cannot be made, as in a user namespace, the image may have a file for
/// each.
fn files_of_the_image_are_bound_over(case: &Case) -> Outcome {
    without_dev(case)?;
    for name in ["null", "zero", "tty", "mine"] {
        std::fs::write(case.bundle.rootfs.join("dev").join(name), "")?;
    }
    with_devices(
        case,
        json!([{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5}]),
    )?;
    case.edit(with_user_namespace)?;
    case.bundle.give_to(MAPPED_ROOT)?;
    let script = "cd /dev; stat -c %t:%T null zero full tty; echo x > null; head -c 2 zero | wc -c";
    let config = case.bundle.config()?;
    // The host has no /dev/mine to bind.
    case.run()?
        .fails(1, &["/dev/mine", "no such file or directory"])?;
    case.edit(|c| {
        *c = config;
        c["linux"]["devices"] = json!([]);
    })?;
    same("devices", case.run_script(script)?, "1:3\n1:5\n1:7\n5:0\n2")?;
    let null = std::fs::read(case.bundle.rootfs.join("dev/null"))?;
    same("the image's file", null.as_slice(), b"".as_slice())
}

/// Standard streams that are the host's null device are nobody's to give away.
fn owner_of_the_hosts_null_stays(case: &Case) -> Outcome {
    let quiet = "exec \"$@\" </dev/null >/dev/null 2>&1";
    let quietly = |line: &[&str]| case.call(line).under(quiet).answer()?.ok();
    case.bundle.script("true")?;
    case.edit(|c| with_user(c, 1000, 1000))?;
    quietly(&["run", &case.id])?;
    Host::get().unharmed()?;
    for user_namespace in [false, true] {
        case.bundle.script("exec sleep 600")?;
        if user_namespace {
            case.edit(with_user_namespace)?;
            case.bundle.give_to(MAPPED_ROOT)?;
        }
        quietly(&["run", "--detach", &case.id])?;
        quietly(&["exec", "--user", "1000", &case.id, "true"])?;
        quietly(&["exec", "--user", "1000:1000", "-d", &case.id, "true"])?;
        Host::get().unharmed()?;
        case.destroy()?;
    }
    Ok(())
}
