//! What of a mount is seen on the other side.

use std::fs;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::json;

use crate::harness::config::{MAPPED_ROOT, with_capabilities, with_user_namespace};
use crate::harness::{Case, Fault, MountLine, Outcome, eventually, has, holds, lacks, same};
use crate::tests::list;

list!["mounts":
    everything_is_private_by_default,
    bind_is_private_by_default,
    slave_bind_receives,
    shared_bind_sends_and_receives,
    propagation_options_show,
    peer_group_of_the_source_is_kept,
    late_mounts_reach_a_user_namespace,
    propagation_of_a_mount_is_its_own,
    root_propagation,
    slave_root_of_a_shared_mount,
    unknown_root_propagation_is_refused,
];

fn everything_is_private_by_default(case: &Case) -> Outcome {
    // The host's mounts are all shared.
    for mount in case.probe()?.mounts() {
        lacks(&mount.propagation, "shared:")?;
    }
    Ok(())
}

fn bind(case: &Case, options: &[&str]) -> Outcome<std::path::PathBuf> {
    // A mount of its own, as engines demand of a shared source.
    let dir = case.bundle.beside("source")?;
    mount(
        Some("tmpfs"),
        &dir,
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )?;
    fs::create_dir(dir.join("late"))?;
    let source = dir.to_string_lossy().into_owned();
    case.bundle.mount(
        json!({"destination": "/data", "type": "bind", "source": source, "options": options}),
    )?;
    case.edit(|c| with_capabilities(c, &["CAP_SYS_ADMIN"]))?;
    Ok(dir)
}

fn release(dir: &std::path::Path) -> Outcome {
    umount2(dir, MntFlags::MNT_DETACH)?;
    Ok(())
}

fn host_sees(path: &std::path::Path) -> Outcome<bool> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(text.contains(&format!(" {} ", path.display())))
}

fn bind_is_private_by_default(case: &Case) -> Outcome {
    let dir = bind(case, &["rbind"])?;
    case.run_asleep()?;
    case.exec_script(&[], "mount -t tmpfs tmpfs /data/late")?;
    let leaked = host_sees(&dir.join("late"))?;
    release(&dir)?;
    holds("nothing leaked out", !leaked)
}

/// Mounts on the host, looks inside, unmounts, looks inside.
fn receives(case: &Case, dir: &std::path::Path) -> Outcome {
    let late = dir.join("late");
    let count = || case.exec_script(&[], "grep -c ' /data/late ' /proc/self/mountinfo; true");
    mount(
        Some("tmpfs"),
        &late,
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )?;
    let mounted = count();
    umount2(&late, MntFlags::MNT_DETACH)?;
    same("after the mount", mounted?.as_str(), "1")?;
    same("after the unmount", count()?.as_str(), "0")
}

fn slave_bind_receives(case: &Case) -> Outcome {
    let dir = bind(case, &["rbind", "rslave"])?;
    case.edit(|c| c["linux"]["rootfsPropagation"] = json!("rslave"))?;
    case.run_asleep()?;
    receives(case, &dir)?;
    case.exec_script(&[], "mount -t tmpfs tmpfs /data/late")?;
    let leaked = host_sees(&dir.join("late"))?;
    release(&dir)?;
    holds("nothing leaked out", !leaked)
}

fn shared_bind_sends_and_receives(case: &Case) -> Outcome {
    let dir = bind(case, &["rbind", "rshared"])?;
    case.edit(|c| c["linux"]["rootfsPropagation"] = json!("rshared"))?;
    case.run_asleep()?;
    receives(case, &dir)?;
    case.exec_script(&[], "mount -t tmpfs tmpfs /data/late")?;
    let late = dir.join("late");
    eventually("the host sees it", || host_sees(&late))?;
    release(&late)?;
    release(&dir)
}

fn propagation_options_show(case: &Case) -> Outcome {
    let source = case.bundle.beside("source")?.to_string_lossy().into_owned();
    for option in ["shared", "slave", "private", "unbindable"] {
        let destination = format!("/{option}");
        case.bundle.mount(json!({"destination": destination, "type": "bind", "source": source, "options": ["bind", option]}))?;
    }
    let seen = case.probe()?;
    has(&seen.mount("/shared")?.propagation, "shared:")?;
    lacks(&seen.mount("/private")?.propagation, ":")?;
    has(&seen.mount("/unbindable")?.propagation, "unbindable")
}

/// The peer group of a mount of the host, as `shared:N` has it.
fn peer_group(path: &std::path::Path) -> Outcome<String> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    let mounts = text.lines().filter_map(MountLine::parse);
    let own = mounts.filter(|mount| std::path::Path::new(&mount.point) == path);
    let word = own
        .reduce(|_, last| last)
        .map(|mount| mount.propagation.clone());
    match word
        .as_deref()
        .and_then(|word| word.strip_prefix("shared:"))
    {
        Some(number) => Ok(number.to_owned()),
        None => Err(Fault::failed(format!(
            "{} is shared, not {word:?}",
            path.display()
        ))),
    }
}

fn peer_group_of_the_source_is_kept(case: &Case) -> Outcome {
    let dir = bind(case, &["rbind", "rshared"])?;
    let source = dir.to_string_lossy().into_owned();
    case.bundle.mount(json!({"destination": "/slave", "type": "bind", "source": source, "options": ["rbind", "rslave"]}))?;
    let group = peer_group(&dir)?;
    let compare = |words: [String; 2]| {
        let seen = case.probe()?;
        has(&seen.mount("/data")?.propagation, &words[0])?;
        has(&seen.mount("/slave")?.propagation, &words[1])
    };
    case.edit(|c| c["linux"]["rootfsPropagation"] = json!("rshared"))?;
    let own = compare([format!("shared:{group}"), format!("master:{group}")]);
    case.edit(|c| c["linux"]["rootfsPropagation"] = json!("rslave"))?;
    // A mount namespace of another user's receives at most (mount_namespaces(7)).
    case.edit(with_user_namespace)?;
    case.bundle.give_to(MAPPED_ROOT)?;
    let of_a_user = compare([format!("master:{group}"), format!("master:{group}")]);
    release(&dir)?;
    own.and(of_a_user)
}

fn late_mounts_reach_a_user_namespace(case: &Case) -> Outcome {
    let dir = bind(case, &["rbind", "rslave"])?;
    case.edit(|c| {
        with_user_namespace(c);
        c["linux"]["rootfsPropagation"] = json!("rslave");
    })?;
    case.bundle.give_to(MAPPED_ROOT)?;
    case.run_asleep()?;
    let received = receives(case, &dir);
    release(&dir)?;
    received
}

/// What is asked of a mount is the mount's, whatever is asked of the root.
fn propagation_of_a_mount_is_its_own(case: &Case) -> Outcome {
    let source = case.bundle.beside("source")?.to_string_lossy().into_owned();
    for option in ["rshared", "rslave", "rprivate", "runbindable"] {
        let destination = format!("/{option}");
        case.bundle.mount(json!({"destination": destination, "type": "bind", "source": source, "options": ["bind", option]}))?;
    }
    for root in [
        "rshared",
        "shared",
        "rslave",
        "slave",
        "rprivate",
        "private",
        "runbindable",
        "unbindable",
    ] {
        case.edit(|c| c["linux"]["rootfsPropagation"] = json!(root))?;
        let seen = case.probe()?;
        let of = |option: &str| Ok::<_, Fault>(seen.mount(&format!("/{option}"))?.propagation);
        has(&of("rshared")?, "shared:")?;
        lacks(&of("rslave")?, "shared:")?;
        same(root, of("rprivate")?.as_str(), "")?;
        has(&of("runbindable")?, "unbindable")?;
    }
    Ok(())
}

fn root_propagation(case: &Case) -> Outcome {
    for (asked, seen) in [("shared", "shared:"), ("unbindable", "unbindable")] {
        case.edit(|c| c["linux"]["rootfsPropagation"] = json!(asked))?;
        has(&case.probe()?.mount("/")?.propagation, seen)?;
    }
    case.edit(|c| c["linux"]["rootfsPropagation"] = json!("private"))?;
    same(
        "private",
        case.probe()?.mount("/")?.propagation.as_str(),
        "",
    )
}

fn slave_root_of_a_shared_mount(case: &Case) -> Outcome {
    // The host's mounts are all shared, the one that holds the root among them,
    // be it `/` or another, which a word without the r does not reach.
    let rootfs = case.bundle.rootfs.clone();
    let root_is_a_slave = |word: &str| {
        case.edit(|c| c["linux"]["rootfsPropagation"] = json!(word))?;
        let propagation = case.probe()?.mount("/")?.propagation.clone();
        has(&propagation, "master:")?;
        lacks(&propagation, "shared:")
    };
    for word in ["slave", "rslave"] {
        root_is_a_slave(word)?;
        mount(
            Some(&rootfs),
            &rootfs,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )?;
        let on_a_mount = root_is_a_slave(word);
        release(&rootfs)?;
        on_a_mount?;
    }
    Ok(())
}

fn unknown_root_propagation_is_refused(case: &Case) -> Outcome {
    case.edit(|c| c["linux"]["rootfsPropagation"] = json!("sideways"))?;
    case.run()?.fails(1, &["sideways"])?;
    case.nothing_left()
}
