//! The controller hugetlb.

use std::collections::BTreeMap;

use super::super::hugetlb::{Hugetlb, page_sizes};
use super::super::numbers::{number_if_there, of_key, text_if_there};
use crate::error::StepError;

/// None where the controller is not enabled.
pub(in super::super) fn read(folder: &str) -> Result<BTreeMap<String, Hugetlb>, StepError> {
    let mut sizes = BTreeMap::new();
    for size in page_sizes() {
        if let Some(entry) = of_size(folder, &size)? {
            sizes.insert(size, entry);
        }
    }
    Ok(sizes)
}

fn of_size(folder: &str, size: &str) -> Result<Option<Hugetlb>, StepError> {
    let usage = match number_if_there(folder, &format!("hugetlb.{size}.rsvd.current"))? {
        None => number_if_there(folder, &format!("hugetlb.{size}.current"))?,
        reserved => reserved,
    };
    let events = text_if_there(folder, &format!("hugetlb.{size}.events"))?;
    Ok(usage.map(|usage| Hugetlb {
        usage,
        max: 0,
        failcnt: of_key(&events.unwrap_or_default(), "max"),
    }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::of_size;

    #[test]
    fn a_size_without_files_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let folder = root.to_str().unwrap();
        assert_eq!(of_size(folder, "2MB").unwrap(), None);
        std::fs::write(root.join("hugetlb.2MB.current"), "5\n").unwrap();
        std::fs::write(root.join("hugetlb.2MB.events"), "max 3\n").unwrap();
        let entry = of_size(folder, "2MB").unwrap().unwrap();
        assert_eq!((entry.usage, entry.failcnt), (5, 3));
        std::fs::write(root.join("hugetlb.2MB.rsvd.current"), "7\n").unwrap();
        assert_eq!(of_size(folder, "2MB").unwrap().unwrap().usage, 7);
    }
}
