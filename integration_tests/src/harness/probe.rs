//! What a process inside sees of itself: a shell script that prints it, and its
//! reader.

use std::collections::BTreeMap;

use super::fault::{Fault, Outcome};

/// A line of a mountinfo file.
#[derive(Debug, Clone)]
pub(crate) struct MountLine {
    /// Where.
    pub(crate) point: String,
    /// The mount's options.
    pub(crate) options: String,
    /// `shared:N`, `master:N`, `unbindable`, or empty.
    pub(crate) propagation: String,
    /// The file system's type.
    pub(crate) kind: String,
    /// The file system's options.
    pub(crate) super_options: String,
}

impl MountLine {
    /// Reads one.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (mount, superblock) = line.split_once(" - ")?;
        // After the ids of the mount, its parent and its device, and its root.
        let mut mount = mount.split(' ').skip(4);
        let mut superblock = superblock.split(' ');
        Some(Self {
            point: mount.next()?.to_owned(),
            options: mount.next()?.to_owned(),
            propagation: mount.collect::<Vec<_>>().join(" "),
            kind: superblock.next()?.to_owned(),
            super_options: superblock.nth(1).unwrap_or_default().to_owned(),
        })
    }

    /// Whether the mount, or its file system, has this option.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|o| o == option)
    }
}

/// What the process saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    parts: BTreeMap<String, String>,
}

/// Whether these `SigBlk:` and `SigIgn:` lines name no signal. 32 and 33 count
/// too: the C library hands them on ignored when it starts a program, so that
/// every caller written in C or Rust gives them to the runtime.
pub(crate) fn no_signals(lines: &str) -> bool {
    let sets = lines
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    let numbers: Vec<u64> = sets
        .filter_map(|set| u64::from_str_radix(set, 16).ok())
        .collect();
    numbers == [0, 0]
}

impl Seen {
    /// The script. It forks nothing that could differ from the shell itself: the
    /// files read are the shell's.
    pub(crate) const SCRIPT: &'static str = r#"
        p=/proc/$$
        for f in status limits mountinfo cgroup oom_score_adj timens_offsets; do
            echo "@@$f"; cat $p/$f 2>/dev/null
        done
        echo @@fds; ls -l $p/fd
        echo @@ns; ls -l $p/ns
        echo @@env; env
        echo @@cwd; readlink $p/cwd
        echo @@id; id
        echo @@hostname; hostname
        echo @@domainname; cat /proc/sys/kernel/domainname
        echo @@dev; ls -l /dev
        echo @@end
    "#;

    /// Reads its output.
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let mut seen = Self::default();
        let mut part = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("@@") {
                name.clone_into(&mut part);
                seen.parts.insert(part.clone(), String::new());
            } else if let Some(text) = seen.parts.get_mut(&part) {
                text.push_str(line);
                text.push('\n');
            }
        }
        if seen.parts.contains_key("end") {
            return Ok(seen);
        }
        Err(Fault::failed(format!("the probe did not end: {text}")))
    }

    /// The text of one part.
    pub(crate) fn part(&self, name: &str) -> &str {
        self.parts.get(name).map_or("", String::as_str).trim_end()
    }

    /// A field of `/proc/PID/status`.
    pub(crate) fn status(&self, field: &str) -> String {
        let lines = self.part("status").lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let value = values.next().unwrap_or("(absent)");
        value.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A capability set, or a signal set, as a number.
    pub(crate) fn bits(&self, field: &str) -> u64 {
        u64::from_str_radix(&self.status(field), 16).unwrap_or(u64::MAX)
    }

    /// Soft and hard limit, as `/proc/PID/limits` has them.
    pub(crate) fn limit(&self, name: &str) -> String {
        let lines = self.part("limits").lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(name));
        let words = values.next().unwrap_or("").split_whitespace().take(2);
        words.collect::<Vec<_>>().join(" ")
    }

    /// The open file descriptors: number and what each refers to.
    pub(crate) fn fds(&self) -> BTreeMap<u32, String> {
        let lines = self.part("fds").lines();
        let named = lines.filter_map(|line| {
            let (left, target) = line.split_once(" -> ")?;
            Some((left.rsplit(' ').next()?.parse().ok()?, target.to_owned()))
        });
        named.collect()
    }

    /// A namespace as `type:[inode]`.
    pub(crate) fn namespace(&self, kind: &str) -> String {
        let lines = self.part("ns").lines();
        let mut named = lines.filter_map(|line| {
            let (left, target) = line.split_once(" -> ")?;
            (left.rsplit(' ').next()? == kind).then(|| target.to_owned())
        });
        named.next().unwrap_or_default()
    }

    /// All mounts.
    pub(crate) fn mounts(&self) -> Vec<MountLine> {
        self.part("mountinfo")
            .lines()
            .filter_map(MountLine::parse)
            .collect()
    }

    /// The topmost mount at a path.
    #[track_caller]
    pub(crate) fn mount(&self, point: &str) -> Outcome<MountLine> {
        let found = self
            .mounts()
            .into_iter()
            .rfind(|mount| mount.point == point);
        found.ok_or_else(|| {
            let text = self.part("mountinfo");
            Fault::failed(format!("no mount at {point} in\n{text}"))
        })
    }

    /// The line of `ls -l` for a name in `/dev`.
    pub(crate) fn device(&self, name: &str) -> String {
        let lines = self.part("dev").lines();
        let mut named = lines.filter(|line| {
            let left = line.split(" -> ").next().unwrap_or(line);
            left.rsplit(' ').next() == Some(name)
        });
        let line = named.next().unwrap_or("(absent)");
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
