//! Where a mount lands: links, relative names, missing directories.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::{Case, Outcome, has, holds, same};
use crate::tests::list;

list!["mounts":
    file_onto_a_dangling_link,
    directory_through_absolute_links,
    tmpfs_below_an_absolute_link,
    link_that_leaves_the_root_stays_inside,
    loop_of_links_is_refused,
    relative_destination,
    many_slashes,
    nul_byte_is_refused,
    over_the_root,
    proc_that_is_a_link_is_refused,
    sys_that_is_a_link_is_refused,
    files_of_proc,
    other_paths_of_proc_are_refused,
    options_for_links_themselves_are_refused,
    order_is_kept,
];

fn file_onto_a_dangling_link(case: &Case) -> Outcome {
    let file = case.bundle.dir.join("zone");
    fs::write(&file, "zone\n")?;
    symlink("/usr/share/zi/X", case.bundle.rootfs.join("etc/localtime"))?;
    let source = file.to_string_lossy().into_owned();
    case.bundle.mount(json!({"destination": "/etc/localtime", "type": "bind", "source": source, "options": ["bind"]}))?;
    let out =
        case.run_script("cat /etc/localtime; readlink /etc/localtime; cat /usr/share/zi/X")?;
    same(
        "content, link, content",
        out.as_str(),
        "zone\n/usr/share/zi/X\nzone",
    )?;
    holds(
        "nothing on the host",
        !std::path::Path::new("/usr/share/zi/X").exists(),
    )
}

fn directory_through_absolute_links(case: &Case) -> Outcome {
    let source = case.bundle.beside("source")?;
    fs::write(source.join("mark"), "seen\n")?;
    let root = &case.bundle.rootfs;
    fs::create_dir_all(root.join("usr/local"))?;
    fs::create_dir_all(root.join("opt/app-9"))?;
    symlink("/opt/app-9", root.join("usr/local/app"))?;
    symlink("/var/log/app", root.join("opt/app-9/logs"))?;
    let source = source.to_string_lossy().into_owned();
    case.bundle.mount(json!({"destination": "/usr/local/app/logs", "type": "bind", "source": source, "options": ["rbind"]}))?;
    // Without the last directory, then with it.
    for _ in 0..2 {
        let out = case.run_script("cat /usr/local/app/logs/mark /var/log/app/mark")?;
        same("both names", out, "seen\nseen")?;
        fs::create_dir_all(root.join("var/log/app"))?;
    }
    Ok(())
}

fn tmpfs_below_an_absolute_link(case: &Case) -> Outcome {
    let root = &case.bundle.rootfs;
    fs::create_dir_all(root.join("real/conf"))?;
    symlink("/real/conf", root.join("conf"))?;
    case.bundle
        .mount(json!({"destination": "/conf/stack", "type": "tmpfs", "source": "tmpfs"}))?;
    same(
        "type",
        case.probe()?.mount("/real/conf/stack")?.kind,
        "tmpfs",
    )
}

fn link_that_leaves_the_root_stays_inside(case: &Case) -> Outcome {
    let outside = case.bundle.beside("outside")?;
    let name = outside.to_string_lossy().into_owned();
    symlink(&name, case.bundle.rootfs.join("absolute"))?;
    symlink(
        "../../../../../../outside",
        case.bundle.rootfs.join("relative"),
    )?;
    for destination in ["/absolute/a", "/relative/b"] {
        case.bundle
            .mount(json!({"destination": destination, "type": "tmpfs", "source": "tmpfs"}))?;
    }
    let seen = case.probe()?;
    seen.mount(&format!("{name}/a"))?;
    seen.mount("/outside/b")?;
    holds(
        "nothing beside the root",
        fs::read_dir(outside)?.next().is_none(),
    )
}

fn loop_of_links_is_refused(case: &Case) -> Outcome {
    symlink("/b", case.bundle.rootfs.join("a"))?;
    symlink("/a", case.bundle.rootfs.join("b"))?;
    case.bundle
        .mount(json!({"destination": "/a/x", "type": "tmpfs", "source": "tmpfs"}))?;
    case.run()?.fails(1, &["/a/x"])?;
    case.nothing_left()
}

fn relative_destination(case: &Case) -> Outcome {
    case.bundle
        .mount(json!({"destination": "mnt/rel", "type": "tmpfs", "source": "tmpfs"}))?;
    case.bundle
        .script("grep -c ' /mnt/rel ' /proc/self/mountinfo")?;
    let bundle = case.bundle.dir.to_string_lossy().into_owned();
    for dir in [case.bundle.dir.clone(), case.bundle.beside("elsewhere")?] {
        let call = case
            .call(&["run", "--bundle", &bundle, &case.id])
            .in_dir(&dir);
        let answer = call.answer()?.ok()?;
        same("mounts", answer.out(), "1\n")?;
        has(&answer.err(), "level=warning")?;
        has(&answer.err(), "mnt/rel")?;
    }
    Ok(())
}

fn many_slashes(case: &Case) -> Outcome {
    case.bundle
        .mount(json!({"destination": "//mnt///deep//", "type": "tmpfs", "source": "tmpfs"}))?;
    case.probe()?.mount("/mnt/deep").map(drop)
}

fn nul_byte_is_refused(case: &Case) -> Outcome {
    for field in ["destination", "source", "type"] {
        let mut entry = json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"});
        entry[field] = json!("/mnt\u{0}x");
        case.edit(|c| c["mounts"] = json!([entry]))?;
        case.run()?.fails(1, &["mounts[0]"])?;
    }
    case.nothing_left()
}

fn over_the_root(case: &Case) -> Outcome {
    // What comes after lands in the root that is seen.
    let other = case.another()?;
    fs::write(other.bundle.rootfs.join("which"), "other\n")?;
    fs::write(other.bundle.rootfs.join("secret"), "secret\n")?;
    let source = other.bundle.rootfs.to_string_lossy().into_owned();
    case.edit(|c| {
        let over =
            json!({"destination": "/", "type": "bind", "source": source, "options": ["rbind"]});
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.insert(0, over);
        }
        c["linux"]["maskedPaths"] = json!(["/secret"]);
    })?;
    let script = "cat /which /secret; test -c /dev/null && echo dev";
    same("the root", case.run_script(script)?, "other\ndev")?;
    // Whatever name leads there, read-only at that, and without a pivot.
    symlink("/", case.bundle.rootfs.join("link"))?;
    fs::create_dir(other.bundle.rootfs.join("sub"))?;
    let script = "cat /which /secret; touch /x 2>/dev/null || echo closed; awk '$5 == \"/\"' /proc/self/mountinfo | wc -l";
    for name in ["/link", "/etc/..", "/"] {
        case.edit(|c| {
            c["mounts"][0]["destination"] = json!(name);
            c["root"]["readonly"] = json!(true);
        })?;
        same(name, case.run_script(script)?, "other\nclosed\n1")?;
    }
    case.bundle.script("cat /which /secret")?;
    let answer = case.rt(&["run", "--no-pivot", &case.id])?.ok()?;
    same("without a pivot", answer.out(), "other\n")
}

fn proc_that_is_a_link_is_refused(case: &Case) -> Outcome {
    refused_as_a_link(case, "proc")
}

fn sys_that_is_a_link_is_refused(case: &Case) -> Outcome {
    refused_as_a_link(case, "sys")
}

fn refused_as_a_link(case: &Case, name: &str) -> Outcome {
    let path = case.bundle.rootfs.join(name);
    fs::remove_dir(&path)?;
    fs::create_dir(case.bundle.rootfs.join("elsewhere"))?;
    symlink("/elsewhere", &path)?;
    case.run()?
        .fails(1, &["must be mounted on ordinary directory"])?;
    case.nothing_left()
}

fn files_of_proc(case: &Case) -> Outcome {
    let file = case.bundle.dir.join("fake");
    fs::write(&file, "fake\n")?;
    let source = file.to_string_lossy().into_owned();
    let names = [
        "cpuinfo",
        "meminfo",
        "stat",
        "uptime",
        "loadavg",
        "sys/kernel/ns_last_pid",
    ];
    for name in names {
        case.bundle.mount(json!({"destination": format!("/proc/{name}"), "type": "bind", "source": source, "options": ["bind"]}))?;
    }
    let script = "cd /proc; cat cpuinfo meminfo stat uptime loadavg sys/kernel/ns_last_pid";
    same("content", case.run_script(script)?, ["fake"; 6].join("\n"))
}

fn other_paths_of_proc_are_refused(case: &Case) -> Outcome {
    let source = case.bundle.beside("fake")?.to_string_lossy().into_owned();
    let config = case.bundle.config()?;
    for name in [
        "/proc/self",
        "/proc/1",
        "/proc/sys",
        "/proc/net/dev",
        "/proc/self/attr/exec",
        "/proc/version",
        "/proc/sys/kernel/core_pattern",
    ] {
        case.edit(|c| *c = config.clone())?;
        case.bundle.mount(
            json!({"destination": name, "type": "bind", "source": source, "options": ["bind"]}),
        )?;
        case.run()?.fails(1, &["/proc"])?;
    }
    case.nothing_left()
}

/// One of crun's extensions: done as asked, or not at all.
fn options_for_links_themselves_are_refused(case: &Case) -> Outcome {
    let source = case.bundle.beside("source")?;
    symlink("file", source.join("link"))?;
    symlink("/etc/passwd", case.bundle.rootfs.join("link"))?;
    let source = source.join("link").to_string_lossy().into_owned();
    for option in ["src-nofollow", "dest-nofollow"] {
        let config = case.bundle.config()?;
        case.bundle.mount(json!({"destination": "/link", "type": "bind", "source": source, "options": ["bind", option]}))?;
        case.run()?.fails(1, &[option])?;
        case.nothing_left()?;
        case.edit(|c| *c = config)?;
    }
    Ok(())
}

fn order_is_kept(case: &Case) -> Outcome {
    for size in ["size=4k", "size=8k"] {
        case.bundle.mount(
            json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": [size]}),
        )?;
    }
    has(&case.probe()?.mount("/mnt")?.super_options, "size=8k")
}
