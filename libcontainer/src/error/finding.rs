//! What planning has against the input.

use std::fmt;

/// How much a [`Finding`] weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The plan cannot be made.
    Error,
    /// The plan is made without the part at fault; the log says so.
    Warning,
}

/// One fault: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The field, as in `linux.seccomp.syscalls[3].action`; empty when no field
    /// is at fault.
    pub path: String,
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong, with the value.
    pub message: String,
    /// What to do, where that is known.
    pub advice: Option<String>,
}

impl Finding {
    /// A fault that stops the plan.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            severity: Severity::Error,
            message: message.into(),
            advice: None,
        }
    }

    /// A fault that the plan can live with.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(path, message)
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All faults found, in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// No fault so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault.
    pub fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// Adds a fault that stops the plan.
    pub fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.push(Finding::error(path, message));
    }

    /// Adds a fault that the plan can live with.
    pub fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.push(Finding::warning(path, message));
    }

    /// Whether one of them stops the plan.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// The faults that stop the plan.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.0
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
    }

    /// The faults that the log should name.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.0
            .iter()
            .filter(|finding| finding.severity == Severity::Warning)
    }

    /// The first fault that stops the plan.
    #[must_use]
    pub fn first(&self) -> Option<&Finding> {
        self.errors().next()
    }

    /// Adds all of `other`'s.
    pub fn extend(&mut self, other: Findings) {
        self.0.extend(other.0);
    }
}

impl fmt::Display for Findings {
    /// The faults that stop the plan, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, finding) in self.errors().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            fmt::Display::fmt(finding, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}
