//! The JSON schemas of the files of the cluster repository (draft 7, as editors expect), generated
//! from the file types.
//!
//! TOML has no null, so an optional key may be missing but never null. `muster check` covers what a
//! schema cannot express (references, patterns, everything across files).

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::file::{BootFile, ClusterFile, ExceptionsFile, GroupFile, NetworkFile, NodesFile, PolicyFile};

/// Returns every schema: the name of its file, and its text, which ends in a newline.
#[must_use]
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("boot.schema.json", text::<BootFile>("A boot configuration: boot/NAME.toml")),
        ("cluster.schema.json", text::<ClusterFile>("The cluster: cluster.toml")),
        ("exceptions.schema.json", text::<ExceptionsFile>("Drift that is borne: exceptions/*.toml")),
        ("group.schema.json", text::<GroupFile>("A group: groups/NAME.toml")),
        ("network.schema.json", text::<NetworkFile>("A network: networks/NAME.toml")),
        ("nodes.schema.json", text::<NodesFile>("Nodes and BMCs: nodes/**/*.toml")),
        ("policy.schema.json", text::<PolicyFile>("How drift is judged, and guard rails: policy.toml")),
    ]
}

/// Returns the schema of a file that people write; its text ends in a newline.
#[must_use]
pub fn text<T: JsonSchema>(title: &str) -> String {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(tidy));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    let mut text = format!("{:#}", schema.to_value());
    text.push('\n');
    text
}

/// Removes null, defaults, and the formats of Rust's numbers, which validators do not know.
fn tidy(schema: &mut Schema) {
    let Some(table) = schema.as_object_mut() else { return };
    without_null(table);
    table.remove("default");
    if table.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        table.remove("format");
    }
}

/// Removes the alternative null.
fn without_null(table: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = table.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            table.insert("type".into(), one);
        }
    }

    if let Some(Value::Array(words)) = table.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }

    for either in ["anyOf", "oneOf"] {
        let Some(Value::Array(choices)) = table.get_mut(either) else { continue };
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
        let [one] = choices.as_mut_slice() else { continue };
        let one = one.take();
        table.remove(either);
        match one {
            // Draft 7 ignores keywords next to `$ref`.
            Value::Object(one) if one.contains_key("$ref") && table.contains_key("description") => {
                table.insert("allOf".into(), Value::Array(vec![Value::Object(one)]));
            }
            Value::Object(one) => table.extend(one.into_iter().filter(|(key, _)| key != "description")),
            other => drop(other),
        }
    }
}
