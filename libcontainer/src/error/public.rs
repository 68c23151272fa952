//! The error that callers of the library see.

use std::fmt;

use super::{Findings, StepError};

/// What sort of failure an [`Error`] is, for callers that act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No container of that id, or no such file that the caller named.
    NotFound,
    /// The id, or a cgroup, is taken.
    Exists,
    /// The container's status does not allow the operation.
    WrongStatus,
    /// `config.json`, or a value of the request, is at fault.
    InvalidConfig,
    /// This build or this host cannot do what was asked.
    Unsupported,
    /// The kernel refused a step.
    Os,
    /// The container's program could not be executed: all before it went well.
    NotExecuted,
    /// A fault of ours, or a state directory that nobody can read any more.
    Internal,
}

/// A failure: what failed, on which object, why, and what to do where known.
///
/// `Display` gives the one line that is enough to act on; [`Error::advice`] is
/// the second line.
///
/// ```
/// use libcontainer::{Error, ErrorKind};
///
/// fn retry(error: &Error) -> bool {
///     error.kind() == ErrorKind::Os
/// }
/// ```
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    advice: Option<String>,
    path: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of this kind with its one line.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            advice: None,
            path: None,
            source: None,
        }))
    }

    /// The same with a second line that says what to do.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// The same with the path of the field or file at fault.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// The same with the cause it stands on.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same with `context` and a colon before its line.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// The field of the configuration or the file at fault.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

impl From<StepError> for Error {
    fn from(step: StepError) -> Self {
        let message = step.to_string();
        Self::new(ErrorKind::Os, message).with_source(step)
    }
}

impl From<Findings> for Error {
    fn from(findings: Findings) -> Self {
        let path = findings.first().map(|finding| finding.path.clone());
        let advice = findings.first().and_then(|finding| finding.advice.clone());
        let mut error = Self::new(ErrorKind::InvalidConfig, findings.to_string());
        if let Some(path) = path {
            error = error.with_path(path);
        }
        if let Some(advice) = advice {
            error = error.with_advice(advice);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, ErrorKind};

    #[test]
    fn is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn context_goes_before_the_line() {
        let error = Error::new(ErrorKind::Os, "cannot pivot").context("container c1");
        assert_eq!(error.to_string(), "container c1: cannot pivot");
    }
}
