//! `--systemd-cgroup`: units of the host's systemd and of a user's.

mod life;
mod properties;
mod user;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Answer, Call, Case, Fault, Hierarchies, Outcome, skip};
use crate::tests::Test;

pub(super) fn tests() -> Vec<Test> {
    [life::tests(), properties::tests(), user::tests()].concat()
}

/// A container in a scope of the host's systemd.
struct Scope<'a> {
    case: &'a Case,
    /// As `lodge-c1.scope`.
    unit: String,
}

impl<'a> Scope<'a> {
    /// Ends the test as skipped where systemd does not run.
    fn new(case: &'a Case) -> Outcome<Self> {
        if !PathBuf::from("/run/systemd/system").is_dir() {
            return skip("needs systemd");
        }
        let scope = Self {
            case,
            unit: format!("test-{}.scope", case.tag),
        };
        scope.path(&format!(":test:{}", case.tag))?;
        Ok(scope)
    }

    /// Sets `linux.cgroupsPath`.
    fn path(&self, path: &str) -> Outcome {
        self.case
            .edit(|config| config["linux"]["cgroupsPath"] = json!(path))
    }

    fn resources(&self, resources: &Value) -> Outcome {
        self.case
            .edit(|config| config["linux"]["resources"] = resources.clone())
    }

    fn annotate(&self, name: &str, value: &str) -> Outcome {
        self.case
            .edit(|config| config["annotations"][name] = json!(value))
    }

    /// A call with the systemd driver.
    fn call(&self, args: &[&str]) -> Call {
        let args: Vec<&str> = [&["--systemd-cgroup"], args].concat();
        self.case.call(&args).limit(60)
    }

    fn run(&self, script: &str) -> Outcome<Answer> {
        self.case.bundle.script(script)?;
        self.call(&["run", "-d", &self.case.id]).answer()?.ok()
    }

    fn run_asleep(&self) -> Outcome<Answer> {
        self.run("exec sleep 600")
    }

    fn exec(&self, script: &str) -> Outcome<String> {
        let line = ["exec", &self.case.id, "sh", "-c", script];
        Ok(self.call(&line).answer()?.ok()?.out().trim().to_owned())
    }

    fn delete(&self) -> Outcome {
        self.call(&["delete", "--force", &self.case.id])
            .answer()?
            .ok()
            .map(drop)
    }

    /// A property, as systemd shows it.
    fn property(&self, name: &str) -> Outcome<String> {
        systemctl(&["show", "--value", "-p", name, &self.unit])
    }

    /// A file of the unit's cgroup.
    fn file(&self, name: &str) -> Outcome<String> {
        let hierarchies = Hierarchies::read()?;
        let Some(mount) = hierarchies.v2.as_ref().filter(|_| hierarchies.unified()) else {
            return skip("needs cgroup v2 alone");
        };
        let path = self.property("ControlGroup")?;
        let file = mount.join(path.trim_start_matches('/')).join(name);
        std::fs::read_to_string(&file)
            .map(|text| text.trim().to_owned())
            .map_err(|error| Fault::failed(format!("{}: {error}", file.display())))
    }
}

fn systemctl(args: &[&str]) -> Outcome<String> {
    output("systemctl", args)
}

/// What a program prints; its exit code does not matter.
fn output(program: &str, args: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(args).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The number of the running systemd.
fn version() -> Outcome<u32> {
    let text = systemctl(&["--version"])?;
    let number = text
        .split_whitespace()
        .nth(1)
        .and_then(|it| it.parse().ok());
    number.ok_or_else(|| Fault::failed(format!("no version in {text:?}")))
}
