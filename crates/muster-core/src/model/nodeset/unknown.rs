//! The names that an expression states and that nothing bears, wherever in it they are.

use super::collect::Collector;
use super::index::Intervals;
use super::scan::Scan;
use super::{MAX_WORK, NodeSet, NodeSetError, Numbers, check_size};
use crate::model::Span;

/// How many parts of one expression are listed.
const MAX_PARTS: usize = 8;

/// A part of an expression that states names which nothing bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownNames {
    /// The names without those that are known; at least one.
    pub names: NodeSet,
    /// The bytes of the part, without its operator.
    pub at: Span,
}

impl NodeSet {
    /// Finds the names that an expression states and that are not in `known`, in the first few parts that have such names.
    ///
    /// The operator before a part has no meaning: a mistyped name after `!` selects too much, after `&` nothing.
    ///
    /// # Errors
    /// Returns what breaks the grammar or which bound is passed, and where.
    pub fn unknown_names(text: &str, known: &Self) -> Result<Vec<UnknownNames>, NodeSetError> {
        let mut scan = Scan::new(text)?;
        let mut found = Vec::new();
        let mut work = 0;
        while let Some(operand) = scan.operand()? {
            if operand.is_group {
                continue;
            }
            let at = operand.at;
            check_size(operand.len(), at)?;
            work += operand.len();
            if work > MAX_WORK {
                return Err(NodeSetError::TooMuchWork { at });
            }

            let mut collector = Collector::default();
            collector.push(operand);
            let names = collector.finish();
            if names.is_within(known) {
                continue;
            }
            found.push(UnknownNames { names: names.difference(known), at });
            if found.len() == MAX_PARTS {
                break;
            }
        }
        Ok(found)
    }

    /// Tells whether every name is in the other set. What it takes depends on this set's size, not on the other's.
    fn is_within(&self, other: &Self) -> bool {
        self.parts.iter().all(|(shape, numbers)| {
            other.parts.get(shape).is_some_and(|others| match (numbers, others) {
                (Numbers::One(own), Numbers::One(others)) => own.is_within(others),
                (Numbers::Many(own), Numbers::Many(others)) => own.iter().all(|row| others.contains(row)),
                // A shape fixes how many numbers its names have.
                (Numbers::None | Numbers::One(_) | Numbers::Many(_), _) => true,
            })
        })
    }
}

impl Intervals {
    /// Tells whether every index is in the other set, too.
    fn is_within(&self, other: &Self) -> bool {
        let others = other.intervals();
        self.intervals().iter().all(|(start, end)| {
            let after = others.partition_point(|(first, _)| first <= start);
            after > 0 && others[after - 1].1 >= *end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(text: &str) -> Vec<(String, String)> {
        let known = ["n1", "n2", "n3", "n7", "n9", "n10", "n11", "login", "x1c0s1", "x1c0s2"];
        let found = NodeSet::unknown_names(text, &NodeSet::from_names(known)).expect("it is a node set");
        found.into_iter().map(|part| (text[part.at.start..part.at.end].to_owned(), part.names.to_string())).collect()
    }

    #[test]
    fn the_operator_before_a_name_has_no_meaning() {
        assert_eq!(unknown(""), []);
        assert_eq!(unknown("n[1-3,9-11],login!n2&n[1-2]^x1c0s[1-2],@anything!@*"), []);
        for operator in [",", "!", "&", "^"] {
            let text = format!("n[1-3] {operator} nosuch");
            assert_eq!(unknown(&text), [("nosuch".to_owned(), "nosuch".to_owned())], "{text}");
            assert_eq!(unknown(&format!("nosuch{operator}n1")), [("nosuch".to_owned(), "nosuch".to_owned())]);
        }
    }

    #[test]
    fn of_a_range_every_name_has_to_be_there() {
        let part = |text: &str, names: &str| (text.to_owned(), names.to_owned());
        assert_eq!(unknown("n[1-3]!n[7-9]"), [part("n[7-9]", "n8")]);
        assert_eq!(unknown("n[1-9]!n[7-9]"), [part("n[1-9]", "n[4-6,8]"), part("n[7-9]", "n8")]);
        assert_eq!(
            unknown("n[9-12]&x[1-2]c0s[1-3]"),
            [part("n[9-12]", "n12"), part("x[1-2]c0s[1-3]", "x2c0s[1-3],x1c0s3")]
        );
        assert_eq!(unknown("n01"), [part("n01", "n01")], "another width is another name");
    }

    #[test]
    fn bounds_hold_here_as_where_the_set_is_worked_out() {
        let known = NodeSet::from_names(["n1"]);
        assert_eq!(NodeSet::unknown_names("a,n1,n1", &known).map(|all| all.len()), Ok(1));
        let many = vec!["n[1-900000]"; 60].join("!");
        assert!(matches!(NodeSet::unknown_names(&many, &known).map(|all| all.len()), Ok(MAX_PARTS)));
        let large = NodeSet::parse("n[1-1000000]", &|_| None).unwrap();
        let many = vec!["n[1-1000000]"; 60].join("!");
        assert!(matches!(NodeSet::unknown_names(&many, &large), Err(NodeSetError::TooMuchWork { .. })));
        assert!(matches!(NodeSet::unknown_names("n[1-10000000]", &large), Err(NodeSetError::TooMany { .. })));
        assert!(NodeSet::unknown_names("n[", &large).is_err());
    }
}
