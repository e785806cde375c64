//! From the text of a TOML file to the types of [`super::file`], with every mistake told at its place.
//!
//! serde stops at the first value of a wrong type. So a table that does not read is read again without the key that was
//! at fault, until it reads: one run tells all.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::keys::known_beside;
use super::sources::{Findings, Here};
use super::suggest::did_you_mean;
use crate::model::{Code, Diagnostic, Span};

/// How many mistakes of one table are told; past that the table is beyond reading.
const MISTAKES_PER_TABLE: usize = 50;

/// Parses a file to its top-level table.
pub fn parse<'t>(here: &Here<'_>, text: &'t str, findings: &mut Findings) -> Option<Spanned<DeTable<'t>>> {
    match DeTable::parse(text) {
        Ok(table) => Some(table),
        Err(error) => {
            let at = error.span().unwrap_or(0..0);
            let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
            findings.push(Diagnostic::new(Code::TomlSyntax, here.place(at.into()), message));
            None
        }
    }
}

/// Reads one table into a file type, telling every unknown key and every value of a wrong type.
///
/// Returns what could be read; a value of a wrong type reads as absent, so that the keys beside it are still judged.
pub fn table<'t, T: Deserialize<'t> + Default + JsonSchema>(
    here: &Here<'_>,
    table: Spanned<DeTable<'t>>,
    findings: &mut Findings,
) -> T {
    let span = table.span();
    let mut value = Spanned::new(span.clone(), DeValue::Table(table.into_inner()));
    for _ in 0..MISTAKES_PER_TABLE {
        let mut unknown = Vec::new();
        let attempt = {
            let deserializer = ValueDeserializer::from(value.clone());
            let mut note = |path: serde_ignored::Path<'_>| unknown.push(path_of(&path.to_string()));
            serde_path_to_error::deserialize::<_, T>(serde_ignored::Deserializer::new(deserializer, &mut note))
        };
        let error = match attempt {
            Ok(read) => {
                for path in unknown {
                    findings.push(unknown_key::<T>(here, &value, &path));
                }
                return read;
            }
            Err(error) => error,
        };
        let path = path_of(&error.path().to_string());
        findings.push(wrong_type(here, &value, &path, error.inner(), span.clone().into()));
        if !remove(value.get_mut(), &path) {
            break;
        }
    }
    T::default()
}

/// Splits a path such as `nics[0].mac` into `nics`, `0`, `mac`, without the parts that spans add.
fn path_of(text: &str) -> Vec<String> {
    text.split(['.', '[', ']'])
        .filter(|part| !part.is_empty() && *part != "?" && !part.starts_with("$__"))
        .map(str::to_owned)
        .collect()
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
            .maybe_hint(did_you_mean(found, expected.iter().copied()));
    }
    Diagnostic::new(Code::WrongType, here.place(span), message)
}

fn unknown_key<T: JsonSchema>(here: &Here<'_>, root: &Spanned<DeValue<'_>>, path: &[String]) -> Diagnostic {
    let span = key_span_of(root, path).unwrap_or_else(|| root.span().into());
    let key = path.last().map_or("", String::as_str);
    let parent = path.len().checked_sub(2).map(|at| path[at].as_str());
    let message = match parent.filter(|name| name.parse::<usize>().is_err()) {
        Some(parent) => format!("`{parent}` has no key `{key}`"),
        None => format!("there is no key `{key}` here"),
    };
    Diagnostic::new(Code::UnknownKey, here.place(span), message)
        .maybe_hint(did_you_mean(key, known_beside::<T>(path).iter().map(String::as_str)))
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

/// Takes the value at a path out of the table; true where there was one.
fn remove(value: &mut DeValue<'_>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match value {
        DeValue::Table(table) if rest.is_empty() => table.remove(first.as_str()).is_some(),
        DeValue::Table(table) => table.get_mut(first.as_str()).is_some_and(|inner| remove(inner.get_mut(), rest)),
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
