//! The controller memory.

use super::super::memory::{Memory, MemoryEntry};
use super::super::numbers::{number, number_if_there, table, text_if_there};
use crate::error::StepError;

pub(in super::super) fn read(folder: &str) -> Result<Memory, StepError> {
    let Some(text) = text_if_there(folder, "memory.stat")? else {
        return Ok(Memory::default());
    };
    let raw = table(&text);
    Ok(Memory {
        cache: raw.get("cache").copied().unwrap_or_default(),
        usage: entry(folder, "memory")?,
        // Without the accounting of swap (a kernel parameter), and without that
        // of the kernel's memory, there are no files.
        swap: entry(folder, "memory.memsw")?,
        kernel: entry(folder, "memory.kmem")?,
        kernel_tcp: entry(folder, "memory.kmem.tcp")?,
        raw,
        psi: None,
    })
}

fn entry(folder: &str, name: &str) -> Result<MemoryEntry, StepError> {
    let Some(usage) = number_if_there(folder, &format!("{name}.usage_in_bytes"))? else {
        return Ok(MemoryEntry::default());
    };
    // memory.kmem.limit_in_bytes is gone since Linux 6.
    let limit = number_if_there(folder, &format!("{name}.limit_in_bytes"))?;
    Ok(MemoryEntry {
        limit: limit.unwrap_or_default(),
        usage,
        max: number(folder, &format!("{name}.max_usage_in_bytes"))?,
        failcnt: number(folder, &format!("{name}.failcnt"))?,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::read;

    #[test]
    fn sorts_of_memory_that_are_not_counted_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for (file, text) in [
            (
                "stat",
                "cache 4096\nrss 8192\nhierarchical_memory_limit 9223372036854771712\n",
            ),
            ("usage_in_bytes", "12288"),
            ("max_usage_in_bytes", "20480"),
            ("limit_in_bytes", "9223372036854771712"),
            ("failcnt", "3"),
            ("kmem.usage_in_bytes", "100"),
            ("kmem.max_usage_in_bytes", "200"),
            ("kmem.failcnt", "0"),
        ] {
            std::fs::write(root.join(format!("memory.{file}")), text).unwrap();
        }
        assert_eq!(
            serde_json::to_string(&read(root.to_str().unwrap()).unwrap()).unwrap(),
            r#"{"cache":4096,"usage":{"limit":9223372036854771712,"usage":12288,"max":20480,"failcnt":3},"kernel":{"limit":0,"usage":100,"max":200,"failcnt":0},"raw":{"cache":4096,"hierarchical_memory_limit":9223372036854771712,"rss":8192}}"#
        );
    }
}
