//! A machine within the machine for an engine: namespaces, `/etc`, `/run`,
//! `/var/lib` and `/usr/local` of its own, and a first process that reaps. What
//! an engine is told in its usual places, and leaves there, stays inside.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::case::Case;
use super::cgroup::Hierarchies;
use super::fault::{Fault, Outcome, eventually, holds, skip};
use super::host::Host;

/// Run by the island's first process. `$1` is a directory of the test's own.
const SETTLE: &str = r#"
set -e
for dir in etc usr/local; do
    mkdir -p "$1/$dir.upper" "$1/$dir.work"
    mount -t overlay -o "lowerdir=/$dir,upperdir=$1/$dir.upper,workdir=$1/$dir.work" overlay "/$dir"
done
# Not the engines' settings of this machine.
rm -rf /etc/docker /etc/containers/containers.conf* /etc/containers/storage.conf /etc/cni
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=700 tmpfs /root
mkdir -p /run/lock /var/lib/cni
# containerd gives no figures while a hierarchy that processes are in is mounted nowhere.
for name in $(cut -d: -f2 /proc/self/cgroup); do
    grep -Eq " cgroup [^ ]*\b$name\b" /proc/self/mounts || missing="$missing $name"
done
if [ -n "$missing" ] && [ -d /sys/fs/cgroup/memory ]; then
    mkdir "$1/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$1/cgroup"
    for dir in /sys/fs/cgroup/*; do
        mountpoint -q "$dir" || continue
        mkdir "$1/cgroup/${dir##*/}"
        mount --bind "$dir" "$1/cgroup/${dir##*/}"
    done
    for name in $missing; do
        mkdir "$1/cgroup/$name"
        mount -t cgroup -o "$name" cgroup "$1/cgroup/$name" || rmdir "$1/cgroup/$name"
    done
    mount --move "$1/cgroup" /sys/fs/cgroup
fi
# As where systemd runs: a mount that leaks out of a container shows here.
mount --make-rshared /
/bin/busybox ip link set lo up
echo settled >"$1/settled"
# Bash reaps whoever comes to it.
while :; do sleep 3600 & wait $!; done
"#;

/// What engines mount for themselves and keep: Docker the namespace of
/// `--network=host`, Podman a private mount of its storage, and where its network
/// namespaces are; and the device that a test gives a user.
const ENGINES_OWN: [&str; 4] = [
    "/dev/net/tun",
    "/run/docker/netns/default",
    "/var/lib/containers/storage/overlay",
    "/run/netns",
];

/// The island.
#[derive(Debug)]
pub(crate) struct Island {
    keeper: Child,
    /// The host's pid of its first process.
    init: i32,
    /// What was mounted before any engine was.
    mounts: Vec<String>,
    /// The parent of the engines' cgroups.
    pub(crate) parent: String,
    /// A directory of the test, the same inside and outside.
    pub(crate) dir: PathBuf,
}

/// What a command gave.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit code.
    pub(crate) code: i32,
    /// Its stdout.
    pub(crate) out: String,
    /// Its stderr.
    pub(crate) err: String,
}

impl Said {
    /// It must have ended with this code: its stdout, without the last newline.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32) -> Outcome<String> {
        if self.code == code {
            return Ok(self.out.trim_end().to_owned());
        }
        Err(Fault::failed(format!(
            "exit {}, wanted {code}\nstdout: {}\nstderr: {}",
            self.code, self.out, self.err
        )))
    }

    /// It must have ended with 0: its stdout, without the last newline.
    #[track_caller]
    pub(crate) fn ok(&self) -> Outcome<String> {
        self.ended(0)
    }
}

/// Ends the test as skipped where one of these programs is missing.
pub(crate) fn needs(programs: &[&str]) -> Outcome {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in programs {
        // Podman's helpers are on nobody's path.
        let helpers = ["/usr/lib/podman", "/usr/libexec/podman"].map(PathBuf::from);
        let mut dirs = std::env::split_paths(&path).chain(helpers);
        if !dirs.any(|dir| dir.join(program).is_file()) {
            return skip(format!("needs {program}, which is not installed"));
        }
    }
    Ok(())
}

impl Island {
    /// Runs `test` on an island with lodge installed for this engine as
    /// `hack/install` does, as its default; nothing of it is there afterwards, and
    /// it must have been empty before that.
    pub(crate) fn with(case: &Case, engine: &str, test: impl FnOnce(&Self) -> Outcome) -> Outcome {
        needs(&["unshare", "nsenter", "bash"])?;
        let island = Self::settle(case)?;
        let outcome = island.install(engine).and_then(|()| test(&island));
        let left = island.left(outcome.is_ok());
        let sunk = island.sink();
        outcome.and(left).and(sunk)
    }

    fn settle(case: &Case) -> Outcome<Self> {
        let dir = case.bundle.beside("island")?;
        let log = File::create(dir.join("log"))?;
        let spaces = ["--net", "--mount", "--uts", "--ipc", "--pid"];
        let keeper = Command::new("unshare")
            .args(spaces)
            .args(["--fork", "--kill-child", "--mount-proc"])
            .args(["bash", "-c", SETTLE, "island"])
            .arg(&dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let mut island = Self {
            keeper,
            init: 0,
            mounts: Vec::new(),
            parent: format!("{}-engine", case.cgroup),
            dir,
        };
        let settled = eventually("the island is settled", || {
            Ok(island.dir.join("settled").exists())
        });
        if settled.is_err() {
            let log = fs::read_to_string(island.dir.join("log"))?;
            island.sink()?;
            return skip(format!("needs an island, which is refused: {}", log.trim()));
        }
        let children = format!("/proc/{0}/task/{0}/children", island.keeper.id());
        island.init = fs::read_to_string(children)?.trim().parse()?;
        island.mounts = island.mounted()?;
        Ok(island)
    }

    fn install(&self, engine: &str) -> Outcome {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/install");
        if !script.exists() {
            return skip("needs hack/install");
        }
        let binary = Host::get().binary.to_string_lossy().into_owned();
        let script = script.to_string_lossy().into_owned();
        self.run(&[&script, "--binary", &binary, "--default", engine])?
            .ok()
            .map(drop)
    }

    /// A command inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.init.to_string(), "-n", "-m", "-u", "-i", "-p"])
            .arg("--")
            .arg(program)
            .env("HOME", "/root")
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null());
        command
    }

    /// Makes a call inside, for two minutes at most.
    pub(crate) fn run(&self, line: &[&str]) -> Outcome<Said> {
        said(self.command("timeout").arg("120").args(line))
    }

    /// A script inside.
    pub(crate) fn sh(&self, script: &str) -> Outcome<Said> {
        self.run(&["bash", "-c", script])
    }

    /// Starts a daemon inside, with a log beside the others.
    pub(crate) fn daemon(&self, name: &str, command: &mut Command) -> Outcome<Daemon> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join(format!("{name}.log")))?;
        let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Daemon {
            name: name.to_owned(),
            child,
        })
    }

    /// The last lines of a daemon's log.
    pub(crate) fn log(&self, name: &str) -> Outcome<String> {
        let text = fs::read_to_string(self.dir.join(format!("{name}.log")))?;
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(3);
        Ok(lines.get(from..).unwrap_or_default().join("\n"))
    }

    /// A path of the island as the host sees it.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init))
    }

    /// The engines' cgroup in each hierarchy, those that only the island mounts too.
    fn parents(&self) -> Vec<PathBuf> {
        let top = self.path("/sys/fs/cgroup");
        let name = self.parent.trim_start_matches('/');
        let below = fs::read_dir(&top).into_iter().flatten().flatten();
        let dirs = below.map(|entry| entry.path().join(name));
        dirs.chain([top.join(name)])
            .filter(|dir| dir.is_dir())
            .collect()
    }

    fn mounted(&self) -> Outcome<Vec<String>> {
        let text = fs::read_to_string(format!("/proc/{}/mountinfo", self.init))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The processes inside beside the first and its `sleep`, as `pid name`.
    pub(crate) fn processes(&self) -> Outcome<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.path("/proc"))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            if name == "1" || name.parse::<u32>().is_err() || stat.contains(") Z ") {
                continue;
            }
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line != "sleep 3600 " {
                found.push(format!("{name} {line}"));
            }
        }
        Ok(found)
    }

    /// What of containers is there: processes, mounts, cgroups, state.
    pub(crate) fn remains(&self) -> Outcome<Vec<String>> {
        let mut left: Vec<String> = self.processes()?;
        let mounts = self.mounted()?;
        let new = mounts.into_iter().filter(|m| !self.mounts.contains(m));
        left.extend(new.filter(|mount| {
            let point = mount.split(' ').nth(4).unwrap_or_default();
            !ENGINES_OWN.contains(&point)
        }));
        for parent in self.parents() {
            let below = fs::read_dir(&parent)?.flatten();
            // Podman keeps the one of its monitors.
            let below = below.filter(|e| {
                e.file_type().is_ok_and(|kind| kind.is_dir()) && e.file_name() != "conmon"
            });
            left.extend(below.map(|e| format!("cgroup {}", e.path().display())));
        }
        for state in [
            "/run/lodge",
            "/run/user/7077/lodge",
            "/run/containerd/io.containerd.runtime.v2.task",
            "/run/docker/runtime-runc",
            "/run/netns",
        ] {
            left.extend(state_below(&self.path(state)));
        }
        Ok(left)
    }

    /// Fails with what the engines left after they ended.
    fn left(&self, look: bool) -> Outcome {
        if !look {
            return Ok(());
        }
        // A killed process takes a moment to go.
        let mut left = Vec::new();
        for _ in 0..400 {
            left = self.remains()?;
            if left.is_empty() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Err(Fault::failed(format!(
            "the engine left behind:\n  {}",
            left.join("\n  ")
        )))
    }

    fn sink(mut self) -> Outcome {
        if self.init != 0 {
            // The parent is the engine's, and goes with the island.
            self.parents().iter().for_each(|dir| remove_empty(dir));
            kill(Pid::from_raw(self.init), Signal::SIGKILL)?;
        }
        let _ = self.keeper.kill();
        self.keeper.wait()?;
        // After a failure there may have been processes.
        let tag = self.parent.trim_start_matches('/').to_owned();
        eventually("the island's cgroups go", || {
            let dirs = Hierarchies::read()?.named(&tag);
            for dir in &dirs {
                remove_empty(dir);
            }
            Ok(dirs.is_empty())
        })
    }
}

/// Files and directories of containers, with those that are empty left out.
fn state_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let below = state_below(&entry.path());
            // A namespace directory of an engine stays when its containers are gone.
            if below.is_empty() && fs::read_dir(entry.path()).is_ok_and(|mut d| d.next().is_none())
            {
                continue;
            }
            found.extend(below);
        } else {
            found.push(format!("state {}", entry.path().display()));
        }
    }
    found
}

fn remove_empty(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}

/// A command's end and output.
pub(crate) fn said(command: &mut Command) -> Outcome<Said> {
    let output = command.output()?;
    Ok(Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A daemon inside: its process outside is `nsenter`, which waits for it.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    child: Child,
}

impl Daemon {
    /// The host's pid of the daemon itself.
    pub(crate) fn pid(&self) -> Outcome<i32> {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let pid = fs::read_to_string(children)?;
        Ok(pid.split_whitespace().next().unwrap_or_default().parse()?)
    }

    /// How many descriptors it holds.
    pub(crate) fn descriptors(&self) -> Outcome<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid()?))?.count())
    }

    /// Sends a signal, and waits for its end.
    pub(crate) fn end(&mut self, signal: Signal) -> Outcome {
        kill(Pid::from_raw(self.pid()?), signal)?;
        let mut seconds = 0;
        while self.child.try_wait()?.is_none() {
            std::thread::sleep(std::time::Duration::from_millis(10));
            seconds += 1;
            holds(format!("{} ends", self.name), seconds < 3000)?;
        }
        Ok(())
    }
}
