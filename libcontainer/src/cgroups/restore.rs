//! What files held before an update, for one that fails half-way.

use super::fs;
use super::parse::{keyed, word};
use super::write::{IfMissing, Write};
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// Values that depend on each other go back in one order or the other; a third
/// round would find nothing new.
const ROUNDS: usize = 3;

/// The old values of one cgroup's files.
#[derive(Debug)]
pub(super) struct OldValues {
    folder: String,
    values: Vec<OldValue>,
}

#[derive(Debug, PartialEq, Eq)]
struct OldValue {
    file: String,
    /// What picks it among several values of the file.
    key: Option<String>,
    value: String,
}

impl OldValues {
    /// Reads what these writes are going to change. A file that cannot be read
    /// holds no value.
    pub(super) fn read(folder: &str, writes: &[Write]) -> Self {
        let mut values: Vec<OldValue> = Vec::with_capacity(writes.len());
        for write in writes {
            let old = match (
                old_value(folder, &write.file, &write.value),
                &write.if_missing,
            ) {
                (Err(Errno::ENOENT), IfMissing::Instead { file, value }) => {
                    old_value(folder, file, value)
                }
                (old, _) => old,
            };
            let Ok(Some(old)) = old else { continue };
            if !values
                .iter()
                .any(|known| known.file == old.file && known.key == old.key)
            {
                values.push(old);
            }
        }
        Self {
            folder: folder.to_owned(),
            values,
        }
    }

    /// Writes back what has changed since.
    pub(super) fn put_back(&self) {
        let mut pending: Vec<&OldValue> = self.values.iter().rev().collect();
        for round in 1..=ROUNDS {
            pending.retain(|old| match self.put(old) {
                Ok(()) => false,
                Err(errno) => {
                    if round == ROUNDS {
                        let object = format!("{}/{} to {:?}", self.folder, old.file, old.value);
                        log::warn!("{}", StepError::new("set back", object, errno));
                    }
                    true
                }
            });
        }
    }

    fn put(&self, old: &OldValue) -> Result<(), Errno> {
        let now = value_of(&self.folder, &old.file, old.key.as_deref())?;
        if now.as_ref() == Some(&old.value) {
            return Ok(());
        }
        small_file::write(&format!("{}/{}", self.folder, old.file), &old.value)
    }
}

fn old_value(folder: &str, file: &str, written: &str) -> Result<Option<OldValue>, Errno> {
    let key = key_of(file, written);
    let value = value_of(folder, file, key)?;
    Ok(value.map(|value| OldValue {
        file: file.to_owned(),
        key: key.map(str::to_owned),
        value,
    }))
}

/// The first word of a value that is one of several of its file: a device's, an
/// interface's.
fn key_of<'a>(file: &str, written: &'a str) -> Option<&'a str> {
    let (key, _) = written.split_once(' ')?;
    let by_name = matches!(file, "rdma.max" | "misc.max" | "net_prio.ifpriomap");
    let by_device = key
        .split_once(':')
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    (by_name || by_device).then_some(key)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is to be written to get the present value back.
fn value_of(folder: &str, file: &str, key: Option<&str>) -> Result<Option<String>, Errno> {
    let text = fs::read(folder, file)?;
    if file == "memory.oom_control" {
        return Ok(keyed(&text, "oom_kill_disable").map(|value| value.to_string()));
    }
    let text = word(&text);
    if let Some(key) = key {
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(key))
            .map(|line| line.trim().to_owned());
        return Ok(line.or_else(|| none(file, key)));
    }
    // Weights list their default first and devices after it.
    let first = text.lines().next().unwrap_or_default();
    let value = if file.ends_with("weight") {
        first
    } else {
        text
    };
    Ok(Some(if value.is_empty() { "\n" } else { value }.to_owned()))
}

/// The value that stands for none of this key.
fn none(file: &str, key: &str) -> Option<String> {
    let value = match file {
        "io.max" => "rbps=max wbps=max riops=max wiops=max",
        file if file.contains(".throttle.") => "0",
        file if file.contains("weight") => "default",
        _ => return None,
    };
    Some(format!("{key} {value}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{OldValues, key_of};
    use crate::cgroups::write::Write;

    #[test]
    fn a_key_is_a_device_or_a_name() {
        assert_eq!(key_of("io.max", "8:0 rbps=1"), Some("8:0"));
        assert_eq!(key_of("rdma.max", "mlx5_0 hca_handle=2"), Some("mlx5_0"));
        assert_eq!(key_of("cpu.max", "5000 10000"), None);
        assert_eq!(key_of("pids.max", "5"), None);
    }

    #[test]
    fn what_changed_goes_back_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let put = |file: &str, text: &str| std::fs::write(root.join(file), text).unwrap();
        let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
        put("pids.max", "20\n");
        put("cpu.max", "max 100000\n");
        put("io.max", "8:0 rbps=5 wbps=max riops=max wiops=max\n");
        put("io.bfq.weight", "default 100\n8:0 50\n");
        put("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
        put("cpuset.cpus", "\n");
        let writes = [
            Write::new("pids.max", 7),
            Write::new("cpu.max", "5000 10000"),
            Write::new("io.max", "8:0 rbps=9"),
            Write::new("io.max", "8:16 rbps=9"),
            Write::new("io.bfq.weight", 500),
            Write::new("memory.oom_control", 1),
            Write::new("cpuset.cpus", "0"),
            Write::new("gone", 1),
        ];
        let old = OldValues::read(root.to_str().unwrap(), &writes);
        let values: Vec<String> = old
            .values
            .iter()
            .map(|old| format!("{} = {}", old.file, old.value.escape_debug()))
            .collect();
        assert_eq!(
            values,
            [
                "pids.max = 20",
                "cpu.max = max 100000",
                "io.max = 8:0 rbps=5 wbps=max riops=max wiops=max",
                "io.max = 8:16 rbps=max wbps=max riops=max wiops=max",
                "io.bfq.weight = default 100",
                "memory.oom_control = 0",
                "cpuset.cpus = \\n",
            ]
        );
        // An ordinary file is overwritten from its start, which shows a write.
        put("pids.max", "7.\n");
        put("cpu.max", "max 100000\n");
        old.put_back();
        assert_eq!(read("pids.max"), "20\n");
        assert_eq!(read("cpu.max"), "max 100000\n");
    }
}
