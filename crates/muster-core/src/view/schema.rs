//! The JSON schemas of what is promised.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};

/// Returns the JSON schema of a document (draft 7): the name of its file, and its text, which ends in a newline.
///
/// It lets in keys that it does not name, since a version gains fields.
pub fn published<T: JsonSchema>(file: &'static str, title: &str) -> (&'static str, String) {
    let settings = SchemaSettings::draft07().for_serialize().with_transform(RecursiveTransform(plain_numbers));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    (file, format!("{:#}\n", schema.to_value()))
}

/// Takes away the formats of Rust's numbers, which no validator knows.
fn plain_numbers(schema: &mut Schema) {
    if schema.get("format").and_then(|format| format.as_str()).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
}
