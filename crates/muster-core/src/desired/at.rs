//! The types of TOML values: a value with its place, one or many, a free table.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use crate::model::Span;

/// A value and the bytes of the file that state it.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    pub value: T,
    pub span: Span,
}

impl At<String> {
    /// Returns the bytes of the file for bytes of the text; the whole value if escapes make the two
    /// differ.
    pub fn within(&self, part: Span) -> Span {
        let bytes = self.span.end - self.span.start;
        if bytes != self.value.len() + 2 {
            return self.span;
        }
        let start = self.span.start + 1;
        Span { start: start + part.start, end: start + part.end.max(part.start) }
    }
}

impl<T> At<T> {
    /// Returns the value by reference, with its place.
    pub fn as_ref(&self) -> At<&T> {
        At { value: &self.value, span: self.span }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        let span = spanned.span().into();
        Ok(Self { value: spanned.into_inner(), span })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A text that may be written as a number: `nid = 5` and `nid = "[1-8]"` are both valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;
        impl Visitor<'_> for AsText {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a whole number")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }

        deserializer.deserialize_any(AsText)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// One string, or a list of strings.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOrMany(pub Vec<At<String>>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Vec<At<String>>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(vec![At { value: text.into(), span: Span { start: 0, end: 0 } }])
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(all)
            }
        }

        struct Inner(Vec<At<String>>);
        impl<'de> Deserialize<'de> for Inner {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Items).map(Inner)
            }
        }

        let at = At::<Inner>::deserialize(deserializer)?;
        let mut items = at.value.0;
        for item in items.iter_mut().filter(|item| item.span.end == 0) {
            item.span = at.span;
        }

        Ok(Self(items))
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
    }
}

/// A table whose keys a site chooses, with a place for every value.
pub type FreeTable = BTreeMap<String, At<Free>>;

/// A value of a [`FreeTable`].
#[derive(Debug, Clone, PartialEq)]
pub enum Free {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Free>),
    Table(FreeTable),
}

impl fmt::Display for Free {
    /// Formats the value as TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            // `1.0` differs from `1`: templates and JSON keep the written form.
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Table(table) => {
                let entries: Vec<String> = table.iter().map(|(key, at)| format!("{key} = {}", at.value)).collect();
                write!(f, "{{ {} }}", entries.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Free {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = Free;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, number, boolean, list or table")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Free, E> {
                Ok(Free::Text(text.into()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Free, E> {
                Ok(Free::Integer(number))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Free, E> {
                i64::try_from(number).map(Free::Integer).map_err(|_| E::custom("number over 2^63"))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Free, E> {
                Ok(Free::Float(number))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Free, E> {
                Ok(Free::Boolean(value))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Free, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Free::List(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Free, A::Error> {
                let mut table = FreeTable::new();
                while let Some(key) = entries.next_key::<String>()? {
                    if key.starts_with("$__toml_private") {
                        return Err(A::Error::custom("dates are written as strings here"));
                    }
                    table.insert(key, entries.next_value()?);
                }
                Ok(Free::Table(table))
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}

impl JsonSchema for Free {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Free".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean", "array", "object"] })
    }
}

/// A value that must be a text, a number or a boolean. Any value is parsed, so that later checks
/// report the fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar(pub Free);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Free::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}
