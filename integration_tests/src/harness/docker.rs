//! A Docker Engine of the test's own, with the binary as its runtime: sockets,
//! data and state in the test's directory, no bridge, no firewall rules.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::case::Case;
use super::cgroup::Hierarchies;
use super::fault::{Fault, Outcome, eventually, skip};
use super::host::Host;

/// The running engine.
#[derive(Debug)]
pub(crate) struct Docker {
    dir: PathBuf,
    parent: String,
    daemons: Vec<Child>,
}

/// What a client's command gave.
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

impl Docker {
    /// Runs `test` with an engine that has the bundle's root file system as
    /// image `busybox`, and stops it whatever comes.
    pub(crate) fn with(case: &Case, test: impl FnOnce(&Self) -> Outcome) -> Outcome {
        for program in ["containerd", "dockerd", "docker"] {
            let found = Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .status();
            if found.is_err() {
                return skip(format!("needs Docker: no {program}"));
            }
        }
        let mut docker = Self {
            dir: case.bundle.beside("docker")?,
            parent: format!("{}-docker", case.cgroup),
            daemons: Vec::new(),
        };
        let outcome = docker
            .start()
            .and_then(|()| docker.import(&case.bundle.rootfs))
            .and_then(|()| test(&docker));
        let stopped = docker.stop();
        outcome.and(stopped)
    }

    fn start(&mut self) -> Outcome {
        let dir = self.dir.display();
        let config = format!(
            "version = 2\nroot = \"{dir}/croot\"\nstate = \"{dir}/cstate\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{dir}/c.sock\"\n"
        );
        fs::write(self.dir.join("containerd.toml"), config)?;
        let config = format!("{dir}/containerd.toml");
        self.daemon("containerd", &["--config", &config])?;
        eventually("containerd listens", || {
            Ok(self.dir.join("c.sock").exists())
        })?;
        let runtime = format!("lodge={}", Host::get().binary.display());
        let place = |name: &str| self.dir.join(name).to_string_lossy().into_owned();
        let line = [
            "--containerd".to_owned(),
            place("c.sock"),
            "--host".to_owned(),
            format!("unix://{}", place("d.sock")),
            "--data-root".to_owned(),
            place("data"),
            "--exec-root".to_owned(),
            place("exec"),
            "--pidfile".to_owned(),
            place("pid"),
            "--bridge=none".to_owned(),
            "--iptables=false".to_owned(),
            "--ip6tables=false".to_owned(),
            "--add-runtime".to_owned(),
            runtime,
            "--default-runtime=lodge".to_owned(),
            "--cgroup-parent".to_owned(),
            self.parent.clone(),
        ];
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        self.daemon("dockerd", &line)?;
        let answers = eventually("dockerd answers", || {
            Ok(self.docker(&["version"])?.code == 0)
        });
        if answers.is_err() {
            let log = fs::read_to_string(self.dir.join("dockerd.log"))?;
            let last = log.lines().next_back().unwrap_or_default().to_owned();
            return skip(format!("needs Docker, and dockerd does not start: {last}"));
        }
        Ok(())
    }

    fn daemon(&mut self, program: &str, args: &[&str]) -> Outcome {
        let log = File::create(self.dir.join(format!("{program}.log")))?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.daemons.push(child);
        Ok(())
    }

    fn import(&self, rootfs: &Path) -> Outcome {
        let tar = self.dir.join("image.tar");
        let status = Command::new("tar")
            .arg("-C")
            .arg(rootfs)
            .arg("-cf")
            .arg(&tar)
            .arg(".")
            .status()?;
        super::fault::holds("tar works", status.success())?;
        let tar = tar.to_string_lossy().into_owned();
        self.docker(&["import", &tar, "busybox"])?.ok().map(drop)
    }

    /// The value of `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}/d.sock", self.dir.display())
    }

    /// A command of the client, for a minute at most.
    pub(crate) fn docker(&self, args: &[&str]) -> Outcome<Said> {
        let output = Command::new("timeout")
            .args(["60", "docker"])
            .args(args)
            .env("DOCKER_HOST", self.host())
            .stdin(Stdio::null())
            .output()?;
        Ok(Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// `docker run --rm` of a script without network, with these options: its
    /// output.
    #[track_caller]
    pub(crate) fn run(&self, options: &[&str], script: &str) -> Outcome<String> {
        let mut line = vec!["run", "--rm", "--network=none"];
        line.extend(options);
        line.extend(["busybox", "/bin/sh", "-c", script]);
        self.docker(&line)?.ok()
    }

    fn stop(&mut self) -> Outcome {
        // The engine first, then what it stands on.
        for mut daemon in self.daemons.drain(..).rev() {
            let pid = Pid::from_raw(i32::try_from(daemon.id())?);
            kill(pid, Signal::SIGTERM)?;
            let mut ended = || Ok(daemon.try_wait()?.is_some());
            if eventually("the daemon ends", &mut ended).is_err() {
                daemon.kill()?;
                daemon.wait()?;
            }
        }
        // The parent is the engine's; below it nothing may be left.
        let name = self.parent.trim_start_matches('/').to_owned();
        for point in Hierarchies::read()?.all() {
            let dir = point.join(&name);
            if dir.is_dir() {
                fs::remove_dir(&dir)
                    .map_err(|error| Fault::failed(format!("{}: {error}", dir.display())))?;
            }
        }
        Ok(())
    }
}
