//! Values with their types.

use serde::{Deserialize, Serialize};

use super::types::Type;

/// A value of any type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// `y`.
    Byte(u8),
    /// `b`.
    Bool(bool),
    /// `n`.
    I16(i16),
    /// `q`.
    U16(u16),
    /// `i`.
    I32(i32),
    /// `u`.
    U32(u32),
    /// `x`.
    I64(i64),
    /// `t`.
    U64(u64),
    /// `d`, by its bits, so that equal is equal.
    Double(u64),
    /// `s`.
    Text(String),
    /// `o`.
    Path(String),
    /// `g`.
    Signature(String),
    /// `v`.
    Variant(Box<Value>),
    /// `a`: the elements' type, and the elements, which are of that type.
    Array(Type, Vec<Value>),
    /// `(…)`.
    Struct(Vec<Value>),
    /// `{…}`.
    Entry(Box<Value>, Box<Value>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The value, wrapped with its type.
    #[must_use]
    pub fn variant(self) -> Self {
        Self::Variant(Box::new(self))
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Type {
        Type::Basic(match self {
            Self::Byte(_) => 'y',
            Self::Bool(_) => 'b',
            Self::I16(_) => 'n',
            Self::U16(_) => 'q',
            Self::I32(_) => 'i',
            Self::U32(_) => 'u',
            Self::I64(_) => 'x',
            Self::U64(_) => 't',
            Self::Double(_) => 'd',
            Self::Text(_) => 's',
            Self::Path(_) => 'o',
            Self::Signature(_) => 'g',
            Self::Variant(_) => return Type::Variant,
            Self::Array(element, _) => return element.clone().array(),
            Self::Struct(members) => {
                return Type::Struct(members.iter().map(Self::kind).collect());
            }
            Self::Entry(key, value) => {
                return Type::Entry(Box::new(key.kind()), Box::new(value.kind()));
            }
        })
    }

    /// The text of `s`, `o` and `g`, also within a variant.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        let (Self::Text(text) | Self::Path(text) | Self::Signature(text)) = self.bare() else {
            return None;
        };
        Some(text)
    }

    /// The number of `u`, also within a variant.
    #[must_use]
    pub fn as_u32(&self) -> Option<u32> {
        let Self::U32(number) = self.bare() else {
            return None;
        };
        Some(*number)
    }

    /// A dictionary's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Array(_, entries) = self.bare() else {
            return None;
        };
        entries.iter().find_map(|entry| {
            let Self::Entry(key, value) = entry else {
                return None;
            };
            (key.as_text() == Some(name)).then_some(&**value)
        })
    }

    /// Without variants around it.
    fn bare(&self) -> &Self {
        let mut value = self;
        while let Self::Variant(inner) = value {
            value = inner;
        }
        value
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::{Type, Value};

    fn basic() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<u8>().prop_map(Value::Byte),
            any::<bool>().prop_map(Value::Bool),
            any::<i16>().prop_map(Value::I16),
            any::<u16>().prop_map(Value::U16),
            any::<i32>().prop_map(Value::I32),
            any::<u32>().prop_map(Value::U32),
            any::<i64>().prop_map(Value::I64),
            any::<u64>().prop_map(Value::U64),
            any::<u64>().prop_map(Value::Double),
            "[^\0]{0,9}".prop_map(Value::Text),
            "(/[a-z]{1,3}){1,3}".prop_map(Value::Path),
            "[yusv]{0,4}".prop_map(Value::Signature),
        ]
    }

    /// Any value, nested a few levels; elements of an array are copies of one.
    pub(in crate::dbus) fn any_value() -> impl Strategy<Value = Value> {
        basic().prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(Value::variant),
                prop::collection::vec(inner.clone(), 1..4).prop_map(Value::Struct),
                (inner.clone(), 0_usize..4)
                    .prop_map(|(one, count)| Value::Array(one.kind(), vec![one; count])),
                (basic(), inner, 0_usize..3).prop_map(|(key, value, count)| {
                    let entry = Value::Entry(Box::new(key), Box::new(value));
                    Value::Array(entry.kind(), vec![entry; count])
                }),
            ]
        })
    }

    #[test]
    fn a_dictionary_is_looked_into() {
        let entry = Value::Entry(
            Box::new(Value::text("a")),
            Box::new(Value::U32(7).variant()),
        );
        let dictionary = Value::Array(entry.kind(), vec![entry]);
        assert_eq!(dictionary.kind().to_string(), "a{sv}");
        assert_eq!(dictionary.get("a").and_then(Value::as_u32), Some(7));
        assert_eq!(dictionary.get("b"), None);
        assert_eq!(Value::Byte(1).get("a"), None);
        assert_eq!(Type::Variant, Value::Byte(1).variant().kind());
    }
}
