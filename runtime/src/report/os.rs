//! Failures of the standard library's calls, in the form that the library's have.

use std::io;

use libcontainer::error::{Error, ErrorKind};

/// "cannot ACTION OBJECT: REASON".
pub(crate) fn cannot(action: &str, object: &str, error: &io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::NotFound {
        ErrorKind::NotFound
    } else {
        ErrorKind::Os
    };
    Error::new(kind, format!("cannot {action} {object}: {}", reason(error)))
}

/// The kernel's reason in the words that engines match on: without a capital, and
/// without "(os error 2)".
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text
        .split_once(" (os error")
        .map_or(&*text, |(text, _)| text);
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // "I/O": a word in capitals stays.
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::cannot;
    use libcontainer::ErrorKind;
    use std::io::Error;

    #[test]
    fn says_verb_object_reason() {
        let error = cannot("read", "/x", &Error::from_raw_os_error(2));
        assert_eq!(
            error.to_string(),
            "cannot read /x: no such file or directory"
        );
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = cannot("read", "/x", &Error::other("I/O error"));
        assert_eq!(error.to_string(), "cannot read /x: I/O error");
        let error = cannot("read", "/x", &Error::other("not a number"));
        assert_eq!(error.to_string(), "cannot read /x: not a number");
    }
}
