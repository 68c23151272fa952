//! Podman on an island, root's or an ordinary user's, with the binary as its
//! default runtime.

use std::fs;

use super::case::Case;
use super::fault::Outcome;
use super::island::{Island, Said, needs};

/// The settings that depend on the host: there is no systemd, and limits above the
/// caller's own may be refused.
const SETTINGS: &str = r#"[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"#;

/// The user, and what a host that knows one has.
const USER: &str = r"
echo 'someone:x:7077:7077::/var/lib/someone:/bin/bash' >>/etc/passwd
echo 'someone:x:7077:' >>/etc/group
echo someone:770000:65536 >>/etc/subuid
echo someone:880000:65536 >>/etc/subgid
mkdir -p /var/lib/someone /run/user/7077
chown 7077:7077 /var/lib/someone /run/user/7077
chmod 700 /run/user/7077
# A network of the user's own needs the device, which not every host gives to everyone.
if mknod -m 666 /run/tun c 10 200 && [ -e /dev/net/tun ]; then mount --bind /run/tun /dev/net/tun; fi
";

/// On version 1 Podman leaves the cgroup of a pod in the hierarchies that it does not
/// know, with any runtime; only an empty one can be removed.
const PODS: &str = r#"
for dir in /sys/fs/cgroup"$1"/* /sys/fs/cgroup/*"$1"/*; do
    case ${dir##*/} in libpod-* | conmon | *.*) ;; *) [ ! -d "$dir" ] || rmdir "$dir" ;; esac
done
"#;

/// The engine, which is nothing but commands.
#[derive(Debug)]
pub(crate) struct Podman<'a> {
    /// Where it runs.
    pub(crate) island: &'a Island,
    user: bool,
}

impl Podman<'_> {
    /// Runs `test` with an engine that has the bundle's root file system as image
    /// `busybox`.
    pub(crate) fn with(case: &Case, test: impl FnOnce(&Podman<'_>) -> Outcome) -> Outcome {
        Self::of(case, false, test)
    }

    /// The same as an ordinary user.
    pub(crate) fn as_user(case: &Case, test: impl FnOnce(&Podman<'_>) -> Outcome) -> Outcome {
        needs(&["newuidmap", "setpriv"])?;
        Self::of(case, true, test)
    }

    fn of(case: &Case, user: bool, test: impl FnOnce(&Podman<'_>) -> Outcome) -> Outcome {
        needs(&["podman", "conmon", "netavark", "catatonit", "tar"])?;
        Island::with(case, "podman", |island| {
            let settings = island.path("/etc/containers/containers.conf.d/10-test.conf");
            fs::write(settings, SETTINGS)?;
            if user {
                island.sh(USER)?.ok()?;
            }
            let podman = Podman { island, user };
            let rootfs = case.bundle.rootfs.to_string_lossy().into_owned();
            let tar = "/run/image.tar";
            island.run(&["tar", "-C", &rootfs, "-cf", tar, "."])?.ok()?;
            island.run(&["chmod", "644", tar])?.ok()?;
            let path = "ENV PATH=/usr/local/bin:/usr/bin:/bin";
            podman
                .podman(&["import", "-q", "--change", path, tar, "busybox"])?
                .ok()?;
            let outcome = test(&podman);
            // After a failure the island takes them with it.
            if outcome.is_ok() {
                podman.ok("rm -af -t 0")?;
                island.run(&["bash", "-c", PODS, "pods", &island.parent])?;
            }
            // A user's engine has a process that keeps the user namespace.
            if user {
                podman.ok("system migrate")?;
            }
            outcome
        })
    }

    /// A command of the user, or of root.
    pub(crate) fn call(&self, line: &[&str]) -> Outcome<Said> {
        if !self.user {
            return self.island.run(line);
        }
        let path = format!("PATH={}", std::env::var("PATH").unwrap_or_default());
        let mut all = vec![
            "setpriv",
            "--reuid=7077",
            "--regid=7077",
            "--clear-groups",
            "env",
            "-i",
            "-C",
            "/var/lib/someone",
            &path,
            "HOME=/var/lib/someone",
            "USER=someone",
            "XDG_RUNTIME_DIR=/run/user/7077",
        ];
        all.extend(line);
        self.island.run(&all)
    }

    /// A command of the engine.
    pub(crate) fn podman(&self, args: &[&str]) -> Outcome<Said> {
        let mut line = vec!["podman"];
        line.extend(args);
        self.call(&line)
    }

    /// The same, with words without spaces in one text.
    pub(crate) fn words(&self, line: &str) -> Outcome<Said> {
        self.podman(&line.split(' ').collect::<Vec<_>>())
    }

    /// Such a command that must work: its output.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> Outcome<String> {
        self.words(line)?.ok()
    }

    /// `podman run` with the options that every container here has, and these words.
    pub(crate) fn start(&self, words: &[&str]) -> Outcome<Said> {
        let mut line = vec!["run"];
        // Of a user nobody has a cgroup on version 1.
        if !self.user {
            line.extend(["--cgroup-parent", &self.island.parent]);
        }
        let networked = words
            .iter()
            .any(|word| word.starts_with("--net") || word.starts_with("--pod"));
        if !networked {
            line.push("--network=none");
        }
        line.extend(words);
        self.podman(&line)
    }

    /// `podman run -d` with words in one text.
    #[track_caller]
    pub(crate) fn detached(&self, line: &str) -> Outcome<String> {
        let mut words = vec!["-d"];
        words.extend(line.split(' '));
        self.start(&words)?.ok()
    }

    /// `podman run --rm` of a script, which may fail.
    pub(crate) fn try_run(&self, options: &[&str], script: &str) -> Outcome<Said> {
        let mut line = vec!["--rm"];
        line.extend(options);
        line.extend(["busybox", "/bin/sh", "-c", script]);
        self.start(&line)
    }

    /// The same, which must work: its output.
    #[track_caller]
    pub(crate) fn run(&self, options: &[&str], script: &str) -> Outcome<String> {
        self.try_run(options, script)?.ok()
    }

    /// A script in a running container: its output.
    #[track_caller]
    pub(crate) fn exec(&self, name: &str, script: &str) -> Outcome<String> {
        self.podman(&["exec", name, "/bin/sh", "-c", script])?.ok()
    }

    /// A field of `podman inspect`, by Go's template.
    #[track_caller]
    pub(crate) fn field(&self, name: &str, field: &str) -> Outcome<String> {
        let format = format!("--format={{{{{field}}}}}");
        self.podman(&["inspect", &format, name])?.ok()
    }
}
