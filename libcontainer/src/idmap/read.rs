//! Reading the map of a user namespace that was there before.

use super::{IdMap, IdMaps};
use crate::sys::{Errno, small_file};

/// The user ids of a process, as they are seen from our user namespace.
pub(crate) fn read_users(pid: libc::pid_t) -> Result<IdMaps, Errno> {
    let text = small_file::read_proc(&format!("/proc/{pid}/uid_map"))?;
    Ok(IdMaps {
        users: parse(&String::from_utf8_lossy(&text)),
        groups: Vec::new(),
    })
}

fn parse(text: &str) -> Vec<IdMap> {
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some(IdMap {
                inside: numbers.next()?.ok()?,
                outside: numbers.next()?.ok()?,
                size: numbers.next()?.ok()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::idmap::IdMap;

    #[test]
    fn the_kernels_columns_are_read() {
        let map = parse("         0     100000      65536\n     70000          5          1\n");
        let line = |inside, outside, size| IdMap {
            inside,
            outside,
            size,
        };
        assert_eq!(map, [line(0, 100_000, 65_536), line(70_000, 5, 1)]);
    }
}
