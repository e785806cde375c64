//! Hints for undefined names in templates.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::suggest::nearest;
use super::template::{self, NAMES};

/// The most keys of a table in a hint.
const KEYS_LISTED: usize = 12;

/// Returns a hint with the names that exist instead of the undefined one; `scope` is the scope of
/// the expansion.
#[must_use]
pub fn undefined_hint(error: &Error, scope: &Value) -> Option<String> {
    let causes = template::causes(error);
    let error = causes.last()?;
    let detail = error.detail().filter(|_| matches!(error.kind(), ErrorKind::UndefinedError))?;
    let path = detail.split('`').nth(1)?;
    let mut known = String::new();
    let mut at = scope.clone();

    for part in path.replace("['", ".").replace("[\"", ".").replace("']", "").replace("\"]", "").split('.') {
        let next = at.get_attr(part).ok().filter(|next| !next.is_undefined());
        match next {
            Some(next) => at = next,
            None if known.is_empty() => return of_names(part),
            None => return of_table(&known, &at, part),
        }
        if !known.is_empty() {
            known.push('.');
        }
        known.push_str(part);
    }

    None
}

/// Returns a hint for the first part of a name, from the names that templates have.
fn of_names(name: &str) -> Option<String> {
    if NAMES.contains(&name) {
        return Some(format!("`{name}` has no value here; declare it, or test it with {{% if {name} is defined %}}"));
    }
    None
}

/// Returns a hint with the keys of a table.
fn of_table(table: &str, value: &Value, part: &str) -> Option<String> {
    if value.kind() != ValueKind::Map {
        return Some(format!("`{table}` is not a table"));
    }
    let mut keys: Vec<String> = value.try_iter().ok()?.filter_map(|key| key.as_str().map(str::to_owned)).collect();
    keys.sort_unstable();
    if let Some(near) = nearest(part, keys.iter().map(String::as_str)) {
        return Some(format!("did you mean `{table}.{near}`?"));
    }

    if keys.is_empty() {
        return Some(format!("`{table}` is empty"));
    }
    let more = keys.len().saturating_sub(KEYS_LISTED);
    let listed: Vec<String> = keys.iter().take(KEYS_LISTED).map(|key| format!("`{key}`")).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };

    Some(format!("`{table}` has {}{more}", listed.join(", ")))
}
