//! Id-mapped mounts: the owners that a mount shows differ from those on the file
//! system.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};

use crate::harness::config::{MAPPED_ROOT, with_namespace, with_user_namespace};
use crate::harness::{Case, Fault, Outcome, holds, same, skip};
use crate::tests::list;

list!["mounts":
    mapped_bind,
    mapped_bind_of_a_file,
    mapped_bind_in_a_user_namespace,
    mapped_by_the_containers_user_namespace,
    mapped_by_a_joined_user_namespace,
    mapped_source_that_only_the_host_may_reach,
    mapped_source_below_an_earlier_mount,
    mapped_mounts_are_as_many_as_asked,
    mapping_is_of_the_first_mount_alone,
    mapping_of_all_mounts_below,
    mapping_in_the_option,
    files_made_in_a_mapped_mount,
    mapped_bind_is_no_peer_of_the_hosts,
    mapping_without_its_half_is_refused,
    mapping_of_no_bind_is_refused,
    mapping_without_a_user_namespace_is_refused,
    mapping_that_the_file_system_has_not_got,
    mapping_of_a_mapped_source,
];

/// A source with `mark`, which is 100's and 200's.
fn source(case: &Case) -> Outcome<PathBuf> {
    let dir = case.bundle.beside("source")?;
    own(&dir.join("mark"))?;
    Ok(dir)
}

fn own(file: &Path) -> Outcome {
    fs::write(file, "from the host\n")?;
    chown(file, Some(100), Some(200))?;
    Ok(())
}

fn map(inside: u32, outside: u32, size: u32) -> Value {
    json!([{"containerID": inside, "hostID": outside, "size": size}])
}

/// A bind to /data.
fn bind(source: &Path, options: &[&str], maps: Option<(Value, Value)>) -> Value {
    let mut entry =
        json!({"destination": "/data", "type": "bind", "source": source, "options": options});
    if let Some((users, groups)) = maps {
        entry["uidMappings"] = users;
        entry["gidMappings"] = groups;
    }
    entry
}

fn mapped(case: &Case) -> Outcome {
    case.edit(with_user_namespace)?;
    case.bundle.give_to(MAPPED_ROOT)
}

/// Runs a script; skipped where the file system knows no mapped mounts.
#[track_caller]
fn run(case: &Case, script: &str) -> Outcome<String> {
    case.bundle.script(script)?;
    let answer = case.run()?;
    if answer.code != 0 && answer.err().contains("has no id-mapped mounts here") {
        return skip("the file system of the working directory knows no mapped mounts");
    }
    Ok(answer.ok()?.out().trim_end().to_owned())
}

const OWNER: &str = "stat -c %u:%g /data/mark";

fn mapped_bind(case: &Case) -> Outcome {
    let source = source(case)?;
    let maps = Some((map(100, 5000, 1), map(200, 6000, 1)));
    case.bundle.mount(bind(&source, &["bind", "ro"], maps))?;
    same("owner", run(case, OWNER)?, "5000:6000")?;
    let outside = fs::metadata(source.join("mark"))?;
    same("owner outside", (outside.uid(), outside.gid()), (100, 200))
}

fn mapped_bind_of_a_file(case: &Case) -> Outcome {
    let source = source(case)?.join("mark");
    let maps = Some((map(0, 1000, 1000), map(0, 2000, 1000)));
    case.bundle.mount(bind(&source, &["bind"], maps))?;
    same("owner", run(case, "stat -c %u:%g /data")?, "1100:2200")
}

fn mapped_bind_in_a_user_namespace(case: &Case) -> Outcome {
    mapped(case)?;
    let source = source(case)?;
    let maps = (map(100, MAPPED_ROOT + 7, 1), map(200, MAPPED_ROOT + 8, 1));
    case.bundle.mount(bind(&source, &["bind"], Some(maps)))?;
    same("owner", run(case, OWNER)?, "7:8")
}

fn mapped_by_the_containers_user_namespace(case: &Case) -> Outcome {
    mapped(case)?;
    let source = source(case)?;
    case.bundle.mount(bind(&source, &["bind", "idmap"], None))?;
    same("owner", run(case, OWNER)?, "100:200")
}

fn mapped_by_a_joined_user_namespace(case: &Case) -> Outcome {
    mapped(case)?;
    case.run_asleep()?;
    let path = format!("/proc/{}/ns/user", case.pid()?);
    let second = case.another()?;
    second.bundle.give_to(MAPPED_ROOT)?;
    let source = source(&second)?;
    second
        .bundle
        .mount(bind(&source, &["rbind", "ridmap"], None))?;
    second.edit(|c| with_namespace(c, "user", Some(&path)))?;
    same("owner", run(&second, OWNER)?, "100:200")
}

fn mapped_source_that_only_the_host_may_reach(case: &Case) -> Outcome {
    mapped(case)?;
    let closed = case.bundle.beside("closed")?;
    let source = closed.join("source");
    fs::create_dir(&source)?;
    own(&source.join("mark"))?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700))?;
    case.bundle.mount(bind(&source, &["bind", "idmap"], None))?;
    same("owner", run(case, OWNER)?, "100:200")
}

fn mapped_source_below_an_earlier_mount(case: &Case) -> Outcome {
    // The name is the container's tree by then, not what lies below on the host.
    let source = source(case)?;
    let inside = case.bundle.rootfs.join("mnt");
    case.bundle
        .mount(json!({"destination": "/mnt", "source": source, "options": ["bind"]}))?;
    let maps = Some((map(100, 5000, 1), map(200, 6000, 1)));
    case.bundle.mount(bind(&inside, &["bind"], maps))?;
    same("owner", run(case, OWNER)?, "5000:6000")
}

fn mapped_mounts_are_as_many_as_asked(case: &Case) -> Outcome {
    mapped(case)?;
    let source = source(case)?;
    for number in 0..20 {
        let outside = MAPPED_ROOT + 1000 * (number % 3);
        let mut entry = bind(
            &source,
            &["bind"],
            Some((map(100, outside, 1), map(200, outside, 1))),
        );
        entry["destination"] = json!(format!("/data{number}"));
        case.bundle.mount(entry)?;
    }
    case.edit(|c| {
        c["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 20, "hard": 20}]);
    })?;
    let out = run(
        case,
        "stat -c %u /data0/mark /data1/mark /data2/mark /data19/mark",
    )?;
    same("owners", out, "0\n1000\n2000\n1000")
}

/// A source with a mount below it, at `inner`, shown at /data with these options.
fn nested(case: &Case, options: &[&str]) -> Outcome<String> {
    let source = source(case)?;
    let inner = source.join("inner");
    fs::create_dir(&inner)?;
    let below = case.bundle.beside("below")?;
    own(&below.join("mark"))?;
    mount(
        Some(&below),
        &inner,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?;
    let maps = Some((map(100, 5000, 1), map(200, 6000, 1)));
    let out = case
        .bundle
        .mount(bind(&source, options, maps))
        .and_then(|()| run(case, "stat -c %u:%g /data/mark /data/inner/mark"));
    umount2(&inner, MntFlags::MNT_DETACH)?;
    out
}

fn mapping_is_of_the_first_mount_alone(case: &Case) -> Outcome {
    same("owners", nested(case, &["rbind"])?, "5000:6000\n100:200")
}

fn mapping_of_all_mounts_below(case: &Case) -> Outcome {
    same(
        "owners",
        nested(case, &["rbind", "ridmap"])?,
        "5000:6000\n5000:6000",
    )
}

fn mapping_in_the_option(case: &Case) -> Outcome {
    mapped(case)?;
    let source = source(case)?;
    let option = format!("idmap=uids=0-0-1#100-{}-1;gids=@200-9-1", MAPPED_ROOT + 5);
    case.bundle.mount(bind(&source, &["bind", &option], None))?;
    same("owner", run(case, OWNER)?, "5:9")
}

fn files_made_in_a_mapped_mount(case: &Case) -> Outcome {
    mapped(case)?;
    let source = source(case)?;
    case.bundle.mount(bind(&source, &["bind", "idmap"], None))?;
    run(case, "touch /data/new")?;
    let outside = fs::metadata(source.join("new"))?;
    same("owner outside", (outside.uid(), outside.gid()), (0, 0))
}

fn mapped_bind_is_no_peer_of_the_hosts(case: &Case) -> Outcome {
    mapped(case)?;
    // Opened by the runtime, among mounts that are all shared.
    let closed = case.bundle.beside("closed")?;
    let source = closed.join("source");
    fs::create_dir(&source)?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700))?;
    for (destination, option) in [("/data", "ridmap"), ("/plain", "rw")] {
        let mut entry = bind(&source, &["rbind", option], None);
        entry["destination"] = json!(destination);
        case.bundle.mount(entry)?;
    }
    let seen = case.probe()?;
    for destination in ["/data", "/plain"] {
        let line = seen.mount(destination)?;
        holds(
            format!("{destination} is not shared: {}", line.propagation),
            !line.propagation.contains("shared"),
        )?;
    }
    Ok(())
}

fn mapping_without_its_half_is_refused(case: &Case) -> Outcome {
    let source = source(case)?;
    let mut entry = bind(&source, &["bind"], None);
    entry["uidMappings"] = map(0, 1, 1);
    case.bundle.mount(entry)?;
    case.run()?
        .fails(1, &["gidMappings", "both uid and gid mappings"])?;
    case.nothing_left()
}

fn mapping_of_no_bind_is_refused(case: &Case) -> Outcome {
    mapped(case)?;
    case.bundle.mount(
        json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["idmap"]}),
    )?;
    case.run()?.fails(1, &["only supported for bind mounts"])?;
    case.nothing_left()
}

fn mapping_without_a_user_namespace_is_refused(case: &Case) -> Outcome {
    let source = source(case)?;
    case.bundle.mount(bind(&source, &["bind", "idmap"], None))?;
    case.run()?.fails(1, &["needs a user namespace"])?;
    case.nothing_left()
}

fn mapping_that_the_file_system_has_not_got(case: &Case) -> Outcome {
    let maps = Some((map(0, 1, 1), map(0, 1, 1)));
    case.bundle
        .mount(bind(Path::new("/proc/sys"), &["bind"], maps))?;
    case.run()?.fails(
        1,
        &[
            "map the ids of /proc/sys",
            "invalid argument",
            "proc mounted at /proc",
        ],
    )?;
    case.nothing_left()
}

fn mapping_of_a_mapped_source(case: &Case) -> Outcome {
    let first = source(case)?;
    let maps = || Some((map(0, 1000, 1000), map(0, 1000, 1000)));
    case.bundle.mount(bind(&first, &["bind"], maps()))?;
    let again = case.bundle.rootfs.join("data");
    let mut entry = bind(&again, &["bind"], maps());
    entry["destination"] = json!("/again");
    case.bundle.mount(entry)?;
    case.bundle.script(OWNER)?;
    let answer = case.run()?;
    if answer.err().contains("has no id-mapped mounts here") {
        return skip("the file system of the working directory knows no mapped mounts");
    }
    if answer.code == 0 {
        return Err(Fault::failed("a mapped mount was mapped once more"));
    }
    answer.fails(1, &["operation not permitted", "id-mapped already"])?;
    case.nothing_left()
}
