//! Parses the text of a TOML file into the types of [`super::file`], and reports every mistake with
//! its place.
//!
//! serde stops at the first value of a wrong type. So a table that fails is parsed again without
//! the key that was at fault, until it succeeds: one run reports all mistakes.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_path_to_error::Segment;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::depth::{MAX_DEPTH, too_deep};
use super::keys::{is_required, known_beside};
use super::sources::{Findings, Here};
use super::suggest::did_you_mean;
use crate::model::{Code, Diagnostic, Span};

/// The most reported mistakes of one table; after that, parsing the table is given up.
const MISTAKES_PER_TABLE: usize = 50;

/// Parses a file to its top-level table.
pub fn parse<'t>(here: &Here<'_>, text: &'t str, findings: &mut Findings) -> Option<Spanned<DeTable<'t>>> {
    if let Some(at) = too_deep(text) {
        let message = format!("tables and lists nest deeper than {MAX_DEPTH}");
        findings.push(Diagnostic::new(Code::TomlSyntax, here.place((at..at + 1).into()), message));
        return None;
    }

    match DeTable::parse(text) {
        Ok(table) => Some(table),
        Err(error) => {
            let at = error.span().unwrap_or(0..0);
            let message = error.message().lines().next().unwrap_or("not TOML");
            let message = message.strip_suffix(", expected nothing").unwrap_or(message);
            let is_bare = ["string values must be quoted", "invalid float", "invalid integer"];
            let hint = is_bare.iter().any(|start| message.starts_with(start));
            let hint = hint.then(|| "texts stand in quotes: key = \"text\"".to_owned());
            findings.push(Diagnostic::new(Code::TomlSyntax, here.place(at.into()), message).maybe_hint(hint));
            None
        }
    }
}

/// The result of parsing one table.
#[derive(Debug)]
pub struct Read<T> {
    pub value: T,
    /// Whether a required key is present but unreadable, so that it must not be reported as
    /// missing.
    pub is_spoilt: bool,
}

/// Parses one table into a file type, and reports every unknown key and every value of a wrong
/// type.
///
/// Returns the valid part; a value of a wrong type counts as absent, so that the keys next to it
/// are still checked.
pub fn table<'t, T: Deserialize<'t> + Default + JsonSchema + 'static>(
    here: &Here<'_>,
    table: Spanned<DeTable<'t>>,
    findings: &mut Findings,
) -> Read<T> {
    let span = table.span();
    let mut value = Spanned::new(span.clone(), DeValue::Table(table.into_inner()));
    let (mut is_spoilt, mut unknown_are_told) = (false, false);

    // Nested tables that lack a required key.
    let mut spoilt: Vec<Vec<String>> = Vec::new();
    let lists = lists_for_tables(value.get_ref());
    for path in lists.iter().rev().take(MISTAKES_PER_TABLE) {
        let list = span_of(&value, path).unwrap_or_else(|| span.clone().into());
        findings.push(Diagnostic::new(Code::WrongType, here.place(list), "this is a list, and a table is wanted"));
    }

    if lists.len() > MISTAKES_PER_TABLE {
        return Read { value: T::default(), is_spoilt: true };
    }
    lists.iter().for_each(|path| {
        remove(value.get_mut(), path);
    });

    for _ in 0..MISTAKES_PER_TABLE {
        let mut unknown = Vec::new();
        let attempt = {
            let deserializer = ValueDeserializer::from(value.clone());
            let mut note = |path: serde_ignored::Path<'_>| unknown.push(ignored_path(&path));
            serde_path_to_error::deserialize::<_, T>(serde_ignored::Deserializer::new(deserializer, &mut note))
        };
        let error = match attempt {
            Ok(read) => {
                if !std::mem::replace(&mut unknown_are_told, true) {
                    findings.extend(unknown.iter().map(|path| unknown_key::<T>(here, &value, path)));
                }
                let Some(path) = spoilt.pop() else { return Read { value: read, is_spoilt } };
                remove(value.get_mut(), &path);
                continue;
            }
            Err(error) => error,
        };
        let path = error_path(error.path());
        findings.push(wrong_type(here, &value, &path, error.inner(), span.clone().into()));
        if is_required::<T>(&path) {
            match path.split_last() {
                Some((_, [])) | None => is_spoilt = true,
                Some((_, parent)) => spoilt.push(parent.to_vec()),
            }
        }
        if !remove(value.get_mut(), &path) {
            break;
        }
    }

    Read { value: T::default(), is_spoilt: true }
}

/// The keys whose values are tables with keys of their own. No file type has a list under one of
/// these names.
const OF_TABLES: [&str; 16] = [
    "accelerators",
    "aarch64",
    "arch",
    "bios",
    "bmc",
    "bond",
    "bridge",
    "cloud_init",
    "defaults",
    "drift",
    "drives",
    "expect",
    "guard",
    "processors",
    "unknown",
    "x86_64",
];

/// Finds lists in the place of tables: serde accepts a list for a struct, with its items as the
/// fields in order.
///
/// Later positions in one list come first, so that removing one moves none of the others.
fn lists_for_tables(value: &DeValue<'_>) -> Vec<Vec<String>> {
    let DeValue::Table(table) = value else { return Vec::new() };
    let mut all = Vec::new();
    for (key, value) in table.iter() {
        let name = key.get_ref().as_ref();
        let below = |path: Vec<String>| [vec![name.to_owned()], path].concat();
        match value.get_ref() {
            DeValue::Array(items) if name == "nics" || name == "routes" => {
                for (at, item) in items.iter().enumerate().rev() {
                    let inner = lists_for_tables(item.get_ref()).into_iter();
                    all.extend(inner.map(|path| below([vec![at.to_string()], path].concat())));
                    if matches!(item.get_ref(), DeValue::Array(_)) {
                        all.push(below(vec![at.to_string()]));
                    }
                }
            }
            DeValue::Array(_) if OF_TABLES.contains(&name) => all.push(below(Vec::new())),
            // Elsewhere `boot` is a name.
            DeValue::Table(expect) if name == "expect" => {
                let boot = expect.get("boot").filter(|boot| matches!(boot.get_ref(), DeValue::Array(_)));
                all.extend(boot.map(|_| below(vec!["boot".into()])));
                all.extend(lists_for_tables(value.get_ref()).into_iter().map(below));
            }
            inner @ DeValue::Table(_) if OF_TABLES.contains(&name) => {
                all.extend(lists_for_tables(inner).into_iter().map(below));
            }
            _ => {}
        }
    }

    all
}

/// The prefix of the keys that carry spans through serde.
const OF_SPANS: &str = "$__";

/// Returns the keys and indices of an error's path.
fn error_path(path: &serde_path_to_error::Path) -> Vec<String> {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()).filter(|key| !key.starts_with(OF_SPANS)),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(part).collect()
}

/// Returns the keys and indices of the path of an unknown key.
fn ignored_path(path: &serde_ignored::Path<'_>) -> Vec<String> {
    use serde_ignored::Path;
    let (parent, part) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(index.to_string())),
        Path::Map { parent, key } => (parent, Some(key.clone()).filter(|key| !key.starts_with(OF_SPANS))),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut parts = ignored_path(parent);
    parts.extend(part);
    parts
}

fn wrong_type(
    here: &Here<'_>,
    value: &Spanned<DeValue<'_>>,
    path: &[String],
    error: &toml::de::Error,
    table: Span,
) -> Diagnostic {
    let span = error.span().map_or_else(|| span_of(value, path).unwrap_or(table), Span::from);
    let message = error.message().lines().next().unwrap_or_default().to_owned();
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();

    if let (true, Some((found, expected))) = (message.starts_with("unknown variant"), words.split_first()) {
        let list = expected.join("`, `");
        let key = path.last().map_or("this key", String::as_str);
        return Diagnostic::new(Code::BadValue, here.place(span), format!("`{key}` is one of `{list}`, not `{found}`"))
            .maybe_hint(did_you_mean(found, expected.iter().copied()).or_else(|| meant(found, expected)));
    }

    let (message, hint) = in_words_of_toml(&message);
    Diagnostic::new(Code::WrongType, here.place(span), message).maybe_hint(hint)
}

/// Translates a message of serde from Rust's terms into TOML's.
fn in_words_of_toml(message: &str) -> (String, Option<String>) {
    let parts = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, wanted)) = parts.and_then(|parts| parts.rsplit_once(", expected ")) else {
        return (message.to_owned(), None);
    };

    let wanted = match wanted {
        "a sequence" => "a list",
        "a map" => "a table",
        "a boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" => "a whole number from 0",
        wanted if wanted.starts_with("struct ") => "a table",
        wanted => wanted,
    };

    let (kind, text) = found.split_once(' ').unwrap_or((found, ""));
    let found = match kind {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        "integer" | "floating" => format!("the number {}", text.trim_start_matches("point ")),
        "boolean" => text.to_owned(),
        _ => format!("the {found}"),
    };

    let hint = match (wanted, kind) {
        ("a list", "string") => Some(format!("write it in brackets: [{text}]")),
        ("a string", "integer" | "floating" | "boolean") => {
            Some(format!("write it in quotes: \"{}\"", text.trim_start_matches("point ").trim_matches('`')))
        }
        ("true or false", "string") => Some("without quotes: true or false".into()),
        _ => None,
    };

    (format!("this is {found}, and {wanted} is wanted"), hint)
}

fn unknown_key<T: JsonSchema + 'static>(here: &Here<'_>, root: &Spanned<DeValue<'_>>, path: &[String]) -> Diagnostic {
    let span = key_span_of(root, path).unwrap_or_else(|| root.span().into());
    let key = path.last().map_or("", String::as_str);
    let parent = path.len().checked_sub(2).map(|at| path[at].as_str());
    let message = match parent.filter(|name| name.parse::<usize>().is_err()) {
        Some(parent) => format!("`{parent}` has no key `{key}`"),
        None => format!("there is no key `{key}` here"),
    };

    let known = known_beside::<T>(path);
    let listed = || format!("keys here are {}", known.join(", "));

    // Accounts of BMCs look as if they belonged here.
    let is_account = known.iter().any(|known| known == "credentials") && ACCOUNT_KEYS.contains(&key);
    let hint = if is_account {
        "accounts are settings of the host that runs muster; `credentials` is the name of one".into()
    } else {
        did_you_mean(key, known.iter().map(String::as_str)).unwrap_or_else(listed)
    };

    Diagnostic::new(Code::UnknownKey, here.place(span), message).hint(hint)
}

/// The keys of other tools for the account of a BMC.
const ACCOUNT_KEYS: [&str; 6] = ["username", "user", "login", "password", "passwd", "pass"];

/// Returns the state that a word from other tools means.
fn meant(found: &str, expected: &[&str]) -> Option<String> {
    const OUT_OF_SERVICE: [&str; 8] = ["drain", "drained", "down", "offline", "disabled", "broken", "out", "fail"];
    let is_state = expected.contains(&"maintenance");
    (is_state && OUT_OF_SERVICE.contains(&found)).then(|| {
        "a node that is out of service for a while is in `maintenance`, one that does not come back is `retired`".into()
    })
}

fn step<'v, 't>(value: &'v DeValue<'t>, part: &str) -> Option<&'v Spanned<DeValue<'t>>> {
    match value {
        DeValue::Table(table) => table.get(part),
        DeValue::Array(items) => part.parse::<usize>().ok().and_then(|at| items.get(at)),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            None
        }
    }
}

/// Returns the bytes of the value at a path, or of the last part of the path that is there.
fn span_of(root: &Spanned<DeValue<'_>>, path: &[String]) -> Option<Span> {
    let mut at = root;
    for part in path {
        at = step(at.get_ref(), part)?;
    }
    (!path.is_empty()).then(|| at.span().into())
}

/// Returns the bytes of the key at a path.
fn key_span_of(root: &Spanned<DeValue<'_>>, path: &[String]) -> Option<Span> {
    let (last, parents) = path.split_last()?;
    let mut at = root;
    for part in parents {
        at = step(at.get_ref(), part)?;
    }
    match at.get_ref() {
        DeValue::Table(table) => table.get_key_value(last.as_str()).map(|(key, _)| key.span().into()),
        _ => None,
    }
}

/// Removes the value at a path from the table; returns whether there was one.
fn remove(value: &mut DeValue<'_>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match value {
        DeValue::Table(table) if rest.is_empty() => table.remove(first.as_str()).is_some(),
        DeValue::Table(table) => {
            let Some(inner) = table.get_mut(first.as_str()) else { return false };
            let found = remove(inner.get_mut(), rest);
            // An empty table counts as absent.
            if matches!(inner.get_ref(), DeValue::Table(left) if left.is_empty()) {
                table.remove(first.as_str());
            }
            found
        }
        DeValue::Array(items) => {
            let Some(at) = first.parse::<usize>().ok().filter(|at| *at < items.len()) else { return false };
            if rest.is_empty() {
                *items = items.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, item)| item.clone()).collect();
                true
            } else {
                items.get_mut(at).is_some_and(|item| remove(item.get_mut(), rest))
            }
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            false
        }
    }
}
