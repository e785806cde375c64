//! Numbers in node names, as they are written: `7`, `07` and `007` are three indexes.
//!
//! A text of 1 to 19 digits is one `u64` code: first all texts of one digit, then all of two, and so on. Codes
//! sort as ClusterShell sorts indexes (by width, then by value), and neighbours of one width are neighbours in
//! code, so that a range is an interval. This file knows no names.

/// The most digits that an index has: every text of 19 digits still has a code below `u64::MAX`.
pub(super) const MAX_DIGITS: usize = 19;

const POWERS: [u64; MAX_DIGITS + 1] = {
    let mut powers = [1; MAX_DIGITS + 1];
    let mut width = 1;
    while width <= MAX_DIGITS {
        powers[width] = powers[width - 1] * 10;
        width += 1;
    }
    powers
};

/// The code of the first text of each width (`0`, `00`, `000`, …).
const FIRSTS: [u64; MAX_DIGITS + 1] = {
    let mut firsts = [0; MAX_DIGITS + 1];
    let mut width = 1;
    while width <= MAX_DIGITS {
        firsts[width] = (POWERS[width] - 10) / 9;
        width += 1;
    }
    firsts
};

/// Returns ten to the power of `width`, at most 19.
pub(super) fn power(width: usize) -> u64 {
    POWERS[width]
}

/// Returns the code of a value written with `width` digits.
pub(super) fn encode(width: usize, value: u64) -> u64 {
    FIRSTS[width] + value
}

/// Returns the code of a text of 1 to 19 digits.
pub(super) fn encode_text(digits: &str) -> u64 {
    encode(digits.len(), value(digits))
}

/// Returns the number that at most 19 digits write; none write 0.
pub(super) fn value(digits: &str) -> u64 {
    digits.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

/// Returns the width and the value of a code.
pub(super) fn decode(code: u64) -> (usize, u64) {
    let width = FIRSTS[1..].partition_point(|first| *first <= code);
    (width, code - FIRSTS[width])
}

/// Writes the digits of a code.
pub(super) fn write(code: u64, out: &mut String) {
    let (width, value) = decode(code);
    write_padded(value, width, out);
}

/// Writes a value with at least `width` digits.
pub(super) fn write_padded(mut value: u64, width: usize, out: &mut String) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while value > 0 {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    start = start.min(digits.len() - width.max(1));
    out.extend(digits[start..].iter().map(|digit| char::from(*digit)));
}

/// Returns what sorts codes as their texts sort, letter by letter.
pub(super) fn text_order(code: u64) -> (u64, u64) {
    let (width, value) = decode(code);
    (value * POWERS[MAX_DIGITS - width], code)
}

/// A set of indexes as sorted intervals of codes, both ends included, none touching the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    /// Makes a set of one index.
    pub fn one(code: u64) -> Self {
        Self(vec![(code, code)])
    }

    /// Sorts and joins intervals that were collected in any order.
    pub fn collect(mut raw: Vec<(u64, u64)>) -> Self {
        // The stable sort knows runs, and what comes here is mostly a few sorted runs.
        raw.sort();
        raw.dedup_by(|next, kept| {
            let joined = next.0 <= kept.1 + 1;
            if joined {
                kept.1 = kept.1.max(next.1);
            }
            joined
        });
        Self(raw)
    }

    /// Counts the indexes.
    pub fn len(&self) -> u128 {
        self.0.iter().map(|(start, end)| u128::from(end - start) + 1).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, code: u64) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= code);
        after > 0 && self.0[after - 1].1 >= code
    }

    pub fn intervals(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Returns every code in order.
    pub fn codes(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|(start, end)| *start..=*end)
    }

    /// Returns runs of one width as width, first and last value, in order.
    pub fn segments(&self) -> impl Iterator<Item = (usize, u64, u64)> + '_ {
        self.0.iter().flat_map(|(start, end)| {
            let (narrow, low) = decode(*start);
            let (wide, high) = decode(*end);
            (narrow..=wide).map(move |width| {
                let low = if width == narrow { low } else { 0 };
                let high = if width == wide { high } else { power(width) - 1 };
                (width, low, high)
            })
        })
    }

    /// Returns the indexes that `keep` wants, told in which of the two sets each one is.
    pub fn combine(&self, other: &Self, keep: impl Fn(bool, bool) -> bool) -> Self {
        let (mut left, mut right) = (self.edges().peekable(), other.edges().peekable());
        let (mut in_left, mut in_right) = (false, false);
        let mut open = None;
        let mut kept = Vec::new();
        while let Some(at) = [left.peek(), right.peek()].into_iter().flatten().min().copied() {
            in_left ^= left.next_if_eq(&at).is_some();
            in_right ^= right.next_if_eq(&at).is_some();
            match (open, keep(in_left, in_right)) {
                (None, true) => open = Some(at),
                (Some(start), false) => {
                    kept.push((start, at - 1));
                    open = None;
                }
                (None, false) | (Some(_), true) => {}
            }
        }
        Self(kept)
    }

    /// Returns the codes at which membership changes.
    fn edges(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|(start, end)| [*start, *end + 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_codes_are_one_to_one_and_in_order() {
        let mut last = None;
        for text in ["0", "9", "00", "09", "10", "99", "000", "999", "0000000000000000000", "9999999999999999999"] {
            let code = encode_text(text);
            let mut back = String::new();
            write(code, &mut back);
            assert_eq!(back, text);
            assert!(last < Some(code), "{text}");
            last = Some(code);
        }
        assert!(text_order(encode_text("10")) < text_order(encode_text("9")));
        assert!(text_order(encode_text("1")) < text_order(encode_text("10")));
    }
}
