//! What stands in a bracket: numbers, ranges and steps, with the digits that touch the bracket from outside.
//!
//! Digits outside belong to each number inside, as text: `n1[2-3]0` is `n120,n130`.

use crate::model::Span;

use super::index::{self, Intervals, MAX_DIGITS};
use super::{MAX_NODES, NodeSetError};

/// A bracket in the text of a node set.
pub(super) struct Bracket<'a> {
    /// The text between the brackets.
    pub inside: &'a str,
    /// The digits before `[`.
    pub before: &'a str,
    /// The digits after `]`.
    pub after: &'a str,
    /// The bracket with its digits.
    pub at: Span,
    /// Where the inside starts.
    pub start: usize,
}

impl Bracket<'_> {
    /// Returns the indexes that the bracket stands for.
    pub fn read(&self) -> Result<Intervals, NodeSetError> {
        let mut raw = Vec::new();
        let mut singles = 0;
        let mut start = self.start;
        for item in self.inside.split(',') {
            let range = Range::read(item, start)?;
            if !self.after.is_empty() && item.contains('/') {
                return Err(NodeSetError::DigitsAfterStep { at: self.at });
            }
            if range.width.max(range.last_width()) + self.after.len() + self.before.len() > MAX_DIGITS {
                return Err(NodeSetError::Digits { at: self.at });
            }
            self.push(&range, &mut raw, &mut singles)?;
            start += item.len() + 1;
        }
        let inside = Intervals::collect(raw);
        if self.before.is_empty() { Ok(inside) } else { self.prefixed(&inside) }
    }

    /// Appends a range with the digits after it: as one interval where its numbers are neighbours, else one by one.
    fn push(&self, range: &Range, raw: &mut Vec<(u64, u64)>, singles: &mut u128) -> Result<(), NodeSetError> {
        let neighbours = range.step == 1 && self.after.is_empty();
        if !neighbours {
            *singles += u128::from((range.last - range.first) / range.step) + 1;
            if *singles > MAX_NODES as u128 {
                return Err(NodeSetError::TooMany { count: *singles, at: self.at });
            }
        }
        let (shift, tail) = (index::power(self.after.len()), index::value(self.after));
        let mut next = range.first;
        for width in range.width..=range.last_width() {
            let high = range.last.min(index::power(width) - 1);
            if neighbours {
                raw.push((index::encode(width, next), index::encode(width, high)));
                next = high + 1;
                continue;
            }
            while next <= high {
                let code = index::encode(width + self.after.len(), next * shift + tail);
                raw.push((code, code));
                next = next.saturating_add(range.step);
            }
        }
        Ok(())
    }

    /// Writes the digits before the bracket in front of each number.
    ///
    /// ClusterShell reads `n1[8-12]` as `n[18-112]`. Nobody means that, and what they mean is not what it reads: refused.
    fn prefixed(&self, inside: &Intervals) -> Result<Intervals, NodeSetError> {
        let grows = |width: usize| {
            let last = index::encode(width, index::power(width) - 1);
            inside.contains(last) && inside.contains(index::encode(width + 1, index::power(width)))
        };
        if (1..MAX_DIGITS).any(grows) {
            return Err(NodeSetError::DigitsBeforeRange { at: self.at });
        }
        let prefix = index::value(self.before);
        let raw = inside.segments().map(|(width, low, high)| {
            let base = prefix * index::power(width);
            let width = width + self.before.len();
            (index::encode(width, base + low), index::encode(width, base + high))
        });
        Ok(Intervals::collect(raw.collect()))
    }
}

struct Range {
    first: u64,
    last: u64,
    step: u64,
    /// How many digits the first number is written with.
    width: usize,
}

impl Range {
    /// Reads `7`, `1-20`, `001-020` or `0-38/2`.
    fn read(item: &str, start: usize) -> Result<Self, NodeSetError> {
        let text = item.trim();
        let start = start + (item.len() - item.trim_start().len());
        let at = Span { start, end: start + text.len() };
        if text.is_empty() {
            return Err(NodeSetError::EmptyRange { at: Span { start, end: start + 1 } });
        }
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step.trim())),
            None => (text, None),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (first.trim(), last.trim()),
            None => (range.trim(), range.trim()),
        };
        for number in [first, last] {
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(NodeSetError::Number { text: text.into(), at });
            }
            if number.len() > MAX_DIGITS {
                return Err(NodeSetError::Digits { at });
            }
        }
        let step = step.map_or(Ok(1), |step| read_step(step, range.contains('-'), at))?;
        let (low, high) = (index::value(first), index::value(last));
        let padded = |number: &str| number.len() > 1 && number.starts_with('0');
        if (padded(first) || (padded(last) && high > 0)) && first.len() != last.len() {
            return Err(NodeSetError::Padding { first: first.into(), last: last.into(), at });
        }
        if low > high {
            return Err(NodeSetError::Descending { first: first.into(), last: last.into(), at });
        }
        Ok(Self { first: low, last: high, step, width: first.len() })
    }

    /// Returns how many digits the last number is written with.
    fn last_width(&self) -> usize {
        let natural = self.last.checked_ilog10().map_or(1, |log| log as usize + 1);
        natural.max(self.width)
    }
}

fn read_step(text: &str, is_range: bool, at: Span) -> Result<u64, NodeSetError> {
    let digits = !text.is_empty() && text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let step = if digits { index::value(text) } else { 0 };
    if step == 0 || (step > 1 && !is_range) {
        return Err(NodeSetError::Step { text: text.into(), at });
    }
    Ok(step)
}
