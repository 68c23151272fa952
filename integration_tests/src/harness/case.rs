//! One test's own world.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::bundle::{Bundle, give};
use super::call::{Answer, Call};
use super::cgroup::Hierarchies;
use super::clean;
use super::fault::{Fault, Outcome, eventually, same, skip};
use super::host::Host;
use super::probe::Seen;

static CASES: AtomicU32 = AtomicU32::new(0);

/// What `spec` writes, asked for once.
static DEFAULT: OnceLock<Value> = OnceLock::new();

/// A bundle, a state root, an id and a cgroup that no other test has.
#[derive(Debug)]
pub(crate) struct Case {
    /// The bundle; its `config.json` is what `spec` wrote, without a terminal,
    /// limits and read-only root, and with a cgroup of this test.
    pub(crate) bundle: Bundle,
    /// What `--root` names.
    pub(crate) state_root: PathBuf,
    /// A word that names of this test's things contain, and nobody else's.
    pub(crate) tag: String,
    /// The container's id.
    pub(crate) id: String,
    /// `linux.cgroupsPath`.
    pub(crate) cgroup: String,
    home: PathBuf,
}

impl Case {
    /// Makes the world.
    pub(crate) fn new() -> Outcome<Self> {
        let number = CASES.fetch_add(1, Ordering::Relaxed);
        let tag = format!("lt{}x{number}y", std::process::id());
        let home = Host::get().work.join(&tag);
        let bundle = Bundle::make(&home.join("bundle"))?;
        fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        fs::create_dir(home.join("logs"))?;
        let state_root = home.join("state");
        fs::create_dir(&state_root)?;
        let case = Self {
            bundle,
            state_root,
            id: format!("c-{tag}"),
            cgroup: format!("/lodge-test-{tag}"),
            tag,
            home,
        };
        let config = case.default_config()?;
        fs::write(
            case.bundle.config_file(),
            serde_json::to_vec_pretty(&config)?,
        )?;
        Ok(case)
    }

    /// One more container in the same state root, with a bundle and cgroup of its own.
    pub(crate) fn another(&self) -> Outcome<Self> {
        let number = CASES.fetch_add(1, Ordering::Relaxed);
        let bundle = Bundle::make(&self.home.join(format!("bundle{number}")))?;
        let case = Self {
            bundle,
            state_root: self.state_root.clone(),
            tag: self.tag.clone(),
            id: format!("d{number}-{}", self.tag),
            cgroup: format!("/lodge-test-{}-{number}", self.tag),
            home: self.home.clone(),
        };
        let config = case.default_config()?;
        fs::write(
            case.bundle.config_file(),
            serde_json::to_vec_pretty(&config)?,
        )?;
        Ok(case)
    }

    fn default_config(&self) -> Outcome<Value> {
        let mut config = match DEFAULT.get() {
            Some(config) => config.clone(),
            None => self.spec()?,
        };
        config["process"]["terminal"] = json!(false);
        if let Some(env) = config["process"]["env"].as_array_mut() {
            env.push(json!(format!("TAG={}", self.tag)));
        }
        config["root"]["readonly"] = json!(false);
        config["linux"]["resources"] = json!({});
        config["linux"]["cgroupsPath"] = json!(self.cgroup);
        Ok(config)
    }

    fn spec(&self) -> Outcome<Value> {
        let dir = self.bundle.beside("spec")?;
        self.call(&["spec"]).in_dir(&dir).answer()?.ok()?;
        let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
        for section in ["process", "root", "linux"] {
            if !config[section].is_object() {
                return Err(Fault::failed(format!("`spec` wrote no object {section}")));
            }
        }
        Ok(DEFAULT.get_or_init(|| config).clone())
    }

    /// A call of the runtime from the bundle, with this test's `--root`.
    pub(crate) fn call(&self, args: &[&str]) -> Call {
        let root = self.state_root.to_string_lossy().into_owned();
        let mut line = vec!["--root", &root];
        line.extend(args);
        self.call_alone(&line)
    }

    /// The same without `--root`.
    pub(crate) fn call_alone(&self, args: &[&str]) -> Call {
        Call::new(&self.bundle.dir, &self.home.join("logs"), args).env("TAG", &self.tag)
    }

    /// Makes that call.
    #[track_caller]
    pub(crate) fn rt(&self, args: &[&str]) -> Outcome<Answer> {
        self.call(args).answer()
    }

    /// Gives everything of this test on disk to `id`: what an ordinary user's call
    /// needs.
    pub(crate) fn give_all_to(&self, id: u32) -> Outcome {
        give(&self.home, id)
    }

    /// Makes this test's cgroup in every hierarchy and gives it to `id`, as a
    /// delegated subtree is (cgroups(7)). The caller removes the directories.
    pub(crate) fn give_cgroup_to(&self, id: u32) -> Outcome<Vec<PathBuf>> {
        let mut made = Vec::new();
        for mount in Hierarchies::read()?.all() {
            let dir = mount.join(self.cgroup.trim_start_matches('/'));
            fs::create_dir(&dir)?;
            chown(&dir, Some(id), Some(id))?;
            for file in ["cgroup.procs", "cgroup.subtree_control", "tasks"] {
                if fs::exists(dir.join(file))? {
                    chown(dir.join(file), Some(id), Some(id))?;
                }
            }
            // Empty ones of cgroup v1 take no process.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if fs::exists(dir.join("tasks"))? && fs::exists(dir.join(file))? {
                    fs::write(dir.join(file), fs::read(mount.join(file))?.trim_ascii())?;
                }
            }
            made.push(dir);
        }
        Ok(made)
    }

    /// Changes the configuration.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) -> Outcome {
        self.bundle.edit(change)
    }

    /// `run` in the foreground.
    #[track_caller]
    pub(crate) fn run(&self) -> Outcome<Answer> {
        self.rt(&["run", &self.id])
    }

    /// `run` of this script, which must end with 0: its output, without the last
    /// newline.
    #[track_caller]
    pub(crate) fn run_script(&self, text: &str) -> Outcome<String> {
        self.bundle.script(text)?;
        Ok(self.run()?.ok()?.out().trim_end().to_owned())
    }

    /// `run --detach` of a process that sleeps.
    #[track_caller]
    pub(crate) fn run_asleep(&self) -> Outcome<Answer> {
        self.run_detached("exec sleep 600")
    }

    /// `run --detach` of this script; the answer's output grows with the script's.
    #[track_caller]
    pub(crate) fn run_detached(&self, text: &str) -> Outcome<Answer> {
        self.bundle.script(text)?;
        self.rt(&["run", "--detach", &self.id])?.ok()
    }

    /// `exec` of a script, which must end with 0: its output, without the last
    /// newline.
    #[track_caller]
    pub(crate) fn exec_script(&self, options: &[&str], text: &str) -> Outcome<String> {
        Ok(self.exec(options, text)?.ok()?.out().trim_end().to_owned())
    }

    /// `exec` of a script.
    #[track_caller]
    pub(crate) fn exec(&self, options: &[&str], text: &str) -> Outcome<Answer> {
        let mut line = vec!["exec"];
        line.extend(options);
        line.extend([self.id.as_str(), "/bin/sh", "-c", text]);
        self.rt(&line)
    }

    /// What the container's first process sees of itself.
    #[track_caller]
    pub(crate) fn probe(&self) -> Outcome<Seen> {
        Seen::parse(&self.run_script(Seen::SCRIPT)?)
    }

    /// What a process of `exec` sees of itself.
    #[track_caller]
    pub(crate) fn probe_exec(&self, options: &[&str]) -> Outcome<Seen> {
        Seen::parse(&self.exec_script(options, Seen::SCRIPT)?)
    }

    /// The state document.
    #[track_caller]
    pub(crate) fn state(&self) -> Outcome<Value> {
        Ok(serde_json::from_str(
            &self.rt(&["state", &self.id])?.ok()?.out(),
        )?)
    }

    /// The pid of the container's first process.
    #[track_caller]
    pub(crate) fn pid(&self) -> Outcome<i32> {
        let state = self.state()?;
        let pid = state["pid"]
            .as_i64()
            .and_then(|pid| i32::try_from(pid).ok());
        pid.ok_or_else(|| Fault::failed(format!("no pid in {state}")))
    }

    /// The status must be this word.
    #[track_caller]
    pub(crate) fn status_is(&self, word: &str) -> Outcome {
        same("status", self.state()?["status"].as_str(), Some(word))
    }

    /// The status becomes this word.
    #[track_caller]
    pub(crate) fn becomes(&self, word: &str) -> Outcome {
        eventually(word, || Ok(self.state()?["status"] == word))
    }

    /// Ends the test as skipped when the binary has not got this command yet.
    pub(crate) fn needs_command(&self, command: &str) -> Outcome {
        if self
            .rt(&[command, "x"])?
            .err()
            .contains("is not supported yet")
        {
            return skip(format!("the binary has no `{command}` yet"));
        }
        Ok(())
    }

    /// `delete --force`.
    #[track_caller]
    pub(crate) fn destroy(&self) -> Outcome {
        self.rt(&["delete", "--force", &self.id])?.ok().map(drop)
    }

    /// No process, mount, cgroup or state of this test is left.
    #[track_caller]
    pub(crate) fn nothing_left(&self) -> Outcome {
        clean::check(self)
    }

    /// Ends the test: what it left running is deleted as a user would, and then
    /// nothing may be left. After a failure the rest is swept away by hand.
    pub(crate) fn end(self, outcome: Outcome) -> Outcome {
        let ended = outcome.and_then(|()| {
            self.delete_all()?;
            clean::check(&self)
        });
        if ended.is_err() {
            let _ = self.delete_all();
            clean::sweep(&self);
        }
        if ended.is_ok() || std::env::var_os("KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.home);
        }
        ended
    }

    fn delete_all(&self) -> Outcome {
        for entry in fs::read_dir(&self.state_root)? {
            let id = entry?.file_name().to_string_lossy().into_owned();
            self.rt(&["delete", "--force", &id])?.ok()?;
        }
        Ok(())
    }
}
