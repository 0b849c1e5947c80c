//! The types of values in the file, each of which checks itself when it is read.
//!
//! An environment variable is always a string: numbers and booleans are therefore read from strings too, and
//! lists from strings with commas.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{I64Deserializer, StrDeserializer};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Unexpected, Visitor};
use serde::{Serialize, Serializer};

/// An integer from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Number<const LEAST: u32, const MOST: u32>(pub(super) u32);

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Number<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = integer(deserializer)?;
        u32::try_from(number)
            .ok()
            .filter(|number| (LEAST..=MOST).contains(number))
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("is {number}: expected {LEAST} to {MOST}")))
    }
}

/// An integer, or a string that reads as one.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct IntegerVisitor;

    impl Visitor<'_> for IntegerVisitor {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an integer")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
            text.parse().map_err(|_| E::invalid_type(Unexpected::Str(text), &self))
        }
    }
    deserializer.deserialize_any(IntegerVisitor)
}

/// `true` or `false`, as a boolean or a string.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;

        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Flag, E> {
                Ok(Flag(flag))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Flag, E> {
                text.parse().map(Flag).map_err(|_| E::invalid_type(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(FlagVisitor)
    }
}

/// A value that is written as a string.
#[derive(Debug, Clone)]
pub(super) struct Text<T>(pub(super) T);

/// How a string becomes a value.
pub(super) trait FromText: Sized {
    /// The value of `text`, or the problem with it, as the predicate of a sentence:
    /// `is "x": expected …`.
    fn from_text(text: String) -> Result<Self, String>;
}

impl<'de, T: FromText> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::from_text(String::deserialize(deserializer)?).map(Self).map_err(de::Error::custom)
    }
}

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An array, or a string with commas.
#[derive(Debug, Clone, Serialize)]
pub(super) struct List<T>(pub(super) Vec<T>);

/// An entry of a list.
pub(super) trait Entry {
    /// What to call the list in errors.
    const LIST: &'static str;
}

impl Entry for String {
    const LIST: &'static str = "a list of strings";
}

impl<'de, T: Deserialize<'de> + Entry> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Entry> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::LIST)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<List<T>, E> {
                text.split(',')
                    .map(str::trim)
                    .filter(|entry| !entry.is_empty())
                    .map(|entry| T::deserialize(StrDeserializer::<E>::new(entry)))
                    .collect::<Result<_, E>>()
                    .map(List)
            }

            /// A single number needs no brackets.
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<List<T>, E> {
                T::deserialize(I64Deserializer::<E>::new(number))
                    .map(|entry| List(vec![entry]))
                    .map_err(|_| E::invalid_type(Unexpected::Signed(number), &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    list.push(entry);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}
