//! `process.apparmorProfile` and `exec --apparmor`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::harness::{Case, Fault, Outcome, has, holds, same, skip};
use crate::tests::library::executor;
use crate::tests::list;

list!["lsm":
    profile_confines_the_program,
    profile_is_taken_with_no_new_privileges,
    exec_has_the_containers_profile,
    exec_with_another_profile,
    exec_by_a_process_document,
    profile_that_is_not_loaded,
    profile_of_a_false_procfs_is_the_real_one,
    profile_in_a_user_namespace,
    profile_of_an_executors_program,
];

const OWN: &str = "cat /proc/self/attr/current";

/// A profile in the kernel, as long as it is held.
struct Profile {
    name: String,
    file: PathBuf,
}

impl Profile {
    /// Allows all but to read `/etc/secret`.
    fn load(case: &Case, suffix: &str) -> Outcome<Self> {
        let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
        if !enabled.is_ok_and(|text| text.starts_with('Y')) {
            return skip("needs AppArmor");
        }
        case.needs_command("apparmor_parser")?;
        let name = format!("{}-{suffix}", case.tag);
        let file = case.bundle.dir.join(format!("profile-{suffix}"));
        let text = format!(
            "profile {name} flags=(attach_disconnected,mediate_deleted) {{\n\
             file, capability, network, mount, umount, signal, ptrace, unix, pivot_root,\n\
             deny /etc/secret r,\n}}\n"
        );
        fs::write(&file, text)?;
        let profile = Self { name, file };
        profile.parser("--replace")?;
        fs::write(case.bundle.rootfs.join("etc/secret"), "secret")?;
        Ok(profile)
    }

    fn parser(&self, action: &str) -> Outcome {
        let done = Command::new("apparmor_parser")
            .args([action, "--skip-cache"])
            .arg(&self.file)
            .output()?;
        holds(String::from_utf8_lossy(&done.stderr), done.status.success())
    }

    fn enforced(&self) -> String {
        format!("{} (enforce)", self.name)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = self.parser("--remove");
    }
}

fn with_profile(case: &Case, profile: &Profile) -> Outcome {
    case.edit(|c| c["process"]["apparmorProfile"] = json!(profile.name))
}

fn profile_confines_the_program(case: &Case) -> Outcome {
    let profile = Profile::load(case, "a")?;
    case.edit(|c| c["process"]["noNewPrivileges"] = json!(false))?;
    same("without", case.run_script("cat /etc/secret")?, "secret")?;
    with_profile(case, &profile)?;
    same("label", case.run_script(OWN)?, profile.enforced().as_str())?;
    case.bundle.script("cat /etc/secret")?;
    let answer = case.run()?;
    holds(
        format!("the file is denied: {}", answer.err()),
        answer.code != 0 && answer.err().contains("Permission denied"),
    )
}

fn profile_is_taken_with_no_new_privileges(case: &Case) -> Outcome {
    let profile = Profile::load(case, "a")?;
    with_profile(case, &profile)?;
    case.edit(|c| c["process"]["noNewPrivileges"] = json!(true))?;
    same("label", case.run_script(OWN)?, profile.enforced().as_str())
}

fn exec_has_the_containers_profile(case: &Case) -> Outcome {
    let profile = Profile::load(case, "a")?;
    with_profile(case, &profile)?;
    case.run_asleep()?;
    let label = case.exec_script(&[], OWN)?;
    same("label", label, profile.enforced().as_str())
}

fn exec_with_another_profile(case: &Case) -> Outcome {
    let own = Profile::load(case, "a")?;
    let other = Profile::load(case, "b")?;
    for in_config in [false, true] {
        if in_config {
            with_profile(case, &own)?;
        }
        case.run_asleep()?;
        let label = case.exec_script(&["--apparmor", &other.name], OWN)?;
        same("label", label, other.enforced().as_str())?;
        case.destroy()?;
    }
    Ok(())
}

fn exec_by_a_process_document(case: &Case) -> Outcome {
    let profile = Profile::load(case, "a")?;
    case.run_asleep()?;
    let file = case.bundle.dir.join("process.json");
    let mut process = case.bundle.config()?["process"].clone();
    process["args"] = json!(["cat", "/proc/self/attr/current"]);
    process["apparmorProfile"] = json!(profile.name);
    fs::write(&file, process.to_string())?;
    let file = file.to_string_lossy();
    let answer = case.rt(&["exec", "-p", &file, &case.id])?.ok()?;
    same("label", answer.out().trim(), profile.enforced().as_str())
}

fn profile_that_is_not_loaded(case: &Case) -> Outcome {
    let _enabled = Profile::load(case, "a")?;
    case.edit(|c| c["process"]["apparmorProfile"] = json!("nosuch"))?;
    case.run()?.fails(1, &["apparmor profile", "nosuch"])?;
    case.nothing_left()?;
    case.edit(|c| c["process"]["apparmorProfile"] = json!(""))?;
    case.run_asleep()?;
    let refused = case.rt(&["exec", "--apparmor", "nosuch", &case.id, "true"])?;
    refused.fails(255, &["apparmor profile", "nosuch"])
}

/// The image brings a `/proc` whose files are no kernel's; what is written must
/// not end up there (CVE-2019-16884).
fn profile_of_a_false_procfs_is_the_real_one(case: &Case) -> Outcome {
    let profile = Profile::load(case, "a")?;
    with_profile(case, &profile)?;
    let files = ["self", "thread-self"].map(|name| {
        format!("mkdir -p /proc/{name}/attr/apparmor; : >/proc/{name}/attr/exec; : >/proc/{name}/attr/apparmor/exec; ")
    });
    let fill = files.concat();
    case.edit(|c| {
        if let Some(mounts) = c["mounts"].as_array_mut() {
            mounts.retain(|mount| mount["destination"] != "/proc");
        }
        c["linux"]["maskedPaths"] = json!([]);
        c["linux"]["readonlyPaths"] = json!([]);
    })?;
    let host = case.bundle.rootfs.join("proc");
    let done = Command::new("sh")
        .args(["-c", &fill.replace("/proc", &host.to_string_lossy())])
        .status()?;
    holds("the false files are made", done.success())?;
    case.run_asleep()?;
    let label = |pid: i32| -> Outcome<String> {
        let text = fs::read_to_string(format!("/proc/{pid}/attr/current"))?;
        Ok(text.trim().to_owned())
    };
    same(
        "label of init",
        label(case.pid()?)?,
        profile.enforced().as_str(),
    )?;
    case.rt(&["exec", "-d", "--pid-file", "pid", &case.id, "sleep", "600"])?
        .ok()?;
    let pid = fs::read_to_string(case.bundle.dir.join("pid"))?;
    let pid = pid.parse().map_err(Fault::failed)?;
    same("label of exec", label(pid)?, profile.enforced().as_str())?;
    for name in ["self", "thread-self"] {
        let file = host.join(name).join("attr/apparmor/exec");
        same("false file", fs::read_to_string(file)?, "")?;
    }
    Ok(())
}

fn profile_in_a_user_namespace(case: &Case) -> Outcome {
    let profile = Profile::load(case, "a")?;
    with_profile(case, &profile)?;
    case.edit(crate::harness::config::with_user_namespace)?;
    case.run_asleep()?;
    let label = case.exec_script(&[], OWN)?;
    same("label", label, profile.enforced().as_str())
}

/// There is no exec that would bring it.
fn profile_of_an_executors_program(case: &Case) -> Outcome {
    let profile = Profile::load(case, "a")?;
    with_profile(case, &profile)?;
    for no_new_privileges in [true, false] {
        case.edit(|c| c["process"]["noNewPrivileges"] = json!(no_new_privileges))?;
        executor::program(case, "show /proc/self/attr/current\nshow /etc/secret\n")?;
        let answer = executor::run(case)?;
        same(
            "label",
            answer.out().trim_end(),
            profile.enforced().as_str(),
        )?;
        has(&answer.err(), "/etc/secret: Permission denied")?;
    }
    Ok(())
}
