//! One write to a file of a cgroup, and what to do when the kernel refuses it.

use serde::{Deserialize, Serialize};

/// A value for a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The file's name; `/` is never in it.
    pub file: String,
    /// What is written, in one call.
    pub value: String,
    /// What to do where the kernel has no such file.
    pub if_missing: IfMissing,
    /// Whether an `EINVAL` may be the doing of another value's old state, so that
    /// the write is tried again after the rest of its cgroup's.
    pub retry: bool,
}

/// What to do where the kernel has no such file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IfMissing {
    /// Fail: a limit that was asked for cannot be set.
    Fail,
    /// Go on: without the file the limit means nothing, or holds anyway.
    Skip,
    /// Write this in its place.
    Instead {
        /// The other file.
        file: String,
        /// Its value.
        value: String,
    },
}

impl Write {
    /// A write that must succeed.
    pub fn new(file: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            file: file.into(),
            value: value.into().0,
            if_missing: IfMissing::Fail,
            retry: false,
        }
    }

    /// The same, left out where there is no such file.
    #[must_use]
    pub fn or_skip(mut self) -> Self {
        self.if_missing = IfMissing::Skip;
        self
    }

    /// The same with another file for where there is no such file.
    #[must_use]
    pub fn or_instead(mut self, file: impl Into<String>, value: impl Into<Value>) -> Self {
        self.if_missing = IfMissing::Instead {
            file: file.into(),
            value: value.into().0,
        };
        self
    }

    /// The same, tried again after the others when its order was wrong.
    #[must_use]
    pub fn or_later(mut self) -> Self {
        self.retry = true;
        self
    }
}

/// A value as the kernel reads it: text, or a number in decimal.
#[derive(Debug)]
pub struct Value(String);

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self(text.clone())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self(number.to_string())
            }
        }
    )*};
}
number!(u16, u32, i32, u64, i64);
