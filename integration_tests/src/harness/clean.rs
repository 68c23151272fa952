//! What a test left behind.

use std::fs;

use super::case::Case;
use super::cgroup::Hierarchies;
use super::fault::{Fault, Outcome};
use super::host::Host;

/// Processes of the test: those whose command line, environment or cgroup names
/// its tag. Zombies wait for whoever reaps orphans here and do not count.
pub(crate) fn processes(tag: &str) -> Vec<i32> {
    let own = std::process::id().to_string();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(pid) = name.parse::<i32>() else {
            continue;
        };
        if name == own {
            continue;
        }
        let mentions = |file: &str| {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(tag)
        };
        if (mentions("cmdline") || mentions("environ") || mentions("cgroup")) && !is_zombie(&entry)
        {
            found.push(pid);
        }
    }
    found
}

fn is_zombie(entry: &fs::DirEntry) -> bool {
    let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ") || status.contains("State:\tX")
}

/// Mounts of this mount namespace that name the tag.
fn mounts(tag: &str) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let ours = text.lines().filter(|line| line.contains(tag));
    ours.map(str::to_owned).collect()
}

/// Everything of the test that is still there.
fn left(case: &Case) -> Outcome<Vec<String>> {
    let mut left = Vec::new();
    for pid in processes(&case.tag) {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        left.push(format!("process {pid}: {line}"));
    }
    left.extend(mounts(&case.tag).into_iter().map(|m| format!("mount {m}")));
    let cgroups = Hierarchies::read()?.named(&case.tag);
    left.extend(cgroups.iter().map(|c| format!("cgroup {}", c.display())));
    if let Ok(entries) = fs::read_dir(&case.state_root) {
        left.extend(
            entries
                .flatten()
                .map(|e| format!("state {}", e.path().display())),
        );
    }
    Ok(left)
}

/// Nothing of the test may be left: no process, mount, cgroup or state.
#[track_caller]
pub(crate) fn check(case: &Case) -> Outcome {
    let mut seen = Vec::new();
    // A killed process takes a moment to go.
    for _ in 0..400 {
        seen = left(case)?;
        if seen.is_empty() {
            return Host::get().unharmed();
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Err(Fault::failed(format!(
        "left behind:\n  {}",
        seen.join("\n  ")
    )))
}

/// Removes by hand what a failed test left, so that the next one is not hurt.
pub(crate) fn sweep(case: &Case) {
    for pid in processes(&case.tag) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
    for line in mounts(&case.tag).iter().rev() {
        if let Some(mount) = super::MountLine::parse(line) {
            let _ = nix::mount::umount2(mount.point.as_str(), nix::mount::MntFlags::MNT_DETACH);
        }
    }
    for _ in 0..50 {
        let Ok(found) = Hierarchies::read().map(|h| h.named(&case.tag)) else {
            return;
        };
        if found.is_empty() {
            return;
        }
        for dir in found {
            let _ = fs::write(dir.join("freezer.state"), "THAWED");
            let _ = fs::write(dir.join("cgroup.freeze"), "0");
            remove(&dir);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn remove(dir: &std::path::Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}
