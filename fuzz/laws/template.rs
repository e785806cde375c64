//! Templates: each is refused or expands within its bounds, twice to the same text, and an error lies inside of it.

use super::wishes::is_large;
use minijinja::{Environment, context};
use muster::desired::template;
use std::sync::{Arc, OnceLock};

/// What an expansion may come to: its fuel pays for 64 bytes a step.
const MOST: usize = 200_000 * 64;

/// Expands an input for a node, as a text that a layer states.
pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Ten thousand turns are within the bounds, and too slow to try by the million.
    if is_large(text) {
        return;
    }
    static ENGINE: OnceLock<Environment<'static>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| template::environment(&Arc::from([])));
    let scope = || context! { name => "n1", nid => 7, vars => context! { image => "one", list => [1, 2, 3] } };
    let expanded = template::render(engine, "input", text, scope());
    match &expanded {
        Ok(expanded) => assert!(expanded.len() <= MOST, "{} bytes", expanded.len()),
        Err(error) => {
            if let Some(place) = template::place_of(text, error) {
                assert!(place.start <= place.end && place.end <= text.len(), "{place:?} of {}", text.len());
            }
            assert!(!template::reason(error).is_empty());
        }
    }
    let again = template::render(engine, "input", text, scope());
    assert_eq!(expanded.ok(), again.ok());
}
