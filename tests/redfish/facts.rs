//! Facts that a person wrote down of each tree: what the probe should say, and which file says so.

use std::path::Path;

use muster::model::Quirk;
use muster::observed::{Observation, Outcome, Service, Shared, SharedSet};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The facts of one tree.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// All quirks that should be seen, by name.
    #[serde(default)]
    pub quirks: Vec<Quirk>,
    /// The kind of failure, where the BMC cannot be judged.
    pub failure: Option<String>,
    #[serde(default)]
    pub fact: Vec<Fact>,
}

/// One fact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// The path in the flattened observation, such as `systems/0/facts/serial`.
    pub what: String,
    pub is: Value,
    /// The file that says so, and where in it.
    pub file: String,
    #[serde(default)]
    pub pointer: String,
    /// How what the file says becomes what the probe should say.
    #[serde(default, rename = "as")]
    pub how: String,
}

impl Fact {
    /// Reads the file again, and tells what it says in the probe's words.
    pub fn said(&self, tree: &Path) -> Value {
        let path = tree.join(&self.file);
        if self.how == "no-file" {
            assert!(!path.exists(), "{}: {} is there after all", self.what, self.file);
            return self.is.clone();
        }
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let json: Value = serde_json::from_str(&text).unwrap();
        let value = json.pointer(&self.pointer);
        let text =
            || value.and_then(Value::as_str).unwrap_or_else(|| panic!("{}: no text at {}", self.what, self.pointer));
        match self.how.split(':').next().unwrap() {
            "" => value.cloned().unwrap_or_else(|| panic!("{}: nothing at {}", self.what, self.pointer)),
            "trim" => text().trim().into(),
            "lower" => text().to_lowercase().into(),
            "mac" => text().to_lowercase().replace('-', ":").into(),
            "text" => value.expect("something stands there").to_string().into(),
            "count" => value.and_then(Value::as_array).expect("a list").len().into(),
            // Attributes of null are not told, and passwords are not taken.
            "attributes" => {
                let all = value.and_then(Value::as_object).expect("an object");
                all.iter()
                    .filter(|(name, value)| !value.is_null() && !name.to_lowercase().ends_with("password"))
                    .count()
                    .into()
            }
            "path-mac" => {
                let path = text().split("MAC(").nth(1).expect("a MAC in the path")[..12].to_lowercase();
                let pairs: Vec<&str> = (0..6).map(|byte| &path[2 * byte..2 * byte + 2]).collect();
                pairs.join(":").into()
            }
            "enabled" => (text() == "Enabled").into(),
            // A placeholder, blanks or nothing: the probe says nothing. The reason stands behind the colon.
            "dropped" => {
                assert!(value.is_none_or(|value| value.is_null() || value.is_string() || value == 0), "{}", self.what);
                Value::Null
            }
            // What stands there was weighed by a person, and the reason stands behind the colon.
            "judged" => {
                assert!(value.is_some(), "{}: nothing at {}", self.what, self.pointer);
                self.is.clone()
            }
            other => panic!("{}: as = {other:?}", self.what),
        }
    }

    /// Returns what the fact states; TOML has no null, so an empty text under `dropped` is one.
    pub fn wanted(&self) -> Value {
        if self.how.starts_with("dropped") { Value::Null } else { self.is.clone() }
    }
}

/// Flattens an observation for facts: readings to what was seen, digests to their sets, interfaces by address, lists with a
/// `count` beside their members.
pub fn flat(observation: &Observation) -> Value {
    let service = match &observation.outcome {
        Outcome::Seen(service) => service,
        Outcome::Failed(failure) => return json!({ "failure": failure.kind.as_str() }),
    };
    let service: &Service = service;
    unwrap(serde_json::to_value(service).unwrap(), &observation.shared, "")
}

fn unwrap(value: Value, shared: &Shared, key: &str) -> Value {
    match value {
        Value::Object(mut object) if object.len() == 1 && object.contains_key("seen") => {
            unwrap(object.remove("seen").unwrap(), shared, key)
        }
        Value::Object(object) if object.len() == 1 && object.contains_key("failed") => {
            json!({ "failed": object["failed"]["kind"] })
        }
        Value::String(digest) if matches!(key, "inventory" | "bios" | "firmware") => {
            let found = shared.iter().find(|(name, _)| name.to_string() == digest);
            found.map_or(Value::String(digest), |(_, set)| unwrap(plain(set), shared, ""))
        }
        Value::Object(object) => {
            let all = object.into_iter().map(|(key, value)| {
                let value = unwrap(value, shared, &key);
                (key, value)
            });
            let mut all: Map<String, Value> = all.collect();
            if matches!(key, "" | "bios_pending") && !all.contains_key("count") {
                all.insert("count".into(), all.len().into());
            }
            Value::Object(all)
        }
        Value::Array(list) => {
            let mut all = Map::new();
            all.insert("count".into(), list.len().into());
            for (number, value) in list.into_iter().enumerate() {
                let value = unwrap(value, shared, "member");
                if let (true, Some(mac)) = (key == "nics", value["mac"].as_str()) {
                    all.insert(mac.to_owned(), value.clone());
                }
                all.insert(number.to_string(), value);
            }
            Value::Object(all)
        }
        other => other,
    }
}

fn plain(set: &SharedSet) -> Value {
    match set {
        SharedSet::Bios(set) => serde_json::to_value(set),
        SharedSet::Firmware(set) => serde_json::to_value(set),
        SharedSet::Inventory(set) => serde_json::to_value(set),
    }
    .unwrap()
}

/// Follows a path in a flattened observation; a `~1` in a part is a slash.
pub fn at<'v>(flat: &'v Value, path: &str) -> &'v Value {
    flat.pointer(&format!("/{path}")).unwrap_or(&Value::Null)
}
