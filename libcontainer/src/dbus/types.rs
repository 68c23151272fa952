//! Types as signatures spell them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Error;

/// The deepest nesting of a type: 32 arrays and 32 structs.
const DEEPEST: usize = 64;
/// The longest signature.
const LONGEST: usize = 255;

/// A single complete type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Type {
    /// One of `ybnqiuxtdsog`.
    Basic(char),
    /// `v`.
    Variant,
    /// `a` and the elements' type.
    Array(Box<Type>),
    /// `(…)`.
    Struct(Vec<Type>),
    /// `{…}`, as elements of an array alone.
    Entry(Box<Type>, Box<Type>),
}

impl Type {
    /// Reads a whole signature: any number of types.
    pub(crate) fn list(signature: &str) -> Result<Vec<Self>, Error> {
        if signature.len() > LONGEST {
            return Err(MALFORMED);
        }
        let mut rest = signature.chars();
        let mut list = Vec::new();
        while !rest.as_str().is_empty() {
            list.push(one(&mut rest, DEEPEST)?);
        }
        Ok(list)
    }

    /// Reads a signature of one type.
    pub(crate) fn single(signature: &str) -> Result<Self, Error> {
        let mut list = Self::list(signature)?;
        match (list.pop(), list.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(MALFORMED),
        }
    }

    /// An array of this type.
    #[must_use]
    pub fn array(self) -> Self {
        Self::Array(Box::new(self))
    }

    /// The multiple at which values of the type start in a message.
    pub(super) fn alignment(&self) -> usize {
        match self {
            Self::Basic('y' | 'g') | Self::Variant => 1,
            Self::Basic('n' | 'q') => 2,
            Self::Basic('x' | 't' | 'd') | Self::Struct(_) | Self::Entry(..) => 8,
            Self::Basic(_) | Self::Array(_) => 4,
        }
    }
}

const MALFORMED: Error = Error::Malformed("signature");

fn one(rest: &mut std::str::Chars<'_>, depth: usize) -> Result<Type, Error> {
    let depth = depth.checked_sub(1).ok_or(MALFORMED)?;
    match rest.next().ok_or(MALFORMED)? {
        'v' => Ok(Type::Variant),
        'a' if rest.as_str().starts_with('{') => {
            rest.next();
            let key = one(rest, depth)?;
            let value = one(rest, depth)?;
            if !matches!(key, Type::Basic(_)) || rest.next() != Some('}') {
                return Err(MALFORMED);
            }
            Ok(Type::Entry(Box::new(key), Box::new(value)).array())
        }
        'a' => Ok(one(rest, depth)?.array()),
        '(' => {
            let mut members = Vec::new();
            while !rest.as_str().starts_with(')') {
                members.push(one(rest, depth)?);
            }
            rest.next();
            if members.is_empty() {
                return Err(MALFORMED);
            }
            Ok(Type::Struct(members))
        }
        basic if "ybnqiuxtdsog".contains(basic) => Ok(Type::Basic(basic)),
        _ => Err(MALFORMED),
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic(letter) => write!(f, "{letter}"),
            Self::Variant => f.write_str("v"),
            Self::Array(element) => write!(f, "a{element}"),
            Self::Struct(members) => {
                f.write_str("(")?;
                members
                    .iter()
                    .try_for_each(|member| write!(f, "{member}"))?;
                f.write_str(")")
            }
            Self::Entry(key, value) => write!(f, "{{{key}{value}}}"),
        }
    }
}

impl From<Type> for String {
    fn from(one: Type) -> Self {
        one.to_string()
    }
}

impl TryFrom<String> for Type {
    type Error = Error;

    fn try_from(signature: String) -> Result<Self, Error> {
        // An entry is no type by itself, but an array's element type is.
        let Self::Array(element) = Self::single(&format!("a{signature}"))? else {
            return Err(MALFORMED);
        };
        Ok(*element)
    }
}

#[cfg(test)]
mod tests {
    use super::Type;

    #[test]
    fn signatures_are_read_as_they_are_written() {
        for signature in [
            "y",
            "as",
            "a(sv)",
            "a{sv}",
            "a(sa(sv))",
            "aaay",
            "(i(uv)a{y(ss)})",
        ] {
            let read = Type::single(signature).map(|one| one.to_string());
            assert_eq!(read.as_deref(), Ok(signature));
        }
        assert_eq!(Type::list("uoss").map(|list| list.len()), Ok(4));
        assert_eq!(Type::list("").map(|list| list.len()), Ok(0));
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let deep = "a".repeat(70) + "y";
        let long = "y".repeat(256);
        for signature in [
            "", "a", "(", "()", "(y", "{sv}", "a{vs}", "a{s}", "a{ssy}", "z", "yy", ")", "h",
            &deep, &long,
        ] {
            assert!(Type::single(signature).is_err(), "{signature:?}");
        }
    }
}
