//! Patterns: as many texts as they say, each made without the others.

use muster::model::Pattern;

/// The most texts that are looked at one by one.
const MOST: usize = 2_000;

/// Reads an input as a pattern, and expands it.
pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let pattern = match Pattern::parse(text) {
        Ok(pattern) => pattern,
        Err(error) => {
            let at = error.at();
            return assert!(text.get(at.start..at.end).is_some(), "{error:?} in {text:?}");
        }
    };
    let length = pattern.len();
    assert!((1..=1_000_000).contains(&length), "{length} texts");
    if pattern.is_plain() {
        assert_eq!((length, pattern.get(0).as_str()), (1, text));
    }
    // No text is longer than what is written and a number of twenty digits for each bracket.
    let most = text.len() + 20 * text.matches('[').count();
    let places = (0..length.min(MOST)).chain([length / 2, length - 1]);
    assert!(places.map(|place| pattern.get(place)).all(|item| item.len() <= most), "{text:?}");
    if length <= MOST {
        assert_eq!(pattern.iter().count(), length);
        assert_eq!(pattern.iter().last().as_deref(), Some(&*pattern.get(length - 1)));
    }
}
