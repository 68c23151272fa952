//! A list where an object has to be.
//!
//! The types of the specification take a list for an object, its items for the fields
//! in their order: `"linux": []` would be a container without a namespace. runc
//! refuses that, and so does a parser in this wrapping, which otherwise passes on what
//! it is given.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// The refusal. It is met on the way to the first item of the list.
pub(super) const LIST_FOR_OBJECT: &str = "a list, where an object has to be";

/// Reads a value whose objects are objects.
pub(super) fn read<'de, T, D>(parser: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(Plain(parser))
}

/// A parser, or a part of one, that hands what it finds to wrapped visitors.
struct Plain<P>(P);

/// A visitor that takes any value, and what is inside of it wrapped.
struct Any<V>(V);

/// The same where the fields of an object are wanted.
struct Object<V>(V);

/// Methods of a parser that differ in nothing but their names.
macro_rules! hand_on {
    ($($method:ident($($argument:ident: $type:ty),*) $wrap:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* $wrap(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Plain<D> {
    type Error = D::Error;

    hand_on! {
        deserialize_any() Any;
        deserialize_bool() Any;
        deserialize_i8() Any;
        deserialize_i16() Any;
        deserialize_i32() Any;
        deserialize_i64() Any;
        deserialize_u8() Any;
        deserialize_u16() Any;
        deserialize_u32() Any;
        deserialize_u64() Any;
        deserialize_f32() Any;
        deserialize_f64() Any;
        deserialize_char() Any;
        deserialize_str() Any;
        deserialize_string() Any;
        deserialize_bytes() Any;
        deserialize_byte_buf() Any;
        deserialize_option() Any;
        deserialize_unit() Any;
        deserialize_unit_struct(name: &'static str) Any;
        deserialize_newtype_struct(name: &'static str) Any;
        deserialize_seq() Any;
        deserialize_tuple(length: usize) Any;
        deserialize_tuple_struct(name: &'static str, length: usize) Any;
        deserialize_map() Any;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) Object;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) Any;
        deserialize_identifier() Any;
        deserialize_ignored_any() Any;
    }
}

/// Methods of a visitor for a value with nothing inside.
macro_rules! plain_values {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

/// What both visitors do alike.
macro_rules! any_but_a_list {
    () => {
        type Value = V::Value;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.expecting(formatter)
        }

        plain_values! {
            visit_bool(bool);
            visit_i64(i64);
            visit_u64(u64);
            visit_f64(f64);
            visit_str(&str);
            visit_borrowed_str(&'de str);
            visit_string(String);
            visit_bytes(&[u8]);
            visit_borrowed_bytes(&'de [u8]);
        }

        fn visit_none<E: Error>(self) -> Result<V::Value, E> {
            self.0.visit_none()
        }

        fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
            self.0.visit_unit()
        }

        fn visit_some<D: Deserializer<'de>>(self, parser: D) -> Result<V::Value, D::Error> {
            self.0.visit_some(Plain(parser))
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(
            self,
            parser: D,
        ) -> Result<V::Value, D::Error> {
            self.0.visit_newtype_struct(Plain(parser))
        }

        fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
            self.0.visit_map(Plain(entries))
        }

        fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
            self.0.visit_enum(Plain(variant))
        }
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Any<V> {
    any_but_a_list!();

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Plain(items))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    any_but_a_list!();

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<V::Value, A::Error> {
        Err(A::Error::custom(LIST_FOR_OBJECT))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Plain<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Plain(parser))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Plain<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Plain(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Plain<A> {
    type Error = A::Error;

    // A key holds nothing.
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Plain(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Plain<A> {
    type Error = A::Error;
    type Variant = Plain<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(seed)?;
        Ok((value, Plain(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Plain<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Plain(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, Any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Object(visitor))
    }
}
