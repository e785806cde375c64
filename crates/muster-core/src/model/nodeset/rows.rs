//! Names of one shape with several numbers: rows of codes, sorted, each once.

use super::index::{self, Intervals};

/// A set of rows of equal length, held one after the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rows {
    axes: usize,
    codes: Vec<u64>,
}

impl Rows {
    /// Sorts rows that were collected in any order, and drops repeats.
    pub fn collect(axes: usize, codes: Vec<u64>) -> Self {
        let mut rows = Self { axes, codes };
        if !rows.iter().is_sorted_by(|a, b| a < b) {
            rows.sort();
            rows.dedup();
        }
        rows
    }

    pub fn len(&self) -> usize {
        self.codes.len() / self.axes
    }

    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    pub fn axes(&self) -> usize {
        self.axes
    }

    pub fn codes(&self) -> &[u64] {
        &self.codes
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.codes.chunks_exact(self.axes)
    }

    pub fn row(&self, number: usize) -> &[u64] {
        &self.codes[number * self.axes..(number + 1) * self.axes]
    }

    pub fn contains(&self, row: &[u64]) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.row(middle) < row { low = middle + 1 } else { high = middle }
        }
        low < self.len() && self.row(low) == row
    }

    /// Returns the rows that `keep` wants, told in which of the two sets each one is.
    pub fn combine(&self, other: &Self, keep: impl Fn(bool, bool) -> bool) -> Self {
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        let mut codes = Vec::new();
        while let Some(row) = [left.peek(), right.peek()].into_iter().flatten().min().copied() {
            let in_left = left.next_if_eq(&row).is_some();
            let in_right = right.next_if_eq(&row).is_some();
            if keep(in_left, in_right) {
                codes.extend_from_slice(row);
            }
        }
        Self { axes: self.axes, codes }
    }

    fn sort(&mut self) {
        match self.axes {
            2 => self.codes.as_chunks_mut::<2>().0.sort_unstable(),
            3 => self.codes.as_chunks_mut::<3>().0.sort_unstable(),
            4 => self.codes.as_chunks_mut::<4>().0.sort_unstable(),
            axes => {
                let mut order: Vec<&[u64]> = self.codes.chunks_exact(axes).collect();
                order.sort_unstable();
                self.codes = order.concat();
            }
        }
    }

    fn dedup(&mut self) {
        let axes = self.axes;
        let mut kept = 0;
        for at in (0..self.codes.len()).step_by(axes) {
            if kept == 0 || self.codes[kept - axes..kept] != self.codes[at..at + axes] {
                self.codes.copy_within(at..at + axes, kept);
                kept += axes;
            }
        }
        self.codes.truncate(kept);
    }
}

/// Appends every row of a product, the last axis fastest.
pub(super) fn push_product(axes: &[Intervals], codes: &mut Vec<u64>) {
    let mut row: Vec<u64> = Vec::with_capacity(axes.len());
    push_rest(axes, &mut row, codes);
}

fn push_rest(axes: &[Intervals], row: &mut Vec<u64>, codes: &mut Vec<u64>) {
    let Some((axis, rest)) = axes.split_first() else {
        codes.extend_from_slice(row);
        return;
    };
    for code in axis.codes() {
        row.push(code);
        push_rest(rest, row, codes);
        row.pop();
    }
}

/// Sorts rows as their texts sort, number by number; returns their places.
pub(super) fn text_order(rows: &Rows) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by(|a, b| {
        let texts = |row: usize| rows.row(row).iter().map(|code| index::text_order(*code));
        texts(*a).cmp(texts(*b))
    });
    order
}
