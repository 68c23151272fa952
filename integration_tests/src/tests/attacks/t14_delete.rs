//! T14: a state directory or a cgroup that changed before it is deleted.
//! CVE-2022-21658.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::Decoy;
use super::storm::Storm;
use super::ways::{clean, rounds};
use crate::harness::{Case, Hierarchies, Outcome, holds};
use crate::tests::list;

list!["attacks::t14":
    state_that_is_a_link,
    links_in_the_state,
    state_exchanged_meanwhile,
    cgroups_of_the_container,
];

fn state_that_is_a_link(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let link = case.state_root.join(&case.id);
    for target in [
        decoy.path(),
        format!("{}/dir", decoy.path()),
        "..".to_owned(),
    ] {
        symlink(&target, &link)?;
        for line in [
            vec!["state", &case.id],
            vec!["delete", &case.id],
            vec!["delete", "--force", &case.id],
            vec!["kill", &case.id, "KILL"],
            vec!["start", &case.id],
        ] {
            let answer = case.call(&line).limit(20).answer()?;
            holds(format!("{line:?}: exit {}", answer.code), answer.code < 128)?;
            decoy.check()?;
        }
        // The link itself may go.
        let _ = fs::remove_file(&link);
    }
    Ok(())
}

fn links_in_the_state(case: &Case) -> Outcome {
    // Whoever could write there (an old runtime, a backup) left links among the files.
    let decoy = Decoy::make(case)?;
    case.run_asleep()?;
    let state = case.state_root.join(&case.id);
    symlink(decoy.path(), state.join("dir"))?;
    symlink(format!("{}/file", decoy.path()), state.join("link"))?;
    case.rt(&["kill", &case.id, "KILL"])?.ok()?;
    case.becomes("stopped")?;
    for line in [
        ["delete", &case.id].as_slice(),
        &["delete", "--force", &case.id],
    ] {
        let answer = case.rt(line)?;
        holds(format!("{line:?}: exit {}", answer.code), answer.code < 2)?;
        decoy.check()?;
    }
    if state.exists() {
        // What is another's stays, and is for another to remove.
        fs::remove_dir_all(&state)?;
    }
    case.nothing_left()?;
    // Each file of the state as a link to the decoy.
    case.run_asleep()?;
    let pid = case.pid()?;
    for entry in fs::read_dir(&state)? {
        let path = entry?.path();
        fs::remove_file(&path)?;
        symlink(format!("{}/file", decoy.path()), &path)?;
    }
    for line in [
        ["state", &case.id].as_slice(),
        &["kill", &case.id, "KILL"],
        &["exec", &case.id, "true"],
        &["delete", "--force", &case.id],
    ] {
        let answer = case.rt(line)?;
        holds(
            format!("{line:?}: exit {}", answer.code),
            answer.code < 128 || answer.code == 255,
        )?;
        decoy.check()?;
    }
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    );
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    for dir in Hierarchies::read()?.named(&case.tag) {
        let gone = || Ok(fs::remove_dir(&dir).is_ok() || !dir.exists());
        crate::harness::eventually("the cgroup is empty", gone)?;
    }
    case.nothing_left()
}

fn state_exchanged_meanwhile(case: &Case) -> Outcome {
    let decoy = Decoy::make(case)?;
    let link = case.state_root.join("link");
    symlink(decoy.path(), &link)?;
    let state = case.state_root.join(&case.id);
    for _ in 0..rounds().div_ceil(4) {
        case.run_asleep()?;
        let storm = Storm::over(&[(link.clone(), state.clone())]);
        let answer = case
            .call(&["delete", "--force", &case.id])
            .limit(20)
            .answer();
        drop(storm);
        clean("delete", &answer?)?;
        decoy.check()?;
        // Whatever is left where: back to its name, and deleted in peace.
        if link.is_dir() && !link.is_symlink() {
            if state.is_symlink() {
                fs::remove_file(&state)?;
            }
            fs::rename(&link, &state)?;
        }
        if state.is_symlink() {
            fs::remove_file(&state)?;
        }
        if state.exists() {
            case.destroy()?;
        }
        case.rt(&["delete", "--force", &case.id])?;
        if !link.is_symlink() {
            symlink(decoy.path(), &link)?;
        }
    }
    fs::remove_file(&link)?;
    case.nothing_left()
}

fn cgroups_of_the_container(case: &Case) -> Outcome {
    // Many of them, deep, and closed to everybody.
    case.run_asleep()?;
    for dir in Hierarchies::read()?.named(&case.tag) {
        let mut deep = dir.clone();
        for _ in 0..40 {
            deep.push("deep");
            fs::create_dir(&deep)?;
        }
        fs::create_dir(dir.join("..."))?;
        fs::create_dir(dir.join("a b"))?;
        fs::set_permissions(dir.join("a b"), fs::Permissions::from_mode(0o000))?;
    }
    case.destroy()?;
    case.nothing_left()
}
