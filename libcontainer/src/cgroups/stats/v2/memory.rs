//! The controller memory.

use super::super::memory::{Memory, MemoryEntry};
use super::super::numbers::{number, number_if_there, table, text_if_there};
use crate::error::StepError;

pub(in super::super) fn read(folder: &str) -> Result<Memory, StepError> {
    let Some(text) = text_if_there(folder, "memory.stat")? else {
        return Ok(Memory::default());
    };
    let raw = table(&text);
    let usage = entry(folder, "memory")?;
    let swap = entry(folder, "memory.swap")?;
    Ok(Memory {
        cache: raw.get("file").copied().unwrap_or_default(),
        usage,
        swap: together(usage, swap),
        raw,
        ..Memory::default()
    })
}

fn entry(folder: &str, name: &str) -> Result<MemoryEntry, StepError> {
    let Some(usage) = number_if_there(folder, &format!("{name}.current"))? else {
        return Ok(MemoryEntry::default());
    };
    // memory.peak is there since Linux 5.19, memory.swap.peak since 6.5.
    let max = number_if_there(folder, &format!("{name}.peak"))?;
    Ok(MemoryEntry {
        limit: number(folder, &format!("{name}.max"))?,
        usage,
        max: max.unwrap_or_default(),
        failcnt: 0,
    })
}

/// Memory and swap as one, which is how cgroup v1 counts them. The most that
/// both were together is known to nobody.
fn together(memory: MemoryEntry, swap: MemoryEntry) -> MemoryEntry {
    let limit = if swap.limit == u64::MAX {
        u64::MAX
    } else {
        swap.limit.saturating_add(memory.limit)
    };
    MemoryEntry {
        limit,
        usage: swap.usage.saturating_add(memory.usage),
        max: 0,
        failcnt: 0,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::read;

    #[test]
    fn swap_is_told_together_with_memory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let put = |file: &str, text: &str| {
            std::fs::write(root.join(format!("memory.{file}")), text).unwrap();
        };
        for (file, text) in [
            ("stat", "anon 8192\nfile 4096\n"),
            ("current", "12288\n"),
            ("max", "1000000\n"),
            ("peak", "20480\n"),
            ("swap.current", "4096\n"),
            ("swap.max", "500000\n"),
        ] {
            put(file, text);
        }
        let json = || serde_json::to_string(&read(root.to_str().unwrap()).unwrap()).unwrap();
        assert_eq!(
            json(),
            r#"{"cache":4096,"usage":{"limit":1000000,"usage":12288,"max":20480,"failcnt":0},"swap":{"limit":1500000,"usage":16384,"failcnt":0},"raw":{"anon":8192,"file":4096}}"#
        );
        put("swap.max", "max\n");
        assert!(json().contains(r#""swap":{"limit":18446744073709551615,"usage":16384"#));
    }
}
