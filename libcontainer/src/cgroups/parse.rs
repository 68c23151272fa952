//! What the kernel says of cgroups: `/proc/PID/cgroup`, mountinfo, and the small
//! files of a cgroup.

use super::layout::Hierarchy;

/// One line of `/proc/PID/cgroup` (cgroups(7)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Membership {
    /// The v1 controllers; none for v2.
    pub(super) controllers: Vec<String>,
    /// The cgroup, as the reader's cgroup namespace shows it.
    pub(super) path: String,
}

/// Reads `/proc/PID/cgroup`; lines that make no sense are left out.
pub(super) fn memberships(text: &[u8]) -> Vec<Membership> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let mut fields = std::str::from_utf8(line).ok()?.splitn(3, ':');
            let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            Some(Membership {
                controllers: controllers
                    .split(',')
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
                // "(deleted)" is the kernel's remark on a removed cgroup.
                path: path.strip_suffix(" (deleted)").unwrap_or(path).to_owned(),
            })
        })
        .collect()
}

/// Looks for the mount point of each hierarchy, in pieces of mountinfo.
pub(super) struct MountSearch {
    wanted: Vec<(Membership, Option<Hierarchy>)>,
    rest: Vec<u8>,
}

impl MountSearch {
    pub(super) fn new(memberships: Vec<Membership>) -> Self {
        Self {
            wanted: memberships
                .into_iter()
                .map(|wanted| (wanted, None))
                .collect(),
            rest: Vec::new(),
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.wanted.iter().all(|(_, found)| found.is_some())
    }

    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
        let rest = std::mem::take(&mut self.rest);
        let mut lines = rest.split(|byte| *byte == b'\n');
        // What follows the last newline is the start of a line yet to come.
        let open = lines.next_back().unwrap_or_default();
        for line in lines {
            self.line(line);
        }
        self.rest = open.to_vec();
    }

    /// The hierarchies found, v1's in the kernel's order, v2 last.
    pub(super) fn finish(self) -> Vec<Hierarchy> {
        let mut found: Vec<Hierarchy> = self.wanted.into_iter().filter_map(|(_, at)| at).collect();
        found.sort_by_key(Hierarchy::is_v2);
        found
    }

    /// `36 35 98:0 ROOT MOUNT OPTIONS [TAG…] - TYPE SOURCE SUPER` (proc(5)).
    fn line(&mut self, line: &[u8]) -> Option<()> {
        let dash = line.windows(3).position(|window| window == b" - ")?;
        let (before, after) = (line.get(..dash)?, line.get(dash.checked_add(3)?..)?);
        let mut after = after.split(|byte| *byte == b' ');
        let v2 = match after.next()? {
            b"cgroup" => false,
            b"cgroup2" => true,
            _ => return None,
        };
        let options = std::str::from_utf8(after.nth(1)?).ok()?;
        let mut before = before.split(|byte| *byte == b' ').skip(3);
        let (root, mount) = (unescape(before.next()?)?, unescape(before.next()?)?);
        let wanted = self.wanted.iter_mut().find(|(wanted, found)| {
            found.is_none()
                && wanted.controllers.is_empty() == v2
                && wanted
                    .controllers
                    .iter()
                    .all(|name| options.split(',').any(|option| option == name))
        });
        if let Some((wanted, found)) = wanted {
            *found = Some(Hierarchy {
                controllers: wanted.controllers.clone(),
                own: below(&root, &wanted.path),
                mount,
            });
        }
        Some(())
    }
}

/// The path seen from a mount whose root is `root`.
fn below(root: &str, path: &str) -> Option<String> {
    if path.split('/').any(|part| part == "..") {
        return None;
    }
    if root == "/" {
        return Some(path.to_owned());
    }
    match path.strip_prefix(root)? {
        "" => Some("/".to_owned()),
        rest if rest.starts_with('/') => Some(rest.to_owned()),
        _ => None,
    }
}

/// Undoes mountinfo's `\040` for what would break its columns.
fn unescape(field: &[u8]) -> Option<String> {
    if !field.contains(&b'\\') {
        return String::from_utf8(field.to_vec()).ok();
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(octal.unwrap_or(*first));
        rest = match octal {
            Some(_) => tail.get(3..).unwrap_or_default(),
            None => tail,
        };
    }
    String::from_utf8(bytes).ok()
}

/// The numbers of `cgroup.procs`, one a line.
pub(super) fn pids(text: &[u8]) -> Vec<i32> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok()?.parse().ok())
        .collect()
}

/// The value of `KEY VALUE` in a file of such lines.
pub(super) fn keyed(text: &[u8], key: &str) -> Option<u64> {
    std::str::from_utf8(text).ok()?.lines().find_map(|line| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

/// A file that holds one word or number.
pub(super) fn word(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(cgroup: &str, mountinfo: &str, pieces: usize) -> Vec<(String, String, String)> {
        let mut search = MountSearch::new(memberships(cgroup.as_bytes()));
        for piece in mountinfo.as_bytes().chunks(pieces) {
            search.feed(piece);
        }
        search
            .finish()
            .into_iter()
            .map(|tree| {
                let own = tree.own.unwrap_or_else(|| "-".to_owned());
                (tree.controllers.join(","), tree.mount, own)
            })
            .collect()
    }

    fn strings(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        rows.iter()
            .map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned()))
            .collect()
    }

    const HYBRID_CGROUP: &str = "\
        5:name=systemd:/\n4:memory:/a b\n3:cpu,cpuacct:/user\n2:pids:/\n0::/user\n";
    const HYBRID_MOUNTS: &str = "\
        23 1 0:5 / /proc rw - proc proc rw\n\
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory\\040x rw - cgroup cgroup rw,memory\n\
        38 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
        41 31 0:37 / /elsewhere rw - cgroup cgroup rw,xattr,name=systemd\n";

    #[test]
    fn finds_mounted_hierarchies_of_a_hybrid_host() {
        let expected = strings(&[
            ("name=systemd", "/sys/fs/cgroup/systemd", "/"),
            ("memory", "/sys/fs/cgroup/memory x", "/a b"),
            ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/user"),
            ("", "/sys/fs/cgroup/unified", "/user"),
        ]);
        for pieces in [1, 7, 4096] {
            assert_eq!(search(HYBRID_CGROUP, HYBRID_MOUNTS, pieces), expected);
        }
    }

    #[test]
    fn stops_once_all_are_found() {
        let mut search = MountSearch::new(memberships(b"1:cpu:/\n"));
        search.feed(b"1 1 0:1 / /c rw - cgroup cgroup rw,cpu\n");
        assert!(search.is_complete());
        let mut search = MountSearch::new(memberships(b"1:cpu:/\n0::/\n"));
        search.feed(b"1 1 0:1 / /c rw - cgroup cgroup rw,cpu\n");
        assert!(!search.is_complete());
    }

    #[test]
    fn inside_a_container_our_cgroup_starts_at_the_mounts_root() {
        let mounts = "\
            9 1 0:3 /docker/c1 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n\
            9 1 0:4 /docker/c1 /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n\
            9 1 0:5 /docker/c1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let cgroup = "3:memory:/docker/c10\n2:pids:/docker/c1/x\n1:cpu:/docker/c1\n";
        assert_eq!(
            search(cgroup, mounts, 4096),
            strings(&[
                ("memory", "/sys/fs/cgroup/memory", "-"),
                ("pids", "/sys/fs/cgroup/pids", "/x"),
                ("cpu", "/sys/fs/cgroup/cpu", "/"),
            ])
        );
    }

    #[test]
    fn reads_small_files() {
        assert_eq!(pids(b"1\n20\n\n300\n"), [1, 20, 300]);
        let events = b"low 0\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(keyed(events, "oom_kill"), Some(1));
        assert_eq!(keyed(events, "max"), None);
        assert_eq!(word(b"FROZEN\n"), "FROZEN");
    }

    #[test]
    fn a_removed_cgroup_keeps_its_path() {
        let read = memberships(b"0::/gone (deleted)\nnonsense\n");
        assert_eq!(read.len(), 1);
        assert_eq!(read.first().map(|own| own.path.as_str()), Some("/gone"));
    }
}
