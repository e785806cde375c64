//! Free tables that merge by key: `vars`, and the further keys of meta-data.

use std::collections::BTreeMap;

use minijinja::value::Value;

use crate::desired::{Free, FreeTable};
use crate::model::{Origin, Span, Stated};

/// A merged table, each leaf with its Origin.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vars {
    entries: BTreeMap<String, Stated<Entry>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Entry {
    Leaf(Free),
    Table(Vars),
}

impl Vars {
    /// Lays a stronger table over this one: tables merge by key, all else replaces.
    pub fn lay(&mut self, table: &FreeTable, origin: &dyn Fn(Span) -> Origin) {
        for (key, at) in table {
            let stated = origin(at.span);
            match (&at.value, self.entries.get_mut(key)) {
                (Free::Table(inner), Some(Stated { value: Entry::Table(known), .. })) => known.lay(inner, origin),
                (Free::Table(inner), _) => {
                    let mut fresh = Self::default();
                    fresh.lay(inner, origin);
                    self.entries.insert(key.clone(), Stated::new(Entry::Table(fresh), stated));
                }
                (leaf, _) => {
                    self.entries.insert(key.clone(), Stated::new(Entry::Leaf(leaf.clone()), stated));
                }
            }
        }
    }

    /// Returns whether there is something at a path, or anything at all without one.
    #[must_use]
    pub fn has(&self, path: Option<&str>) -> bool {
        let Some(path) = path else { return !self.entries.is_empty() };
        if self.entries.contains_key(path) {
            return true;
        }

        let Some((first, rest)) = path.split_once('.') else { return false };
        match self.entries.get(first) {
            Some(Stated { value: Entry::Table(inner), .. }) => inner.has(Some(rest)),
            Some(Stated { value: Entry::Leaf(_), .. }) | None => false,
        }
    }

    /// Takes back what is at a path, or everything without one.
    pub fn unset(&mut self, path: Option<&str>) {
        let Some(path) = path else {
            self.entries.clear();
            return;
        };
        if self.entries.remove(path).is_some() {
            return;
        }

        let Some((first, rest)) = path.split_once('.') else { return };
        if let Some(Stated { value: Entry::Table(inner), .. }) = self.entries.get_mut(first) {
            inner.unset(Some(rest));
        }
    }

    /// Returns the table as templates see it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let entries = self.entries.iter().map(|(key, stated)| match &stated.value {
            Entry::Leaf(leaf) => (key.clone(), leaf_value(leaf)),
            Entry::Table(inner) => (key.clone(), inner.to_value()),
        });
        Value::from_pairs(entries)
    }

    /// Iterates over all leaves by their paths.
    #[must_use]
    pub fn leaves(&self) -> Vec<(String, Stated<&Free>)> {
        let mut all = Vec::new();
        for (key, stated) in &self.entries {
            match &stated.value {
                Entry::Leaf(leaf) => all.push((key.clone(), Stated::new(leaf, stated.origin))),
                Entry::Table(inner) => {
                    all.extend(inner.leaves().into_iter().map(|(path, leaf)| (format!("{key}.{path}"), leaf)));
                }
            }
        }
        all
    }

    /// Returns the table as JSON, each text passed through a function.
    pub fn expand(&self, text: &mut dyn FnMut(&str, Origin) -> String) -> Vec<(String, serde_json::Value)> {
        let mut all = Vec::with_capacity(self.entries.len());
        for (key, stated) in &self.entries {
            let value = match &stated.value {
                Entry::Leaf(leaf) => json(leaf, stated.origin, text),
                Entry::Table(inner) => serde_json::Value::Object(inner.expand(text).into_iter().collect()),
            };
            all.push((key.clone(), value));
        }
        all
    }
}

fn leaf_value(leaf: &Free) -> Value {
    match leaf {
        Free::Text(text) => Value::from(text.as_str()),
        Free::Integer(number) => Value::from(*number),
        Free::Float(number) => Value::from(*number),
        Free::Boolean(value) => Value::from(*value),
        Free::List(items) => Value::from_iter(items.iter().map(leaf_value)),
        Free::Table(table) => Value::from_pairs(table.iter().map(|(key, at)| (key.clone(), leaf_value(&at.value)))),
    }
}

fn json(leaf: &Free, origin: Origin, text: &mut dyn FnMut(&str, Origin) -> String) -> serde_json::Value {
    match leaf {
        Free::Text(words) => text(words, origin).into(),
        Free::Integer(number) => (*number).into(),
        Free::Float(number) => (*number).into(),
        Free::Boolean(value) => (*value).into(),
        Free::List(items) => items.iter().map(|item| json(item, origin, text)).collect(),
        Free::Table(table) => table.iter().map(|(key, at)| (key.clone(), json(&at.value, origin, text))).collect(),
    }
}
