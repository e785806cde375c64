//! "Did you mean": the known name that is most similar to an unknown one.
//!
//! A file can contain as many unknown names as it has lines, and a commit as many known ones. So
//! one search compares a bounded number of names of bounded length: in a sorted list, those around
//! the position of the unknown name.

use std::collections::BTreeMap;
use std::ops::Bound;

/// The least similarity of a suggestion; below it, the names have little in common.
const ALIKE: f64 = 0.8;

/// The most names that one search compares.
const COMPARED: usize = 512;

/// The longest name that is compared, in bytes; a longer one is not a typing error.
const MAX_LENGTH: usize = 128;

/// Returns a hint with the known word that is most similar to the given one.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(given, known).map(hint)
}

/// Does the same as [`did_you_mean`] for items that are sorted by name.
pub fn did_you_mean_sorted<'a, T>(given: &str, known: &'a [T], name: impl Fn(&'a T) -> &'a str) -> Option<String> {
    let (mut at, mut end) = (0, known.len());
    while at < end {
        let middle = at.midpoint(end);
        if name(&known[middle]) < given { at = middle + 1 } else { end = middle }
    }
    let around = at.saturating_sub(COMPARED / 2)..known.len().min(at + COMPARED / 2);
    nearest(given, known[around].iter().map(name)).map(hint)
}

/// Does the same as [`did_you_mean`] for the keys of a map.
pub fn did_you_mean_key<T>(given: &str, known: &BTreeMap<Box<str>, T>) -> Option<String> {
    let before = known.range::<str, _>((Bound::Unbounded, Bound::Excluded(given))).rev().take(COMPARED / 2);
    let after = known.range::<str, _>((Bound::Included(given), Bound::Unbounded)).take(COMPARED / 2);
    nearest(given, before.chain(after).map(|(name, _)| &**name)).map(hint)
}

fn hint(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// Returns the known word that is most similar to the given one, if any is; compares only the first
/// of very many.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > MAX_LENGTH {
        return None;
    }
    let given = given.to_ascii_lowercase();
    known
        .into_iter()
        .take(COMPARED)
        .filter(|name| name.len() <= MAX_LENGTH)
        .map(|name| (strsim::jaro_winkler(&given, &name.to_ascii_lowercase()), name))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|(a, left), (b, right)| a.total_cmp(b).then_with(|| right.cmp(left)))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_among_any_number_of_names() {
        let names: Vec<String> = (0..50_000).map(|at| format!("nid{at:06}")).collect();
        let hint = did_you_mean_sorted("nid04217", &names, |name| name).expect("a name like it");
        assert!(hint.contains("nid042"), "{hint}");
        let map: BTreeMap<Box<str>, ()> = names.iter().map(|name| (name.as_str().into(), ())).collect();
        assert!(did_you_mean_key("nid04217", &map).is_some());
        assert_eq!(did_you_mean_sorted("zebra", &names, |name| name), None);
    }

    #[test]
    fn every_name_of_a_short_list_is_compared() {
        let names: Vec<String> = ["batch", "compute", "login", "storage"].map(str::to_owned).to_vec();
        for (given, wanted) in [("ogin", "login"), ("xbatch", "batch"), ("storag", "storage"), ("Compute", "compute")] {
            assert_eq!(did_you_mean_sorted(given, &names, |name| name), Some(hint(wanted)), "{given}");
        }
    }

    #[test]
    fn a_very_long_name_is_compared_with_nothing() {
        let long = "a".repeat(1 << 20);
        assert_eq!(nearest(&long, [long.as_str(), "a"]), None);
        assert_eq!(nearest("aaaa", [long.as_str(), "aaa"]), Some("aaa"));
    }
}
