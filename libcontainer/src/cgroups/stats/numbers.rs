//! Figures in the small files of a cgroup.

use std::collections::BTreeMap;

use super::super::{fs, parse};
use crate::error::StepError;
use crate::sys::Errno;

/// A file of a folder, read whole.
pub(super) fn text(folder: &str, file: &str) -> Result<String, StepError> {
    fs::read(folder, file)
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .map_err(|errno| StepError::new("read", format!("{folder}/{file}"), errno))
}

/// The same; none where the kernel has no such file.
pub(super) fn text_if_there(folder: &str, file: &str) -> Result<Option<String>, StepError> {
    match text(folder, file) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
        read => read.map(Some),
    }
}

/// A file that holds one number, or `max`, which is the largest.
pub(super) fn number(folder: &str, file: &str) -> Result<u64, StepError> {
    let text = text(folder, file)?;
    parse_number(&text)
        .ok_or_else(|| StepError::refused("read", format!("{folder}/{file}"), "not a number"))
}

/// The same; none where the kernel has no such file.
pub(super) fn number_if_there(folder: &str, file: &str) -> Result<Option<u64>, StepError> {
    match number(folder, file) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
        read => read.map(Some),
    }
}

/// A number; below zero is none at all, and `max` is the largest.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text == "max" {
        return Some(u64::MAX);
    }
    if text.starts_with('-') && text.parse::<i64>().is_ok() {
        return Some(0);
    }
    text.parse().ok()
}

/// A number of a file of `KEY VALUE` lines; 0 where it is not among them.
pub(super) fn of_key(text: &str, key: &str) -> u64 {
    parse::keyed(text.as_bytes(), key).unwrap_or_default()
}

/// All of a file of `KEY VALUE` lines.
pub(super) fn table(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), parse_number(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{of_key, parse_number, table};

    #[test]
    fn numbers_have_a_largest_and_none_below_zero() {
        assert_eq!(parse_number("12\n"), Some(12));
        assert_eq!(parse_number("max\n"), Some(u64::MAX));
        assert_eq!(parse_number("-1\n"), Some(0));
        assert_eq!(parse_number("\n"), None);
    }

    #[test]
    fn tables_are_read() {
        let text = "cache 5\nrss_huge 0\nnonsense\nrss 7\n";
        assert_eq!(of_key(text, "rss"), 7);
        assert_eq!(of_key(text, "swap"), 0);
        assert_eq!(table(text).len(), 3);
    }
}
