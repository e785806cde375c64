//! The sources of a node's values, and the values that they override.

use serde_json::{Value, json};

use super::facts::Fact;
use super::hidden::HiddenSecrets;
use crate::desired::template::SERVER_MARK;
use crate::model::text::line;
use crate::model::{Layer, Origin, SafeText};
use crate::resolve::{self, Overridden};
use crate::snapshot::Snapshot;

/// The width that lines are fitted to.
const WIDTH: usize = 80;

/// The columns before values.
const INDENT: usize = 13;

/// The column at which sources start if the value leaves room.
const PLACES: usize = 44;

/// The overridden values of one node.
pub struct Blame<'s> {
    snapshot: &'s Snapshot,
    all: Vec<Overridden>,
}

impl<'s> Blame<'s> {
    /// Collects the values that the layers of a node override, with its secrets hidden.
    pub fn of(snapshot: &'s Snapshot, node: usize, hidden: &HiddenSecrets) -> Self {
        let mut all = resolve::overridden(snapshot.desired(), &snapshot.nodes()[node]);
        for gone in &mut all {
            gone.text = hidden.value(&gone.key, gone.text.to_string()).into();
            gone.key = hidden.text(gone.key.to_string()).into();
        }
        Self { snapshot, all }
    }

    /// Lists the values that the value with this origin overrides, the strongest first.
    pub fn under(&self, path: &str, origin: Origin) -> Vec<&Overridden> {
        let mut under = Vec::new();
        let mut places = vec![origin];
        while let Some(by) = places.pop() {
            let is_under = |gone: &&Overridden| gone.by == by && is_same(&gone.key, path) && !gone.is_taken_back;
            for gone in self.all.iter().rev().filter(is_under) {
                under.push(gone);
                places.push(gone.origin);
            }
        }
        under
    }

    /// Lists removed values that no other value overrides.
    pub fn gone(&self) -> impl Iterator<Item = &Overridden> {
        self.all.iter().filter(|gone| gone.is_taken_back)
    }

    /// Formats a source: `groups/compute.toml:5:11 (group compute)`.
    pub fn place(&self, origin: Origin) -> String {
        let (sources, desired) = (&self.snapshot.desired().sources, self.snapshot.desired());
        let column = sources.column(origin.file, origin.at);
        format!("{}:{column} ({})", sources.describe(origin), desired.layer_words(origin.layer))
    }

    /// Formats a value with its source next to it or below, and the values that it overrides.
    pub fn text(&self, fact: &Fact) -> SafeText {
        let mut text = SafeText::default();
        let first = line(&format!("{:<12} {}", fact.key, fact.value)).into_owned();
        let Some(origin) = fact.origin else {
            text.push_line(&first);
            return text;
        };

        let (place, used) = (self.place(origin), first.chars().count());
        let column = PLACES.max(used + 2);
        if column + place.chars().count() <= WIDTH {
            text.push_line(&format!("{first}{}{place}", " ".repeat(column - used)));
        } else {
            text.push_line(&first);
            text.push_line(&format!("{}{place}", " ".repeat(INDENT + 2)));
        }

        for gone in self.under(&fact.path, origin) {
            self.push_under(&mut text, gone);
        }

        text
    }

    /// Formats the removed values, and their sources.
    pub fn taken_back(&self) -> impl Iterator<Item = SafeText> {
        self.gone().map(|gone| {
            let what = gone.key.split('.').next().unwrap_or_default();
            let indent = " ".repeat(INDENT + 2);
            SafeText::lines([
                format!("{:<12} {}", "taken back", written(what, gone)),
                format!("{indent}{}", self.place(gone.origin)),
                format!("{indent}by {}", self.place(gone.by)),
            ])
        })
    }

    /// Adds the values that a value overrides, on one line if they fit.
    fn push_under(&self, out: &mut SafeText, gone: &Overridden) {
        let indent = " ".repeat(INDENT + 2);
        let (text, place) = (shown(&gone.text), self.place(gone.origin));
        let whole = format!("{indent}over {text} at {place}");
        if whole.chars().count() <= WIDTH {
            out.push_line(&whole);
        } else {
            out.push_line(&format!("{indent}over {text}"));
            out.push_line(&format!("{indent}  at {place}"));
        }
    }

    /// Describes a value with its source and the values that it overrides.
    pub fn json(&self, fact: &Fact) -> Value {
        let mut entry = json!({ "key": fact.key.trim(), "value": fact.value });
        if let Some(origin) = fact.origin {
            self.put(&mut entry, origin);
            let under = self.under(&fact.path, origin);
            entry["overrides"] = under.into_iter().map(|gone| self.stated(&gone.text, gone.origin)).collect();
        }
        entry
    }

    /// Describes the removed values.
    pub fn taken_back_json(&self) -> Value {
        let one = |gone: &Overridden| {
            let mut entry = self.stated(&gone.text, gone.origin);
            entry["key"] = (*gone.key).into();
            let mut by = json!({});
            self.put(&mut by, gone.by);
            entry["by"] = by;
            entry
        };
        self.gone().map(one).collect()
    }

    fn stated(&self, text: &str, origin: Origin) -> Value {
        let mut entry = json!({ "value": shown(text) });
        self.put(&mut entry, origin);
        entry
    }

    fn put(&self, entry: &mut Value, origin: Origin) {
        let desired = self.snapshot.desired();
        let sources = &desired.sources;
        if origin.layer == Layer::BuiltIn {
            return;
        }
        entry["file"] = sources.path(origin.file).into();
        entry["line"] = sources.line(origin.file, origin.at).into();
        entry["column"] = sources.column(origin.file, origin.at).into();
        entry["layer"] = desired.layer_words(origin.layer).into_string().into();
    }
}

/// Returns whether two paths belong to one key: in parameters, `-` and `_` are equal, and one value
/// may hide those below it.
fn is_same(one: &str, other: &str) -> bool {
    let folded = |path: &str| path.replace('-', "_");
    let (one, other) = (folded(one), folded(other));
    let below = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('.'));
    one == other || below(&one, &other) || below(&other, &one)
}

/// Formats a value in the syntax of its source.
fn written(what: &str, gone: &Overridden) -> String {
    let text = shown(&gone.text);
    match what {
        "params" => format!("param {text}"),
        _ => format!("{} = {text}", gone.key),
    }
}

fn shown(text: &str) -> String {
    text.replace(SERVER_MARK, "<server>")
}
