//! Bind mounts: sources, options, recursion.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use serde_json::json;

use crate::harness::config::{MAPPED_ROOT, with_user_namespace};
use crate::harness::{Case, Fault, Outcome, has, holds, same};
use crate::tests::list;

list!["mounts":
    bind_of_a_directory,
    bind_of_a_file,
    bind_source_relative_to_the_bundle,
    bind_decided_by_the_options,
    bind_without_a_bind_option_is_refused,
    data_options_on_a_bind_are_refused,
    missing_source_is_refused,
    read_only_bind,
    flags_of_a_bind,
    flags_of_the_source_are_kept,
    read_only_bind_is_not_recursive,
    recursive_read_only_bind,
    locked_flags_in_a_user_namespace,
    source_that_only_the_host_may_reach,
    source_below_an_earlier_mount,
    access_time_options,
    access_time_of_the_source,
];

fn source(case: &Case) -> Outcome<String> {
    let dir = case.bundle.beside("source")?;
    fs::write(dir.join("mark"), "from the host\n")?;
    Ok(dir.to_string_lossy().into_owned())
}

/// A tmpfs of the host, gone with the mount namespace of the tests at the latest.
fn tmpfs(dir: &Path, flags: MsFlags) -> Outcome {
    fs::create_dir_all(dir)?;
    mount(Some("tmpfs"), dir, Some("tmpfs"), flags, None::<&str>)?;
    Ok(())
}

fn release(dir: &Path) -> Outcome {
    nix::mount::umount2(dir, nix::mount::MntFlags::MNT_DETACH)?;
    Ok(())
}

fn bind_of_a_directory(case: &Case) -> Outcome {
    let source = source(case)?;
    case.bundle.mount(
        json!({"destination": "/data", "type": "bind", "source": source, "options": ["bind"]}),
    )?;
    let out = case.run_script("cat /data/mark; echo back > /data/new")?;
    same("content", out.as_str(), "from the host")?;
    same(
        "written",
        fs::read_to_string(Path::new(&source).join("new"))?,
        "back\n",
    )?;
    holds(
        "the mount point was made",
        case.bundle.rootfs.join("data").is_dir(),
    )
}

fn bind_of_a_file(case: &Case) -> Outcome {
    let source = source(case)? + "/mark";
    case.bundle.mount(json!({"destination": "/etc/deep/file", "type": "bind", "source": source, "options": ["bind", "ro"]}))?;
    let out =
        case.run_script("cat /etc/deep/file; sh -c 'echo x > /etc/deep/file' 2>/dev/null; true")?;
    same("content", out.as_str(), "from the host")?;
    holds(
        "the mount point is a file",
        case.bundle.rootfs.join("etc/deep/file").is_file(),
    )
}

fn bind_source_relative_to_the_bundle(case: &Case) -> Outcome {
    source(case)?;
    case.bundle.mount(
        json!({"destination": "/data", "type": "bind", "source": "source", "options": ["bind"]}),
    )?;
    let dir = case.bundle.beside("elsewhere")?;
    case.bundle.script("cat /data/mark")?;
    let bundle = case.bundle.dir.to_string_lossy().into_owned();
    let call = case
        .call(&["run", "--bundle", &bundle, &case.id])
        .in_dir(&dir);
    same("content", call.answer()?.ok()?.out(), "from the host\n")
}

fn bind_decided_by_the_options(case: &Case) -> Outcome {
    let source = source(case)?;
    for (n, kind) in [json!("none"), json!(""), json!("bind"), json!(null)]
        .iter()
        .enumerate()
    {
        let mut entry =
            json!({"destination": format!("/data{n}"), "source": source, "options": ["rbind"]});
        if !kind.is_null() {
            entry["type"] = kind.clone();
        }
        case.bundle.mount(entry)?;
    }
    let out = case.run_script("cat /data0/mark /data1/mark /data2/mark /data3/mark")?;
    same("lines", out.lines().count(), 4)
}

fn bind_without_a_bind_option_is_refused(case: &Case) -> Outcome {
    let source = source(case)?;
    case.bundle.mount(
        json!({"destination": "/data", "type": "bind", "source": source, "options": ["ro"]}),
    )?;
    case.run()?.fails(1, &["bind"])?;
    case.nothing_left()
}

fn data_options_on_a_bind_are_refused(case: &Case) -> Outcome {
    let source = source(case)?;
    case.bundle.mount(json!({"destination": "/data", "type": "bind", "source": source, "options": ["rbind", "size=10m"]}))?;
    case.run()?.fails(1, &["size=10m"])?;
    case.nothing_left()
}

fn missing_source_is_refused(case: &Case) -> Outcome {
    let missing = case
        .bundle
        .dir
        .join("missing")
        .to_string_lossy()
        .into_owned();
    case.bundle.mount(
        json!({"destination": "/data", "type": "bind", "source": missing, "options": ["bind"]}),
    )?;
    case.run()?
        .fails(1, &[&missing, "no such file or directory"])?;
    case.nothing_left()
}

fn read_only_bind(case: &Case) -> Outcome {
    let source = source(case)?;
    case.bundle.mount(json!({"destination": "/data", "type": "bind", "source": source, "options": ["bind", "ro"]}))?;
    let out = case.run_script("touch /data/new 2>&1; true")?;
    has(&out, "Read-only file system")?;
    holds("nothing was made", !Path::new(&source).join("new").exists())
}

fn flags_of_a_bind(case: &Case) -> Outcome {
    let source = source(case)?;
    case.bundle.mount(json!({"destination": "/data", "type": "bind", "source": source, "options": ["bind", "nosuid", "nodev", "noexec"]}))?;
    let mount = case.probe()?.mount("/data")?;
    for flag in ["nosuid", "nodev", "noexec", "rw"] {
        holds(format!("{flag} in {}", mount.options), mount.has(flag))?;
    }
    Ok(())
}

fn flags_of_the_source_are_kept(case: &Case) -> Outcome {
    let dir = case.bundle.dir.join("host");
    tmpfs(&dir, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC)?;
    let source = dir.to_string_lossy().into_owned();
    case.bundle.mount(
        json!({"destination": "/data", "type": "bind", "source": source, "options": ["bind"]}),
    )?;
    let mount = case.probe().and_then(|seen| seen.mount("/data"));
    release(&dir)?;
    let mount = mount?;
    holds(
        format!("nosuid and noexec in {}", mount.options),
        mount.has("nosuid") && mount.has("noexec"),
    )
}

fn nested(case: &Case, options: &[&str]) -> Outcome<String> {
    let dir = case.bundle.beside("source")?;
    let inner = dir.join("inner");
    tmpfs(&inner, MsFlags::empty())?;
    let source = dir.to_string_lossy().into_owned();
    case.bundle.mount(
        json!({"destination": "/data", "type": "bind", "source": source, "options": options}),
    )?;
    let script = "touch /data/x 2>/dev/null && echo outer; touch /data/inner/x 2>/dev/null && echo inner; true";
    let out = case.run_script(script);
    release(&inner)?;
    out
}

fn read_only_bind_is_not_recursive(case: &Case) -> Outcome {
    same("writable", nested(case, &["rbind", "ro"])?, "inner")
}

fn recursive_read_only_bind(case: &Case) -> Outcome {
    same("writable", nested(case, &["rbind", "rro"])?, "")
}

fn locked_flags_in_a_user_namespace(case: &Case) -> Outcome {
    let dir = case.bundle.dir.join("host");
    tmpfs(
        &dir,
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
    )?;
    let source = dir.to_string_lossy().into_owned();
    case.edit(with_user_namespace)?;
    case.bundle.give_to(MAPPED_ROOT)?;
    case.bundle.mount(json!({"destination": "/data", "type": "bind", "source": source, "options": ["rbind", "ro"]}))?;
    let mount = case.probe().and_then(|seen| seen.mount("/data"));
    release(&dir)?;
    let mount = mount?;
    for flag in ["ro", "nosuid", "nodev", "noexec"] {
        holds(format!("{flag} in {}", mount.options), mount.has(flag))?;
    }
    Ok(())
}

fn source_that_only_the_host_may_reach(case: &Case) -> Outcome {
    let dir = case.bundle.beside("closed")?;
    let source = dir.join("source");
    fs::create_dir(&source)?;
    fs::write(source.join("mark"), "reached\n")?;
    fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    case.edit(with_user_namespace)?;
    case.bundle.give_to(MAPPED_ROOT)?;
    let source = source.to_string_lossy().into_owned();
    case.bundle.mount(
        json!({"destination": "/data", "type": "bind", "source": source, "options": ["rbind"]}),
    )?;
    same("content", case.run_script("cat /data/mark")?, "reached")
}

fn source_below_an_earlier_mount(case: &Case) -> Outcome {
    let source = source(case)?;
    case.bundle
        .mount(json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"}))?;
    case.bundle.mount(
        json!({"destination": "/mnt/below", "type": "bind", "source": source, "options": ["bind"]}),
    )?;
    same(
        "content",
        case.run_script("cat /mnt/below/mark")?.as_str(),
        "from the host",
    )?;
    let mark = case.bundle.rootfs.join("mnt/below");
    holds("nothing was made below the tmpfs", !mark.exists())
}

fn access_time_options(case: &Case) -> Outcome {
    let source = source(case)?;
    for option in ["noatime", "nodiratime", "strictatime", "relatime"] {
        let destination = format!("/{option}");
        case.bundle.mount(json!({"destination": destination, "type": "bind", "source": source, "options": ["bind", option]}))?;
    }
    let seen = case.probe()?;
    for option in ["noatime", "nodiratime", "relatime"] {
        let mount = seen.mount(&format!("/{option}"))?;
        if !mount.has(option) {
            return Err(Fault::failed(format!(
                "{option} is not in {}",
                mount.options
            )));
        }
    }
    let strict = seen.mount("/strictatime")?;
    holds(
        format!("no relatime in {}", strict.options),
        !strict.has("relatime") && !strict.has("noatime"),
    )
}

fn access_time_of_the_source(case: &Case) -> Outcome {
    let source = case.bundle.beside("source")?;
    let flags = MsFlags::MS_NOATIME | MsFlags::MS_NODIRATIME;
    mount(Some("tmpfs"), &source, Some("tmpfs"), flags, None::<&str>)?;
    let text = source.to_string_lossy();
    for option in ["dev", "diratime", "nodiratime", "strictatime"] {
        let destination = format!("/{option}");
        case.bundle.mount(json!({"destination": destination, "type": "bind", "source": text, "options": ["bind", option]}))?;
    }
    let seen = case.probe();
    nix::mount::umount(&source)?;
    let seen = seen?;
    for (option, no_atime, no_dir) in [
        ("dev", true, true),
        ("diratime", true, true),
        ("nodiratime", false, true),
        ("strictatime", false, false),
    ] {
        let mount = seen.mount(&format!("/{option}"))?;
        same(
            option,
            (mount.has("noatime"), mount.has("nodiratime")),
            (no_atime, no_dir),
        )?;
    }
    Ok(())
}
