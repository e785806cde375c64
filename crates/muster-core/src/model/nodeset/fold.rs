//! The shortest text that ClusterShell would write for the numbers of one shape, with steps where they are shorter still.
//!
//! One number folds into its runs. Several numbers fold as ClusterShell's `RangeSetND` merges them: sort the
//! blocks, let each block take up those that differ from it in one axis only, first neighbours and then any,
//! until nothing changes. The outcome depends on the set alone. Where ClusterShell compares every pair, blocks
//! are found here by a digest of all axes but one.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use super::index::{self, Intervals};
use super::rows::{self, Rows};

/// Writes the runs of an axis, in brackets where there is more than one index.
pub(super) fn write_axis(axis: &Intervals, out: &mut String) {
    let many = axis.len() > 1;
    if many {
        out.push('[');
    }
    write_runs(axis, out);
    if many {
        out.push(']');
    }
}

/// A run as ClusterShell grows it: a padded one has one width, an unpadded one may grow by a digit.
struct Run {
    first: u64,
    last: u64,
    width: usize,
    padded: bool,
}

impl Run {
    fn text(&self) -> String {
        let mut text = String::new();
        let width = if self.padded { self.width } else { 1 };
        index::write_padded(self.first, width, &mut text);
        if self.last > self.first {
            text.push('-');
            index::write_padded(self.last, width, &mut text);
        }
        text
    }

    fn is_lone(&self) -> bool {
        self.first == self.last
    }

    /// Tells whether a later lone number can stand in one range with this one.
    fn goes_with(&self, later: &Self) -> bool {
        later.is_lone() && self.padded == later.padded && (!self.padded || self.width == later.width)
    }
}

/// Writes runs, joined by commas; lone numbers of equal distance as `first-last/step` where that is shorter.
fn write_stepped(runs: &[Run], out: &mut String) {
    let mut at = 0;
    while at < runs.len() {
        if at > 0 {
            out.push(',');
        }
        let count = in_step(&runs[at..]);
        let listed = runs[at..at + count].iter().map(Run::text).collect::<Vec<_>>();
        let stepped = (count > 2).then(|| {
            let step = runs[at + 1].first - runs[at].first;
            format!("{}-{}/{step}", listed[0], listed[count - 1])
        });
        let length: usize = listed.iter().map(|text| text.len() + 1).sum();

        match stepped.filter(|text| text.len() + 1 < length) {
            Some(text) => {
                out.push_str(&text);
                at += count;
            }
            None => {
                out.push_str(&listed[0]);
                at += 1;
            }
        }
    }
}

/// Counts the lone numbers of equal distance that a list begins with, at least one.
fn in_step(runs: &[Run]) -> usize {
    let [first, second, ..] = runs else { return 1 };
    if !first.is_lone() || !first.goes_with(second) {
        return 1;
    }
    let step = second.first - first.first;
    let pairs = runs.windows(2);
    let fits = |pair: &&[Run]| {
        let is_next = pair[0].first.checked_add(step) == Some(pair[1].first);
        is_next && pair[0].goes_with(&pair[1])
    };
    1 + pairs.take_while(fits).count()
}

fn write_runs(axis: &Intervals, out: &mut String) {
    let mut runs: Vec<Run> = Vec::new();
    let mut run: Option<Run> = None;
    for (width, low, high) in axis.segments() {
        let padded = width > 1 && low < index::power(width - 1);
        let next = Run { first: low, last: high, width, padded };
        let Some(current) = &mut run else {
            run = Some(next);
            continue;
        };
        let breaks = if current.padded { width != current.width } else { padded };
        if !breaks && low == current.last + 1 {
            current.last = high;
            continue;
        }
        // A lone index hands its padding on to the next one of its width: `08,10` stays padded, `08-09,11` does not.
        let inherits = !breaks && current.is_lone() && current.padded;
        runs.extend(run.replace(Run { padded: padded || inherits, ..next }));
    }
    runs.extend(run);
    write_stepped(&runs, out);
}

/// Folds rows into products, in the order in which ClusterShell writes them.
pub(super) fn fold_rows(rows: &Rows) -> Vec<Vec<Intervals>> {
    if let Some(product) = whole_product(rows) {
        return vec![product];
    }
    let singles = rows::text_order(rows).into_iter().map(|row| Block::single(rows.row(row)));
    let mut blocks = merge_neighbours(singles);
    let mut count = rows.len();
    while blocks.len() < count {
        count = blocks.len();
        blocks.sort_by(Block::order);
        blocks = merge_neighbours(blocks.into_iter());
    }
    loop {
        count = blocks.len();
        blocks.sort_by(Block::order);
        blocks = merge_any(blocks);
        if blocks.len() == count {
            return blocks.into_iter().map(Block::into_axes).collect();
        }
    }
}

/// Returns the axes of rows that are one product as they stand.
fn whole_product(rows: &Rows) -> Option<Vec<Intervals>> {
    let axis = |axis: usize| Intervals::collect(rows.iter().map(|row| (row[axis], row[axis])).collect());
    let product: Vec<Intervals> = (0..rows.axes()).map(axis).collect();
    let count = product.iter().map(Intervals::len).fold(1, u128::saturating_mul);
    (count == rows.len() as u128).then_some(product)
}

/// One axis of a block.
struct Axis {
    /// The sum of its members' digests: equal for equal sets, whatever the order they came in.
    digest: u128,
    first: u64,
    last: u64,
    /// All members in any order, or nothing where there is only `first`.
    members: Vec<u64>,
}

impl Axis {
    fn single(code: u64) -> Self {
        Self { digest: digest(u128::from(code)), first: code, last: code, members: Vec::new() }
    }

    fn len(&self) -> usize {
        self.members.len().max(1)
    }

    fn take_up(&mut self, other: &Self) {
        if self.members.is_empty() {
            self.members.push(self.first);
        }
        if other.members.is_empty() {
            self.members.push(other.first)
        } else {
            self.members.extend(&other.members)
        }
        self.digest = self.digest.wrapping_add(other.digest);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// Larger first, then by the texts of the first and the last index.
    fn order(&self, other: &Self) -> Ordering {
        let ends = |axis: &Self| (index::text_order(axis.first), index::text_order(axis.last));
        other.len().cmp(&self.len()).then_with(|| ends(self).cmp(&ends(other)))
    }
}

/// A product of axes. All blocks of one fold are disjoint, so that two which agree in all axes but one can merge.
struct Block {
    axes: Box<[Axis]>,
    size: usize,
}

impl Block {
    fn single(row: &[u64]) -> Self {
        Self { axes: row.iter().map(|code| Axis::single(*code)).collect(), size: 1 }
    }

    fn order(&self, other: &Self) -> Ordering {
        let axes = || self.axes.iter().zip(&other.axes).map(|(a, b)| a.order(b));
        Reverse(self.size)
            .cmp(&Reverse(other.size))
            .then_with(|| axes().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
    }

    /// Returns the one axis in which the blocks differ.
    fn only_difference(&self, other: &Self) -> Option<usize> {
        let mut differing = (0..self.axes.len()).filter(|axis| self.axes[*axis].digest != other.axes[*axis].digest);
        differing.next().filter(|_| differing.next().is_none())
    }

    fn take_up(&mut self, other: &Self, axis: usize) {
        self.axes[axis].take_up(&other.axes[axis]);
        self.size += other.size;
    }

    /// Returns a digest of all axes but one.
    fn digest_without(&self, axis: usize) -> (usize, u128) {
        let others = self.axes.iter().enumerate().filter(|(other, _)| *other != axis);
        let sum = others.fold(0u128, |sum, (other, members)| {
            sum.wrapping_add(digest(members.digest.rotate_left(7).wrapping_add(other as u128)))
        });
        (axis, sum)
    }

    fn into_axes(self) -> Vec<Intervals> {
        let intervals = |axis: Axis| {
            if axis.members.is_empty() {
                return Intervals::one(axis.first);
            }
            Intervals::collect(axis.members.into_iter().map(|code| (code, code)).collect())
        };
        self.axes.into_iter().map(intervals).collect()
    }
}

/// Spreads a number over 128 bits (two rounds of splitmix64, differently seeded).
fn digest(number: u128) -> u128 {
    let (low, high) = (number as u64, (number >> 64) as u64);
    let left = splitmix(low ^ splitmix(high ^ 0x6d75_7374_6572_0001));
    let right = splitmix(high.wrapping_add(splitmix(low ^ 0x6d75_7374_6572_0002)));
    (u128::from(left) << 64) | u128::from(right)
}

fn splitmix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Lets each block take up those that follow it, up to the first that does not fit.
fn merge_neighbours(blocks: impl Iterator<Item = Block>) -> Vec<Block> {
    let mut merged: Vec<Block> = Vec::new();
    for block in blocks {
        if let Some(last) = merged.last_mut()
            && let Some(axis) = last.only_difference(&block)
        {
            last.take_up(&block, axis);
        } else {
            merged.push(block);
        }
    }
    merged
}

/// Lets each block take up any later one that fits, in order.
fn merge_any(blocks: Vec<Block>) -> Vec<Block> {
    let mut places: HashMap<(usize, u128), Vec<usize>> = HashMap::new();
    for (place, block) in blocks.iter().enumerate() {
        for axis in 0..block.axes.len() {
            places.entry(block.digest_without(axis)).or_default().push(place);
        }
    }
    let mut blocks: Vec<Option<Block>> = blocks.into_iter().map(Some).collect();
    let mut merged = Vec::with_capacity(blocks.len());
    for start in 0..blocks.len() {
        let Some(mut block) = blocks[start].take() else { continue };
        let mut after = start;
        while let Some((place, axis)) = next_fit(&block, after, &places, &blocks) {
            if let Some(other) = blocks[place].take() {
                block.take_up(&other, axis);
            }
            after = place;
        }
        merged.push(block);
    }
    merged
}

/// Finds the first block after a place that differs in one axis only, and that axis.
fn next_fit(
    block: &Block,
    after: usize,
    places: &HashMap<(usize, u128), Vec<usize>>,
    blocks: &[Option<Block>],
) -> Option<(usize, usize)> {
    let fits = (0..block.axes.len()).filter_map(|axis| {
        let alike = places.get(&block.digest_without(axis))?;
        let later = &alike[alike.partition_point(|place| *place <= after)..];
        later.iter().find(|place| blocks[**place].is_some()).map(|place| (*place, axis))
    });
    fits.min()
}
