//! What is said when CRIU fails, or is not there.

use super::log::words;
use super::messages::Response;
use crate::error::{Error, ErrorKind, StepError};
use crate::sys::Errno;

/// Callers look for these words; what comes after them is CRIU's, of its log or
/// else of its answer.
pub(super) fn failed(task: &str, response: &Response, logged: Option<&str>) -> Error {
    let errno = response.errno.unwrap_or_default();
    let mut text = format!("criu failed: type {task} errno {errno}");
    let answered = response.message.as_deref().map(words);
    let answered = answered.filter(|text| !text.is_empty());
    if let Some(words) = logged.or(answered) {
        text = format!("{text}: {words}");
    }
    Error::new(ErrorKind::Os, text)
}

pub(super) fn garbled() -> Error {
    Error::new(ErrorKind::Internal, "criu sent what cannot be understood")
}

pub(super) fn not_run(error: &std::io::Error) -> Error {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
    let failed = StepError::new("run", "criu", errno);
    if errno == Errno::ENOENT {
        return Error::new(ErrorKind::Unsupported, failed.to_string())
            .with_source(failed)
            .with_advice("checkpoint and restore need criu 3.0 or newer: install it");
    }
    failed.into()
}

#[cfg(test)]
mod tests {
    use super::{Response, failed};

    #[test]
    fn a_refusal_is_in_known_words() {
        let response = Response {
            errno: Some(52),
            ..Response::default()
        };
        assert_eq!(
            failed("DUMP", &response, None).to_string(),
            "criu failed: type DUMP errno 52"
        );
        assert_eq!(
            failed("RESTORE", &response, Some("no file")).to_string(),
            "criu failed: type RESTORE errno 52: no file"
        );
        let response = Response {
            message: Some("no such pid\n".to_owned()),
            ..Response::default()
        };
        assert_eq!(
            failed("PRE_DUMP", &response, None).to_string(),
            "criu failed: type PRE_DUMP errno 0: no such pid"
        );
    }
}
