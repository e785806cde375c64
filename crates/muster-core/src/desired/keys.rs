//! The keys that a table may have, from the schema of its file type, for suggestions.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Returns the keys that are valid next to the last part of a path in a file type.
pub fn known_beside<T: JsonSchema + 'static>(path: &[String]) -> Vec<String> {
    let parents = path.split_last().map_or(&[][..], |(_, parents)| parents);
    tables_at(&schema::<T>(), parents).into_iter().flat_map(keys_of).collect()
}

/// Returns whether the last key of a path is required in its table.
pub fn is_required<T: JsonSchema + 'static>(path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let schema = schema::<T>();
    let tables = tables_at(&schema, parents);
    let mut required = tables.iter().filter_map(|table| table.get("required").and_then(Value::as_array)).flatten();
    required.any(|key| key == last)
}

/// The generated schemas, by type: a file can have ten thousand mistakes, and generating a schema
/// takes a while.
static MADE: Mutex<BTreeMap<TypeId, Arc<Value>>> = Mutex::new(BTreeMap::new());

fn schema<T: JsonSchema + 'static>() -> Arc<Value> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value().into();
    Arc::clone(made.entry(TypeId::of::<T>()).or_insert_with(make))
}

/// Returns every table that is possible at a path.
fn tables_at<'s>(schema: &'s Value, path: &[String]) -> Vec<&'s Value> {
    let mut at = vec![schema];
    for part in path {
        at = at.iter().flat_map(|place| children(schema, place, part)).collect();
    }
    at.iter().flat_map(|place| alternatives(schema, place)).collect()
}

fn keys_of(place: &Value) -> Vec<String> {
    let properties = place.get("properties").and_then(Value::as_object);
    properties.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn children<'s>(root: &'s Value, place: &'s Value, part: &str) -> Vec<&'s Value> {
    let inner = |place: &'s Value| match part.parse::<usize>() {
        Ok(_) => place.get("items"),
        Err(_) => place.get("properties").and_then(|table| table.get(part)),
    };
    alternatives(root, place).into_iter().filter_map(inner).collect()
}

/// Resolves references, and expands `anyOf` and similar keywords into all alternatives.
fn alternatives<'s>(root: &'s Value, place: &'s Value) -> Vec<&'s Value> {
    if let Some(name) = place.get("$ref").and_then(Value::as_str) {
        let target = name.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map(|target| alternatives(root, target)).unwrap_or_default();
    }
    let mut all = vec![place];
    for kind in ["anyOf", "oneOf", "allOf"] {
        for inner in place.get(kind).and_then(Value::as_array).into_iter().flatten() {
            all.extend(alternatives(root, inner));
        }
    }
    all
}
