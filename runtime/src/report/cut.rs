//! Messages of a length that somebody may read.

use std::borrow::Cow;

/// So many bytes of a message are kept from its beginning, and of its end. A pipe
/// that nobody reads yet takes 64 KiB (pipe(7)); escapes make six bytes of one at
/// most.
const BEGINNING: usize = 6144;
const END: usize = 2048;

/// The message, without its middle where it is too long.
pub(crate) fn cut(message: &str) -> Cow<'_, str> {
    if message.len() <= BEGINNING + END {
        return message.into();
    }
    let first = message.floor_char_boundary(BEGINNING);
    let last = message.ceil_char_boundary(message.len().saturating_sub(END));
    let (beginning, _) = message.split_at(first);
    let (_, end) = message.split_at(last);
    let left_out = last.saturating_sub(first);
    format!("{beginning} [{left_out} bytes left out] {end}").into()
}

#[cfg(test)]
mod tests {
    use super::{BEGINNING, END, cut};

    #[test]
    fn only_what_is_too_long_is_cut() {
        let short = "x".repeat(BEGINNING + END);
        assert_eq!(cut(&short), short);
        let long = format!("begin{}end", "ä".repeat(50_000));
        let seen = cut(&long);
        assert!(seen.starts_with("begin") && seen.ends_with("end"), "{seen}");
        assert!(seen.contains(" bytes left out] "));
        assert!(seen.len() < BEGINNING + END + 40);
    }
}
