//! The controller hugetlb.

use std::collections::BTreeMap;

use super::super::hugetlb::{Hugetlb, page_sizes};
use super::super::numbers::{number, number_if_there};
use crate::error::StepError;

pub(in super::super) fn read(folder: &str) -> Result<BTreeMap<String, Hugetlb>, StepError> {
    page_sizes()
        .into_iter()
        .map(|size| Ok((size.clone(), of_size(folder, &size)?)))
        .collect()
}

fn of_size(folder: &str, size: &str) -> Result<Hugetlb, StepError> {
    let reserved = format!("hugetlb.{size}.rsvd");
    let in_use = format!("hugetlb.{size}");
    let usage = number_if_there(folder, &format!("{reserved}.usage_in_bytes"))?;
    let (prefix, usage) = match usage {
        Some(usage) => (reserved, usage),
        None => {
            let usage = number(folder, &format!("{in_use}.usage_in_bytes"))?;
            (in_use, usage)
        }
    };
    Ok(Hugetlb {
        usage,
        max: number(folder, &format!("{prefix}.max_usage_in_bytes"))?,
        failcnt: number(folder, &format!("{prefix}.failcnt"))?,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::of_size;

    #[test]
    fn reservations_are_told_where_they_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let put = |kind: &str, usage: &str| {
            for (file, value) in [
                ("usage_in_bytes", usage),
                ("max_usage_in_bytes", "9"),
                ("failcnt", "1"),
            ] {
                std::fs::write(root.join(format!("hugetlb.2MB{kind}.{file}")), value).unwrap();
            }
        };
        put("", "5");
        let usage = || of_size(root.to_str().unwrap(), "2MB").unwrap().usage;
        assert_eq!(usage(), 5);
        put(".rsvd", "7");
        assert_eq!(usage(), 7);
    }
}
