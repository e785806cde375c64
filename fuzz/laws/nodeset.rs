//! Node sets: folding is the inverse of expansion, and the algebra is that of sets.

use muster::model::{MAX_NODES, NodeSet, NodeSetError, Span};

/// The most names that are looked at one by one.
const MOST: usize = 2_000;

/// Reads an input's two halves, at a zero byte, as expressions.
pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (left, right) = text.split_once('\0').unwrap_or((text, ""));
    let (left, right) = (read(left), read(right));
    if let (Some(left), Some(right)) = (left, right)
        && left.len().max(right.len()) <= MOST
    {
        algebra(&left, &right);
    }
}

fn groups(name: &str) -> Option<NodeSet> {
    match name {
        "*" => NodeSet::parse("n[1-9],x1000c0s[0-3]b0n[0-1]", &|_| None).ok(),
        "login" => NodeSet::parse("login[1-2]", &|_| None).ok(),
        "a1" | "a2" => NodeSet::parse("n[2-4]", &|_| None).ok(),
        _ => None,
    }
}

fn read(text: &str) -> Option<NodeSet> {
    let inside = |at: Span| text.get(at.start..at.end).is_some();
    let told = |error: &NodeSetError| assert!(inside(error.at()), "{error:?} in {text:?}");
    match NodeSet::groups_of(text) {
        Ok(named) => named.iter().for_each(|group| assert!(inside(group.at), "{group:?} in {text:?}")),
        Err(error) => told(&error),
    }
    let set = NodeSet::parse(text, &groups).inspect_err(told).ok()?;
    assert!(set.len() <= MAX_NODES, "{} names", set.len());
    if set.len() <= MOST {
        folds(&set);
    }
    Some(set)
}

fn folds(set: &NodeSet) {
    let names: Vec<String> = set.iter().collect();
    assert_eq!(names.len(), set.len());
    assert!(names.iter().all(|name| set.contains(name)), "{set}");
    assert_eq!(NodeSet::from_names(&names), *set, "the names make the set again");
    let fold = set.to_string();
    if names.iter().all(|name| NodeSet::is_name(name)) && fold.len() < 60_000 {
        let again = NodeSet::parse(&fold, &groups).unwrap_or_else(|error| panic!("{fold:?}: {error}"));
        assert_eq!(again, *set, "the fold {fold:?} makes the set again");
    }
}

fn algebra(left: &NodeSet, right: &NodeSet) {
    let both = left.intersection(right);
    assert_eq!(left.union(right).len() + both.len(), left.len() + right.len());
    assert_eq!(left.difference(right).union(&both), *left);
    assert_eq!(left.symmetric_difference(right), left.union(right).difference(&both));
    assert_eq!(left.union(right), right.union(left));
}
