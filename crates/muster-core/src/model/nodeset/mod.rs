//! Sets of node names in ClusterShell's grammar: `x1000c[0-3]s[0-7],@login!x1000c0s3`.
//!
//! A set is kept by the shape of its names, the numbers of one shape as intervals or rows, so that set algebra is
//! a merge and folding needs no parsing. Where ClusterShell and this module both read a text, they name the same
//! nodes and write the same fold; texts whose reading surprises are refused here with the way to write them.
//!
//! This room does not know which nodes or groups exist: the caller resolves `@name`. It knows no wildcards, no
//! regular expressions, no negative numbers, and no order but its own (see [`Pattern`](super::Pattern) for one).

mod collect;
mod error;
mod fold;
mod index;
mod ranges;
mod rows;
mod scan;
mod shape;
#[cfg(test)]
mod tests;
mod unknown;

use std::collections::BTreeMap;
use std::fmt;

use collect::Collector;
pub use error::NodeSetError;
use index::Intervals;
use rows::Rows;
use scan::{Operand, Operator, Scan};
use shape::Shape;
pub use unknown::UnknownNames;

use super::Span;

/// The most names that one expression may hold at any point: ten times the largest site that is sized for.
pub const MAX_NODES: usize = 1_000_000;

/// The longest text that is read; a set that needs more deserves a group.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// The most numbers that evaluating one expression may touch, which keeps the worst text near a second.
const MAX_WORK: u128 = 50_000_000;

/// A set of node names.
///
/// Equal sets have equal folds ([`Display`](fmt::Display)), and the fold parses to the set again if every name in
/// it [is a name](Self::is_name). Iteration is in natural order: by shape, then number by number.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSet {
    parts: BTreeMap<Shape, Numbers>,
}

/// The numbers of all names of one shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Numbers {
    /// The shape has no number: the one name is in the set.
    None,
    /// The shape has one number.
    One(Intervals),
    /// The shape has several numbers.
    Many(Rows),
}

/// A group that an expression refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupName {
    /// The name without `@`; `*` is the group of all nodes.
    pub name: String,
    /// The bytes of the operand that names it.
    pub at: Span,
}

impl NodeSet {
    /// Reads an expression and works it out from left to right, asking `groups` for each `@name` (`*` for `@*`).
    ///
    /// A blank text is the empty set.
    ///
    /// # Errors
    /// Returns what breaks the grammar, which group is missing, or which bound is passed, and where.
    pub fn parse(text: &str, groups: &dyn Fn(&str) -> Option<NodeSet>) -> Result<Self, NodeSetError> {
        let mut scan = Scan::new(text)?;
        let mut set = Self::default();
        let mut batch: Option<(Operator, Collector)> = None;
        let mut work = 0;
        while let Some(operand) = scan.operand()? {
            let at = operand.at;
            check_size(operand.len(), at)?;
            if let Some((operator, collector)) = batch.take_if(|(operator, collector)| {
                *operator != operand.operator || collector.size + operand.len() > MAX_NODES as u128
            }) {
                set = set.apply(operator, collector.finish(), &mut work, at)?;
            }
            work += operand.len();
            let (_, collector) = batch.get_or_insert_with(|| (operand.operator, Collector::default()));
            if operand.is_group {
                let mut members = Self::default();
                for name in operand.names() {
                    let group = groups(&name).ok_or(NodeSetError::NoSuchGroup { name, at })?;
                    members = members.apply(Operator::Union, group, &mut work, at)?;
                }
                collector.push_set(&members);
            } else {
                collector.push(operand);
            }
            let repeatable = batch.as_ref().is_some_and(|(operator, _)| operator.is_repeatable());
            if let Some((operator, collector)) = batch.take_if(|_| !repeatable) {
                set = set.apply(operator, collector.finish(), &mut work, at)?;
            }
            if work > MAX_WORK {
                return Err(NodeSetError::TooMuchWork { at });
            }
        }
        let whole = Span { start: 0, end: text.len() };
        match batch {
            Some((operator, collector)) => set.apply(operator, collector.finish(), &mut work, whole),
            None => Ok(set),
        }
    }

    /// Lists the groups that an expression refers to, in order, repeats kept, without asking what they hold.
    ///
    /// # Errors
    /// Returns what breaks the grammar anywhere in the expression, and where.
    pub fn groups_of(text: &str) -> Result<Vec<GroupName>, NodeSetError> {
        let mut scan = Scan::new(text)?;
        let mut found = Vec::new();
        while let Some(operand) = scan.operand()? {
            let at = operand.at;
            let count = operand.len().saturating_add(if operand.is_group { found.len() as u128 } else { 0 });
            check_size(count, at)?;
            if operand.is_group {
                found.extend(operand.names().into_iter().map(|name| GroupName { name, at }));
            }
        }
        Ok(found)
    }

    /// Makes a set of names as they stand: nothing in them is an operator or a range.
    pub fn from_names<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut collector = Collector::default();
        for name in names {
            collector.push_name(name.as_ref());
        }
        collector.finish()
    }

    /// Says whether a text, read as a node set, is one name and that name is the text.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        let plain = !text.starts_with('@') && text.chars().all(shape::is_name_letter);
        plain && matches!(Scan::new(text).and_then(|mut scan| scan.operand()), Ok(Some(_)))
    }

    /// Counts the names.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.count()).unwrap_or(usize::MAX)
    }

    /// Says whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Says whether a name is in the set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        let (mut shape, mut codes) = (Shape::default(), Vec::new());
        shape.split(name, &mut codes);
        self.parts.get(&shape).is_some_and(|numbers| match numbers {
            Numbers::None => true,
            Numbers::One(intervals) => intervals.contains(codes[0]),
            Numbers::Many(rows) => rows.contains(&codes),
        })
    }

    /// Returns every name, in natural order: `n2` before `n10` before `n002`.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        self.parts.iter().flat_map(|(shape, numbers)| numbers.names(shape))
    }

    /// Returns the names of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, Operator::Union)
    }

    /// Returns the names of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, Operator::Difference)
    }

    /// Returns the names of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, Operator::Intersection)
    }

    /// Returns the names that are in exactly one of the sets.
    #[must_use]
    pub fn symmetric_difference(&self, other: &Self) -> Self {
        self.combine(other, Operator::SymmetricDifference)
    }

    fn combine(&self, other: &Self, operator: Operator) -> Self {
        let mut parts = BTreeMap::new();
        for (shape, left) in &self.parts {
            let kept = match other.parts.get(shape) {
                Some(right) => left.combine(right, operator),
                None => operator.keeps(true, false).then(|| left.clone()),
            };
            parts.extend(kept.map(|numbers| (shape.clone(), numbers)));
        }
        if operator.keeps(false, true) {
            let only_right = other.parts.iter().filter(|(shape, _)| !self.parts.contains_key(*shape));
            parts.extend(only_right.map(|(shape, numbers)| (shape.clone(), numbers.clone())));
        }
        Self { parts }
    }

    /// Applies one operator within the bounds.
    fn apply(self, operator: Operator, right: Self, work: &mut u128, at: Span) -> Result<Self, NodeSetError> {
        *work += self.weight() + right.weight();
        if *work > MAX_WORK {
            return Err(NodeSetError::TooMuchWork { at });
        }
        let both = if self.is_empty() && operator == Operator::Union { right } else { self.combine(&right, operator) };
        check_size(both.count(), at)?;
        Ok(both)
    }

    fn count(&self) -> u128 {
        self.parts.values().map(Numbers::len).sum()
    }

    /// Counts the numbers that an operation on the set has to touch.
    fn weight(&self) -> u128 {
        let weights = self.parts.values().map(|numbers| match numbers {
            Numbers::None => 1,
            Numbers::One(intervals) => intervals.intervals().len() as u128,
            Numbers::Many(rows) => rows.codes().len() as u128,
        });
        weights.sum()
    }
}

impl Operator {
    /// Says whether `a ∘ b ∘ c` is `a ∘ (b, c)`, so that operands can be collected first.
    fn is_repeatable(self) -> bool {
        match self {
            Self::Union | Self::Difference => true,
            Self::Intersection | Self::SymmetricDifference => false,
        }
    }
}

impl Operand {
    /// Returns the names that the operand stands for, as text.
    fn names(self) -> Vec<String> {
        let mut collector = Collector::default();
        collector.push(self);
        collector.finish().iter().collect()
    }
}

impl Numbers {
    fn len(&self) -> u128 {
        match self {
            Self::None => 1,
            Self::One(intervals) => intervals.len(),
            Self::Many(rows) => rows.len() as u128,
        }
    }

    /// Combines the numbers of one shape; none left is nothing.
    fn combine(&self, other: &Self, operator: Operator) -> Option<Self> {
        let keep = |left, right| operator.keeps(left, right);
        match (self, other) {
            (Self::One(left), Self::One(right)) => {
                Some(left.combine(right, keep)).filter(|kept| !kept.is_empty()).map(Self::One)
            }
            (Self::Many(left), Self::Many(right)) => {
                Some(left.combine(right, keep)).filter(|kept| !kept.is_empty()).map(Self::Many)
            }
            // A shape fixes how many numbers its names have: what is left is the single name on both sides.
            (Self::None | Self::One(_) | Self::Many(_), _) => keep(true, true).then_some(Self::None),
        }
    }

    fn names<'a>(&'a self, shape: &'a Shape) -> Box<dyn Iterator<Item = String> + 'a> {
        match self {
            Self::None => Box::new(std::iter::once_with(|| name(shape, &[]))),
            Self::One(intervals) => Box::new(intervals.codes().map(|code| name(shape, &[code]))),
            Self::Many(rows) => Box::new(rows.iter().map(|row| name(shape, row))),
        }
    }
}

fn name(shape: &Shape, codes: &[u64]) -> String {
    let mut name = String::with_capacity(24);
    shape.fill(&mut name, |axis, out| index::write(codes[axis], out));
    name
}

fn check_size(count: u128, at: Span) -> Result<(), NodeSetError> {
    if count > MAX_NODES as u128 { Err(NodeSetError::TooMany { count, at }) } else { Ok(()) }
}

impl fmt::Display for NodeSet {
    /// Writes the fold: ranges in brackets, in several dimensions where names have several numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (shape, numbers) in &self.parts {
            let blocks = match numbers {
                Numbers::None => vec![Vec::new()],
                Numbers::One(intervals) => vec![vec![intervals.clone()]],
                Numbers::Many(rows) => fold::fold_rows(rows),
            };
            for axes in blocks {
                let mut text = String::new();
                shape.fill(&mut text, |axis, out| fold::write_axis(&axes[axis], out));
                write!(f, "{comma}{text}")?;
                comma = ",";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeSet({self})")
    }
}
