//! `exceptions/*.toml`: accepted drift.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use toml::value::Datetime;

use crate::desired::at::{At, Scalar};

/// A file under `exceptions/`: drift that is accepted for some time.
///
/// Each table is read alone, so that an error in one hides none in the others; this type is all of them together.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExceptionsFile {
    /// Each is one attribute of some nodes.
    #[serde(default)]
    pub exception: Vec<ExceptionTable>,
}

/// One attribute of some nodes that may differ from the desired state as long as it has this observed value.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExceptionTable {
    /// The nodes, as a node set such as `nid[0001-0004]` or `@gpu`.
    #[schemars(required)]
    pub nodes: Option<At<String>>,
    /// The attribute's path, such as `memory_gib`, `bios.attributes.LogicalProc` or `nics.eth0.mac`.
    #[schemars(required)]
    pub attribute: Option<At<String>>,
    /// The accepted value; any other is drift.
    #[serde(default)]
    pub seen: Option<At<Scalar>>,
    /// Instead of `seen`: accepts that the machine does not have this attribute.
    #[serde(default)]
    pub missing: Option<At<bool>>,
    /// The owner.
    #[schemars(required)]
    pub owner: Option<At<String>>,
    /// The reason.
    #[serde(default)]
    pub reason: Option<At<String>>,
    /// The last day of the exception, until its end in UTC, such as `2026-12-31`.
    #[schemars(required)]
    pub expires: Option<At<DateText>>,
}

/// A day as text, whether TOML's date or a string states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateText(pub String);

impl<'de> Deserialize<'de> for DateText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Day;
        impl<'de> Visitor<'de> for Day {
            type Value = DateText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<DateText, E> {
                Ok(DateText(text.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<DateText, A::Error> {
                let date = Datetime::deserialize(MapAccessDeserializer::new(entries));
                date.map(|date| DateText(date.to_string()))
                    .map_err(|_| A::Error::custom("this is a table, and a date is wanted"))
            }
        }

        deserializer.deserialize_any(Day)
    }
}

impl JsonSchema for DateText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Date".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" })
    }
}
