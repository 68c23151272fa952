//! T13: names of a configuration or a command line that lead out of their directory.
//! GHSA-5g49-rx9x-qfc6 and its like in other runtimes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::Decoy;
use super::ways::{clean, refused};
use crate::harness::{Case, Hierarchies, Outcome, holds, same};
use crate::tests::list;

list!["attacks::t13":
    ids_of_containers,
    cgroup_paths,
    names_of_resources,
    annotations_and_names,
];

/// What lies beside the state root and in it.
fn beside(case: &Case) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for dir in [case.state_root.as_path(), case.bundle.dir.as_path()]
        .into_iter()
        .chain(case.state_root.parent())
    {
        for entry in fs::read_dir(dir)? {
            let name = entry?.path().to_string_lossy().into_owned();
            // The output of each call.
            if !name.contains("/logs") {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}

fn ids_of_containers(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    // A directory that looks like a container's, where the names lead.
    let victim = case.bundle.beside("victim")?;
    fs::write(victim.join("state.json"), "{}")?;
    let absolute = victim.to_string_lossy().into_owned();
    let before = beside(case)?;
    let long = "x".repeat(1025);
    let (to_victim, percent) = ("../bundle/victim", "%2e%2e%2fx");
    for id in [
        "",
        ".",
        "..",
        "../x",
        "../../x",
        "a/b",
        "/x",
        "a/../b",
        "./x",
        "x/",
        "a\nb",
        "a b",
        "a\tb",
        "a\\b",
        to_victim,
        percent,
        &absolute,
        "\u{e9}",
        "\u{202e}x",
        "x\u{7f}",
        &long,
        "*",
        "a;b",
        "$(x)",
        "-x",
    ] {
        for line in [
            vec!["create", id],
            vec!["run", id],
            vec!["start", id],
            vec!["state", id],
            vec!["kill", id, "KILL"],
            vec!["delete", id],
            vec!["delete", "--force", id],
            vec!["exec", id, "true"],
        ] {
            let answer = case.call(&line).limit(20).answer()?;
            if answer.code == 0 {
                // `delete --force` of what is not there is fine; anything else is not.
                same(&format!("{line:?}"), line.first(), Some(&"delete"))?;
            } else {
                refused(&format!("{line:?}"), &answer)?;
            }
        }
        same(
            &format!("what is there after {id:?}"),
            beside(case)?,
            before.clone(),
        )?;
        holds("the victim is there", victim.join("state.json").exists())?;
        decoy.check()?;
    }
    case.nothing_left()
}

/// Directories of all hierarchies, less deep than other tests' own.
fn cgroups() -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for point in Hierarchies::read()?.all() {
        // The mount's own place and the places beside it.
        for dir in [Some(point), point.parent()].into_iter().flatten() {
            for entry in fs::read_dir(dir)? {
                let path = entry?.path();
                let name = path.to_string_lossy().into_owned();
                if path.is_dir() && !name.contains("lodge-test-") {
                    found.push(name);
                }
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn cgroup_paths(case: &Case) -> Outcome {
    let before = cgroups()?;
    let own = &case.cgroup;
    case.bundle.script("true")?;
    for path in [
        "..".to_owned(),
        "/..".to_owned(),
        "../../../../tmp/x".to_owned(),
        format!("{own}/.."),
        format!("{own}/../.."),
        format!("/../..{own}"),
        format!("{own}/./../../x-{}", case.tag),
        format!("{own}\nx"),
        format!("{own}\u{0}x"),
        format!("{own}/{}", "y".repeat(256)),
        format!("{own}/{}", "y/".repeat(3000)),
        format!("{own}/\u{e9}"),
        format!("{own}/cgroup.procs"),
        "/".to_owned(),
    ] {
        case.edit(|c| c["linux"]["cgroupsPath"] = json!(path))?;
        let answer = case.call(&["run", &case.id]).limit(20).answer()?;
        clean(&format!("{path:.80}"), &answer)?;
        if answer.code != 0 && case.state_root.join(&case.id).exists() {
            case.destroy()?;
        }
        let now = cgroups()?;
        let new: Vec<_> = now.iter().filter(|dir| !before.contains(dir)).collect();
        // A path that leads nowhere else is taken below the hierarchy's own root.
        let beyond = new.iter().any(|dir| !dir.starts_with("/sys/fs/cgroup/"));
        holds(format!("{path:.80}: nothing beyond in {new:?}"), !beyond)?;
    }
    // Ancestors that were made on the way stay, by contract.
    for dir in Hierarchies::read()?.named(&case.tag) {
        remove(&dir)?;
    }
    Ok(())
}

/// Removes a cgroup with those below it.
fn remove(dir: &Path) -> Outcome {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            remove(&path)?;
        }
    }
    fs::remove_dir(dir)?;
    Ok(())
}

/// Resources of a kind with a name in them.
type Kind = (&'static str, fn(&str) -> Value);

fn names_of_resources(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let evil = [
        "..",
        ".",
        "../x",
        "/etc/x",
        "a/b",
        "../../../../../../tmp/x",
        "a\nb",
        "a\u{0}b",
        "memory.max/../cgroup.procs",
        &format!("{}{}/file", "../".repeat(12), decoy.path()),
        &"x".repeat(300),
    ]
    .map(ToOwned::to_owned);
    let config = case.bundle.config()?;
    let kinds: [Kind; 6] = [
        ("unified", |name| json!({"unified": {name: "1"}})),
        (
            "hugepageLimits",
            |name| json!({"hugepageLimits": [{"pageSize": name, "limit": 0}]}),
        ),
        ("rdma", |name| json!({"rdma": {name: {"hcaHandles": 1}}})),
        (
            "network",
            |name| json!({"network": {"priorities": [{"name": name, "priority": 1}]}}),
        ),
        ("cpu", |name| json!({"cpu": {"cpus": name, "mems": name}})),
        (
            "devices",
            |name| json!({"devices": [{"allow": true, "type": "a", "access": name}]}),
        ),
    ];
    for (kind, resources) in kinds {
        for name in &evil {
            case.edit(|c| {
                *c = config.clone();
                c["linux"]["resources"] = resources(name);
                c["process"]["args"] = json!(["/bin/busybox", "true"]);
            })?;
            let answer = case.call(&["run", &case.id]).limit(20).answer()?;
            let context = format!("{kind} {name:?}");
            if kind == "devices" {
                // Letters that mean nothing are passed over; no name is made of them.
                clean(&context, &answer)?;
            } else {
                refused(&context, &answer)?;
            }
            decoy.check()?;
            if case.state_root.join(&case.id).exists() {
                case.destroy()?;
            }
            case.nothing_left()?;
        }
    }
    for name in &evil {
        case.edit(|c| {
            *c = config.clone();
            c["linux"]["intelRdt"] = json!({"closID": name, "l3CacheSchema": "L3:0=1"});
        })?;
        refused(&format!("closID {name:?}"), &case.run()?)?;
        decoy.check()?;
    }
    case.nothing_left()
}

fn annotations_and_names(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let evil = format!("{}{}/file", "../".repeat(12), decoy.path());
    let config = case.bundle.config()?;
    for key in [
        "run.oci.handler",
        "run.oci.seccomp.bpf",
        "run.oci.seccomp_fail_unknown_syscall",
        "run.oci.hooks.stdout",
        "run.oci.hooks.stderr",
        "run.oci.delegate-cgroup",
        "run.oci.systemd.subgroup",
        "org.criu.config",
        "org.systemd.property.X/../y",
        "../../x",
        "a\nb",
    ] {
        case.edit(|c| {
            *c = config.clone();
            c["annotations"] = json!({key: evil});
            c["hooks"]["createRuntime"] = json!([{"path": "/bin/echo", "args": ["echo", "hook"]}]);
            c["process"]["args"] = json!(["/bin/busybox", "true"]);
        })?;
        let answer = case.call(&["run", &case.id]).limit(20).answer()?;
        clean(key, &answer)?;
        decoy.check()?;
    }
    for (field, value) in [("hostname", "a/../b"), ("domainname", "../x")] {
        case.edit(|c| {
            *c = config.clone();
            c[field] = json!(value);
            c["process"]["args"] = json!(["/bin/busybox", "true"]);
        })?;
        clean(field, &case.run()?)?;
    }
    decoy.check()?;
    case.nothing_left()
}
