//! T1: links in the image at every place that the runtime touches.
//! CVE-2015-3627, CVE-2019-18837, CVE-2024-45310, CVE-2025-24965, CVE-2026-41579.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::Decoy;
use super::ways::{LACKING, WAYS, Way, clean, run_without, start, without_mounts};
use crate::harness::config::{MAPPED_ROOT, with_user_namespace};
use crate::harness::{Case, Outcome, holds};
use crate::tests::list;

list!["attacks::t01":
    renames_on_the_way,
    links_at_every_place,
    links_in_a_user_namespace,
    links_where_calls_are_missing,
    links_at_destinations_and_devices,
    links_at_destinations_where_calls_are_missing,
];

/// Puts a link of this sort at `place` in the root file system.
fn put(case: &Case, place: &str, target: &str) -> Outcome {
    let path = case.bundle.rootfs.join(place);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(&path)?;
    } else if path.is_symlink() || path.exists() {
        fs::remove_file(&path)?;
    }
    symlink(target, path)?;
    Ok(())
}

fn targets(case: &Case, decoy: &Decoy) -> Outcome<Vec<(&'static str, String)>> {
    let outside = decoy.path();
    let root = &case.bundle.rootfs;
    for (name, target) in [
        ("chain1", "/chain2"),
        ("chain2", "/chain3"),
        ("loop1", "/loop2"),
        ("loop2", "/loop1"),
    ] {
        let _ = fs::remove_file(root.join(name));
        symlink(target, root.join(name))?;
    }
    let _ = fs::remove_file(root.join("chain3"));
    symlink(&outside, root.join("chain3"))?;
    let up = "../".repeat(12);
    Ok(vec![
        ("absolute", outside.clone()),
        (
            "relative",
            format!("{up}{}", outside.trim_start_matches('/')),
        ),
        ("chain", "/chain1".to_owned()),
        ("loop", "/loop1".to_owned()),
        ("dangling", format!("{outside}/new")),
    ])
}

const PLACES: [&str; 10] = [
    "dev",
    "dev/pts",
    "dev/shm",
    "dev/mqueue",
    "proc",
    "sys",
    "sys/fs",
    "sys/fs/cgroup",
    "etc",
    "tmp",
];

/// The places with their links, one bundle after the other.
fn everywhere(
    case: &Case,
    with_mounts: bool,
    mut attempt: impl FnMut(&Case, &str) -> Outcome,
) -> Outcome {
    let decoy = Decoy::make(case)?;
    let config = case.bundle.config()?;
    for place in PLACES {
        for (sort, target) in targets(case, &decoy)? {
            // The image as it was, but for this one place.
            let fresh = case.another()?;
            fresh.edit(|c| {
                let cgroup = fresh.cgroup.clone();
                *c = config.clone();
                c["linux"]["cgroupsPath"] = json!(cgroup);
                c["process"]["args"] = json!(["/bin/busybox", "true"]);
                if !with_mounts {
                    without_mounts(c, &format!("/{place}"));
                }
            })?;
            targets(&fresh, &decoy)?;
            put(&fresh, place, &target)?;
            if config["linux"]["uidMappings"].is_array() {
                fresh.bundle.give_to(MAPPED_ROOT)?;
            }
            attempt(&fresh, &format!("{sort} link at {place}"))?;
            decoy.check()?;
            fs::remove_dir_all(&fresh.bundle.dir)?;
        }
    }
    case.nothing_left()
}

/// `run` of one, `create` of the next.
fn alternately() -> impl FnMut(&Case, &str) -> Outcome {
    let mut ways = WAYS.into_iter().cycle();
    move |fresh, context| clean(context, &start(fresh, ways.next().unwrap_or(Way::Run))?)
}

fn links_at_every_place(case: &Case) -> Outcome {
    everywhere(case, true, alternately())?;
    everywhere(case, false, alternately())
}

fn links_in_a_user_namespace(case: &Case) -> Outcome {
    case.edit(with_user_namespace)?;
    case.bundle.give_to(MAPPED_ROOT)?;
    everywhere(case, true, alternately())?;
    everywhere(case, false, alternately())
}

fn links_where_calls_are_missing(case: &Case) -> Outcome {
    let mut lacking = LACKING.into_iter().skip(1).cycle();
    for with_mounts in [true, false] {
        everywhere(case, with_mounts, |fresh, context| {
            let calls = lacking.next().unwrap_or_default();
            clean(
                &format!("{context} without {calls}"),
                &run_without(fresh, calls)?,
            )
        })?;
    }
    Ok(())
}

fn links_at_destinations_and_devices(case: &Case) -> Outcome {
    let mut ways = WAYS.into_iter().cycle();
    at_destinations(case, |context| {
        clean(context, &start(case, ways.next().unwrap_or(Way::Run))?)
    })
}

fn links_at_destinations_where_calls_are_missing(case: &Case) -> Outcome {
    let mut lacking = LACKING.into_iter().skip(1).cycle();
    at_destinations(case, |context| {
        let calls = lacking.next().unwrap_or_default();
        clean(
            &format!("{context} without {calls}"),
            &run_without(case, calls)?,
        )
    })
}

fn at_destinations(case: &Case, mut attempt: impl FnMut(&str) -> Outcome) -> Outcome {
    let decoy = Decoy::make(case)?;
    let source = case.bundle.dir.join("source");
    fs::write(&source, "source\n")?;
    case.edit(|c| {
        c["linux"]["devices"] =
            json!([{"path": "/opt/device", "type": "c", "major": 1, "minor": 3, "uid": 55}]);
        c["linux"]["maskedPaths"] = json!(["/opt/masked"]);
        c["linux"]["readonlyPaths"] = json!(["/opt/fixed"]);
        c["process"]["cwd"] = json!("/opt/cwd");
        c["process"]["args"] = json!(["/bin/busybox", "true"]);
    })?;
    case.bundle.mount(
        json!({"destination": "/opt/file", "type": "bind", "source": source, "options": ["bind"]}),
    )?;
    case.bundle
        .mount(json!({"destination": "/opt/sub/dir", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}))?;
    for place in [
        "opt/device",
        "opt/masked",
        "opt/fixed",
        "opt/cwd",
        "opt/file",
        "opt/sub",
        "opt/sub/dir",
    ] {
        for (sort, target) in targets(case, &decoy)? {
            for end in ["", "/file", "/dir", "/new"] {
                let opt = case.bundle.rootfs.join("opt");
                fs::remove_dir_all(&opt)?;
                fs::create_dir(&opt)?;
                put(case, place, &format!("{target}{end}"))?;
                attempt(&format!("{sort} link{end} at {place}"))?;
                decoy.check()?;
            }
        }
    }
    case.nothing_left()
}

/// Directories on the way of mounts are exchanged with links all the time; a lookup
/// that is disturbed is made again, and never leaves the root.
fn renames_on_the_way(case: &Case) -> Outcome {
    use std::sync::atomic::{AtomicBool, Ordering};
    let decoy = Decoy::make(case)?;
    let root = &case.bundle.rootfs;
    fs::create_dir_all(root.join("a/b/c"))?;
    fs::create_dir_all(root.join("other/b/c"))?;
    symlink(decoy.path(), root.join("link"))?;
    for (n, destination) in ["/a/b/c/m1", "/a/b/m2", "/a/m3"].into_iter().enumerate() {
        case.bundle.mount(json!({
            "destination": destination, "type": "tmpfs", "source": format!("storm{n}")}))?;
    }
    case.bundle
        .script("grep -c ' storm' /proc/self/mountinfo; true")?;
    let stop = AtomicBool::new(false);
    let storm = || {
        let (a, link) = (root.join("a"), root.join("link"));
        while !stop.load(Ordering::Relaxed) {
            let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
            let cwd = nix::fcntl::AT_FDCWD;
            let _ = nix::fcntl::renameat2(cwd, &a, cwd, &link, flags);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(storm);
        let rounds = || -> Outcome {
            for _ in 0..15 {
                let answer = case.call(&["run", &case.id]).limit(20).answer()?;
                holds(answer.err(), answer.code == 0 || answer.code == 1)?;
                decoy.check()?;
            }
            Ok(())
        };
        let outcome = rounds();
        stop.store(true, Ordering::Relaxed);
        outcome
    })?;
    case.nothing_left()
}
