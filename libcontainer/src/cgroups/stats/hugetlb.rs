//! Huge pages of one size.

use serde::Serialize;

use super::skip;
use crate::sys::small_file;

/// An entry of `hugetlb` of the statistics, in bytes: what is reserved where the
/// kernel counts that (5.7), else what is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Hugetlb {
    /// Now.
    #[serde(skip_serializing_if = "skip::zero")]
    pub usage: u64,
    /// At most so far; cgroup v1 only.
    #[serde(skip_serializing_if = "skip::zero")]
    pub max: u64,
    /// How often there were none left.
    pub failcnt: u64,
}

/// The sizes that this kernel has, in its words: `2MB`.
pub(super) fn page_sizes() -> Vec<String> {
    let folders = small_file::open_folder("/sys/kernel/mm/hugepages")
        .and_then(|folder| small_file::folders(&folder))
        .unwrap_or_default();
    let mut sizes: Vec<u64> = folders
        .iter()
        .filter_map(|name| {
            let number = name.to_str()?.strip_prefix("hugepages-")?;
            number.strip_suffix("kB")?.parse().ok()
        })
        .collect();
    sizes.sort_unstable();
    sizes.into_iter().map(name).collect()
}

/// A size in kilobytes as `hugetlb.SIZE.max` has it.
fn name(kilobytes: u64) -> String {
    match kilobytes {
        size if size >= 1 << 20 => format!("{}GB", size >> 20),
        size if size >= 1 << 10 => format!("{}MB", size >> 10),
        size => format!("{size}KB"),
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn sizes_are_named_as_the_kernel_does() {
        assert_eq!(
            [64, 2048, 1 << 20, 16 << 20].map(name),
            ["64KB", "2MB", "1GB", "16GB"]
        );
    }
}
