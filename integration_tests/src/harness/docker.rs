//! A Docker Engine on an island, with the binary as its default runtime.

use nix::sys::signal::Signal;

use super::case::Case;
use super::fault::{Fault, Outcome, eventually, same, skip};
use super::island::{Daemon, Island, Said, needs, said};

/// Without a bridge and firewall rules it is up sooner.
const ALONE: [&str; 3] = ["--bridge=none", "--iptables=false", "--ip6tables=false"];

/// The running engine.
#[derive(Debug)]
pub(crate) struct Docker<'a> {
    /// Where it runs.
    pub(crate) island: &'a Island,
    options: Vec<String>,
    daemons: Vec<Daemon>,
}

impl Docker<'_> {
    /// Runs `test` with an engine without networks that has the bundle's root file
    /// system as image `busybox`, and stops it whatever comes.
    pub(crate) fn with(case: &Case, test: impl FnOnce(&mut Docker<'_>) -> Outcome) -> Outcome {
        Self::with_options(case, &ALONE, test)
    }

    /// The same with these options of the daemon.
    pub(crate) fn with_options(
        case: &Case,
        options: &[&str],
        test: impl FnOnce(&mut Docker<'_>) -> Outcome,
    ) -> Outcome {
        Self::with_prepared(case, options, |_| Ok(()), test)
    }

    /// The same after something is done on the island before the engine is there.
    pub(crate) fn with_prepared(
        case: &Case,
        options: &[&str],
        prepare: impl FnOnce(&Island) -> Outcome,
        test: impl FnOnce(&mut Docker<'_>) -> Outcome,
    ) -> Outcome {
        needs(&["containerd", "dockerd", "docker", "tar"])?;
        Island::with(case, "docker", |island| {
            prepare(island)?;
            let mut docker = Docker {
                island,
                options: options.iter().map(|&option| option.to_owned()).collect(),
                daemons: Vec::new(),
            };
            let outcome = docker
                .containerd()
                .and_then(|()| docker.dockerd())
                .and_then(|()| docker.import(case))
                .and_then(|()| test(&mut docker));
            let stopped = docker.stop();
            outcome.and(stopped)
        })
    }

    fn containerd(&mut self) -> Outcome {
        let daemon = self
            .island
            .daemon("containerd", &mut self.island.command("containerd"))?;
        self.daemons.push(daemon);
        eventually("containerd answers", || {
            Ok(self.island.run(&["ctr", "version"])?.code == 0)
        })
    }

    /// Starts the engine itself.
    pub(crate) fn dockerd(&mut self) -> Outcome {
        let mut command = self.island.command("dockerd");
        command
            .arg("--containerd=/run/containerd/containerd.sock")
            .arg("--cgroup-parent")
            .arg(&self.island.parent)
            .args(&self.options);
        // A container that is stopped in the middle of a test has no time to lose.
        command.arg("--shutdown-timeout=1");
        let daemon = self.island.daemon("dockerd", &mut command)?;
        self.daemons.push(daemon);
        let answers = eventually("dockerd answers", || {
            Ok(self.docker(&["version"])?.code == 0)
        });
        if answers.is_err() {
            return skip(format!(
                "needs Docker, and dockerd does not start: {}",
                self.island.log("dockerd")?
            ));
        }
        same(
            "default runtime",
            self.ok("info --format {{.DefaultRuntime}}")?.as_str(),
            "lodge",
        )
    }

    /// Ends the engine itself by this signal; containerd stays.
    pub(crate) fn end(&mut self, signal: Signal) -> Outcome {
        let last = self.daemons.pop();
        last.ok_or_else(|| Fault::failed("no engine runs"))?
            .end(signal)
    }

    /// The descriptors that the daemons hold.
    pub(crate) fn descriptors(&self) -> Outcome<usize> {
        self.daemons.iter().map(Daemon::descriptors).sum()
    }

    fn import(&self, case: &Case) -> Outcome {
        let rootfs = case.bundle.rootfs.to_string_lossy().into_owned();
        let script =
            format!("tar -C {rootfs} -cf /run/image.tar . && docker import /run/image.tar busybox");
        self.island.sh(&script)?.ok().map(drop)
    }

    /// Kills the engine and containerd.
    pub(crate) fn kill_all(&mut self) -> Outcome {
        while let Some(mut daemon) = self.daemons.pop() {
            daemon.end(Signal::SIGKILL)?;
        }
        Ok(())
    }

    /// Starts what does not run.
    pub(crate) fn start_again(&mut self) -> Outcome {
        if self.daemons.is_empty() {
            self.containerd()?;
        }
        self.dockerd()
    }

    /// A command of the client, for a minute at most.
    pub(crate) fn docker(&self, args: &[&str]) -> Outcome<Said> {
        said(
            self.island
                .command("timeout")
                .args(["60", "docker"])
                .args(args),
        )
    }

    /// The same, with words without spaces in one text.
    pub(crate) fn words(&self, line: &str) -> Outcome<Said> {
        self.docker(&line.split(' ').collect::<Vec<_>>())
    }

    /// Such a command that must work: its output.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> Outcome<String> {
        self.words(line)?.ok()
    }

    /// A command of blanks between its words that makes a container, which runs this
    /// script.
    pub(crate) fn script(&self, line: &str, script: &str) -> Outcome<Said> {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.extend(["busybox", "/bin/sh", "-c", script]);
        self.docker(&words)
    }

    /// `docker run --rm` of a script without network, with these options: its
    /// output.
    #[track_caller]
    pub(crate) fn run(&self, options: &[&str], script: &str) -> Outcome<String> {
        self.try_run(options, script)?.ok()
    }

    /// The same, which may fail.
    pub(crate) fn try_run(&self, options: &[&str], script: &str) -> Outcome<Said> {
        let mut line = vec!["run", "--rm"];
        if !options.iter().any(|option| option.starts_with("--net")) {
            line.push("--network=none");
        }
        line.extend(options);
        line.extend(["busybox", "/bin/sh", "-c", script]);
        self.docker(&line)
    }

    /// A script in a running container: its output.
    #[track_caller]
    pub(crate) fn exec(&self, name: &str, script: &str) -> Outcome<String> {
        self.docker(&["exec", name, "/bin/sh", "-c", script])?.ok()
    }

    /// A field of `docker inspect`, by Go's template.
    #[track_caller]
    pub(crate) fn field(&self, name: &str, field: &str) -> Outcome<String> {
        let format = format!("--format={{{{{field}}}}}");
        self.docker(&["inspect", &format, name])?.ok()
    }

    fn stop(&mut self) -> Outcome {
        let mut outcome = Ok(());
        // The engine first, then what it stands on.
        for mut daemon in self.daemons.drain(..).rev() {
            outcome = outcome.and(daemon.end(Signal::SIGTERM));
        }
        outcome
    }
}
