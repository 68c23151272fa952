//! A failed step of the execution, as data that crosses the process border.

use std::borrow::Cow;
use std::fmt;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// "cannot ACTION OBJECT: REASON".
///
/// ```
/// use libcontainer::error::StepError;
///
/// let error = StepError::new("mount", "/proc", nix::errno::Errno::EPERM);
/// assert_eq!(error.to_string(), "cannot mount /proc: operation not permitted");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepError {
    /// The verb, and what belongs to it.
    pub action: Cow<'static, str>,
    /// The path, field, id or cgroup file that the step was about.
    pub object: String,
    /// The kernel's reason; 0 when the reason is ours and stands in `detail`.
    pub errno: i32,
    /// More than the kernel's reason, or in its place.
    pub detail: String,
}

impl StepError {
    /// A step that the kernel refused.
    pub fn new(
        action: impl Into<Cow<'static, str>>,
        object: impl Into<String>,
        errno: Errno,
    ) -> Self {
        Self {
            action: action.into(),
            object: object.into(),
            errno: raw(errno),
            detail: String::new(),
        }
    }

    /// A step that we refused, with our reason.
    pub fn refused(
        action: impl Into<Cow<'static, str>>,
        object: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            action: action.into(),
            object: object.into(),
            errno: 0,
            detail: reason.into(),
        }
    }

    /// A failure that is said in its own words.
    pub fn said(text: impl Into<String>) -> Self {
        Self {
            action: Cow::Borrowed(""),
            object: String::new(),
            errno: 0,
            detail: text.into(),
        }
    }

    /// The same with more to say after the kernel's reason.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The kernel's reason, where it was the kernel's.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        (self.errno != 0).then(|| Errno::from_raw(self.errno))
    }
}

#[expect(clippy::as_conversions, reason = "the kernel's own numbers")]
fn raw(errno: Errno) -> i32 {
    errno as i32
}

/// The kernel's reason in the words that engines match on ("no such file or
/// directory"): strerror(3)'s, without its capital.
#[must_use]
pub fn reason(errno: Errno) -> String {
    let text = errno.desc();
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // "RPC", "I/O": a word in capitals stays.
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.action.is_empty() {
            write!(f, "cannot {} {}: ", self.action, self.object)?;
        }
        match (self.errno(), self.detail.is_empty()) {
            (Some(errno), true) => f.write_str(&reason(errno)),
            (Some(errno), false) => write!(f, "{} ({})", reason(errno), self.detail),
            (None, _) => f.write_str(&self.detail),
        }
    }
}

impl std::error::Error for StepError {}

#[cfg(test)]
mod tests {
    use super::{StepError, reason};
    use nix::errno::Errno;

    #[test]
    fn says_verb_object_reason() {
        let error = StepError::new("open", "/x", Errno::ENOENT).with_detail("a dangling link");
        assert_eq!(
            error.to_string(),
            "cannot open /x: no such file or directory (a dangling link)"
        );
        let error = StepError::refused("mount", "/x", "a symbolic link");
        assert_eq!(error.to_string(), "cannot mount /x: a symbolic link");
    }

    #[test]
    fn words_in_capitals_stay() {
        assert_eq!(reason(Errno::EIO), "I/O error");
        assert_eq!(reason(Errno::EACCES), "permission denied");
    }
}
