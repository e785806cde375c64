//! Names on their way into a set: put in one by one or in bulk, sorted once at the end.

use std::collections::BTreeMap;

use super::index::Intervals;
use super::rows::{self, Rows};
use super::scan::Operand;
use super::shape::Shape;
use super::{NodeSet, Numbers};

/// Names on their way into a set, in any order and with repeats.
#[derive(Default)]
pub(super) struct Collector {
    parts: BTreeMap<Shape, Collected>,
    /// How many names were put in, repeats counted.
    pub size: u128,
    shape: Shape,
    codes: Vec<u64>,
}

/// The numbers of one shape on their way.
#[derive(Default)]
struct Collected {
    intervals: Vec<(u64, u64)>,
    rows: Vec<u64>,
}

impl Collector {
    /// Takes a name as it stands.
    pub fn push_name(&mut self, name: &str) {
        self.size += 1;
        self.shape.split(name, &mut self.codes);
        if !self.parts.contains_key(&self.shape) {
            self.parts.insert(self.shape.clone(), Collected::default());
        }
        if let Some(part) = self.parts.get_mut(&self.shape) {
            match self.codes[..] {
                [] => {}
                [code] => part.intervals.push((code, code)),
                _ => part.rows.extend_from_slice(&self.codes),
            }
        }
    }

    /// Takes every name of a product.
    pub fn push(&mut self, operand: Operand) {
        self.size += operand.len();
        let part = self.parts.entry(operand.shape).or_default();
        match &operand.axes[..] {
            [] => {}
            [intervals] => part.intervals.extend_from_slice(intervals.intervals()),
            axes => rows::push_product(axes, &mut part.rows),
        }
    }

    /// Takes every name of a set.
    pub fn push_set(&mut self, set: &NodeSet) {
        self.size += set.count();
        for (shape, numbers) in &set.parts {
            let part = self.parts.entry(shape.clone()).or_default();
            match numbers {
                Numbers::None => {}
                Numbers::One(intervals) => part.intervals.extend_from_slice(intervals.intervals()),
                Numbers::Many(rows) => part.rows.extend_from_slice(rows.codes()),
            }
        }
    }

    /// Sorts what was collected and drops repeats.
    pub fn finish(self) -> NodeSet {
        let numbers = |(shape, part): (Shape, Collected)| {
            let numbers = match shape.axes() {
                0 => Numbers::None,
                1 => Numbers::One(Intervals::collect(part.intervals)),
                axes => Numbers::Many(Rows::collect(axes, part.rows)),
            };
            (shape, numbers)
        };
        NodeSet { parts: self.parts.into_iter().map(numbers).collect() }
    }
}
