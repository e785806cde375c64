//! "Did you mean": the nearest known name to one that is not known.
//!
//! A file can name as many unknown things as it has lines, and a commit knows as many names. So one search looks at a
//! bounded number of names, each of bounded length: of a sorted list those around the place where the unknown name belongs.

use std::collections::BTreeMap;
use std::ops::Bound;

/// The similarity from which a suggestion is worth making; below it the names have little in common.
const ALIKE: f64 = 0.8;

/// How many names one search compares.
const COMPARED: usize = 512;

/// How many bytes a name has at most that is compared; a longer one is no slip of the pen.
const MAX_LENGTH: usize = 128;

/// Returns a hint that names the known word most like the one given.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(given, known).map(hint)
}

/// Does so among things that are sorted by name.
pub fn did_you_mean_sorted<'a, T>(given: &str, known: &'a [T], name: impl Fn(&'a T) -> &'a str) -> Option<String> {
    let (mut at, mut end) = (0, known.len());
    while at < end {
        let middle = at.midpoint(end);
        if name(&known[middle]) < given { at = middle + 1 } else { end = middle }
    }
    let around = at.saturating_sub(COMPARED / 2)..known.len().min(at + COMPARED / 2);
    nearest(given, known[around].iter().map(name)).map(hint)
}

/// Does so among the keys of a map.
pub fn did_you_mean_key<T>(given: &str, known: &BTreeMap<Box<str>, T>) -> Option<String> {
    let before = known.range::<str, _>((Bound::Unbounded, Bound::Excluded(given))).rev().take(COMPARED / 2);
    let after = known.range::<str, _>((Bound::Included(given), Bound::Unbounded)).take(COMPARED / 2);
    nearest(given, before.chain(after).map(|(name, _)| &**name)).map(hint)
}

fn hint(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// Returns the known word most like the one given, if any is like it; of very many only the first are compared.
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
