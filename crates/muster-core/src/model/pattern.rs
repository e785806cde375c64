//! A text with brackets that is expanded as it is written: `Node[0,1,0,1]`, `10.0.0.[1-8]`, `x1000c0s[0-3]b0n[0-1]`.
//!
//! Order and repeats are kept, several brackets are a product with the last fastest, and a bracket that holds a
//! colon is an IPv6 address. There are no operators and no sets: [`NodeSet`](super::NodeSet) is another grammar,
//! and shares no code with this one.

use std::fmt::Write as _;

use super::Span;

/// The most texts that one pattern stands for: ten times the largest site that is sized for.
const MAX_ITEMS: u128 = 1_000_000;

/// The longest pattern that is read; longer lists belong in a facts file.
const MAX_BYTES: usize = 64 * 1024;

/// The most digits of a number in a range, so that all of them fit 64 bits.
const MAX_DIGITS: usize = 19;

/// An ordered list of texts, written with brackets; any of them is made without the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    brackets: Vec<Bracket>,
    /// What stands after the last bracket.
    tail: Box<str>,
    length: usize,
}

/// A bracket and the text before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bracket {
    before: Box<str>,
    items: Vec<Item>,
    /// How many texts the bracket stands for.
    length: usize,
}

/// An element of a bracket's list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    /// How many texts of the bracket come before this item's.
    offset: usize,
    kind: ItemKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ItemKind {
    /// A number or a word, as written.
    Word(Box<str>),
    /// Numbers from `first` on, up or down, padded to `width`.
    Range { first: u64, step: u64, descends: bool, width: usize },
}

/// Why a text is no pattern, with the bytes that a caret belongs under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("the pattern is {length} bytes long; at most {MAX_BYTES} are read")]
    TooLong { length: usize, at: Span },
    #[error("the bracket is never closed; add `]`")]
    Unclosed { at: Span },
    #[error("the bracket was never opened; add `[` before it, or remove it")]
    Unopened { at: Span },
    #[error("a bracket cannot stand inside a bracket; list the ranges with commas: `[1-4,7]`")]
    Nested { at: Span },
    #[error("the bracket is empty; it holds numbers, ranges or words: `[1-4]`, `[a,b]`")]
    EmptyBracket { at: Span },
    #[error("an item is missing beside the comma; remove the comma or add a number, a range or a word")]
    EmptyItem { at: Span },
    #[error("`{text}` is no number, range or word; a bracket holds items such as `7`, `1-20`, `0-38/2` or `left`")]
    Item { text: String, at: Span },
    #[error("`{text}` is no step; a step is a number from 1 after a range: `0-38/2`")]
    Step { text: String, at: Span },
    #[error("`{text}` has a number of more than {MAX_DIGITS} digits")]
    Digits { text: String, at: Span },
    #[error("`{text}` is padded with zeros to two different widths; write `{suggestion}`")]
    Padding { text: String, suggestion: String, at: Span },
    #[error("the pattern stands for {} texts; at most {MAX_ITEMS} are expanded",
        if *.count == u128::MAX { "countless".into() } else { .count.to_string() })]
    TooMany { count: u128, at: Span },
}

impl PatternError {
    /// Returns the bytes of the text that the error is about.
    #[must_use]
    pub fn at(&self) -> Span {
        match self {
            Self::TooLong { at, .. }
            | Self::Unclosed { at }
            | Self::Unopened { at }
            | Self::Nested { at }
            | Self::EmptyBracket { at }
            | Self::EmptyItem { at }
            | Self::Item { at, .. }
            | Self::Step { at, .. }
            | Self::Digits { at, .. }
            | Self::Padding { at, .. }
            | Self::TooMany { at, .. } => *at,
        }
    }
}

impl Pattern {
    /// Reads a pattern; a text without brackets stands for itself.
    ///
    /// # Errors
    /// Returns what is wrong with a bracket, or that there are too many texts, and where.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_BYTES {
            return Err(PatternError::TooLong { length: text.len(), at: span(0, text.len()) });
        }
        let mut brackets = Vec::new();
        let mut before = String::new();
        let mut count: u128 = 1;
        let mut literal_end = None;
        let mut next = 0;
        while let Some(found) = text[next..].find(['[', ']']) {
            let at = next + found;
            before.push_str(&text[next..at]);
            next = at + 1;
            if text.as_bytes()[at] == b']' {
                // The end of an address in brackets; any other was taken with its opening.
                literal_end.take_if(|end| *end == at).ok_or(PatternError::Unopened { at: span(at, at + 1) })?;
                before.push(']');
                continue;
            }
            let (close, is_address) = closing(text, at)?;
            if is_address {
                if literal_end.is_some() {
                    return Err(PatternError::Nested { at: span(at, at + 1) });
                }
                literal_end = Some(close);
                before.push('[');
                continue;
            }
            let (items, length) = read_items(&text[next..close], next)?;
            count = count.saturating_mul(length);
            brackets.push(Bracket {
                before: std::mem::take(&mut before).into(),
                items,
                length: bounded(length, span(at, close + 1))?,
            });
            next = close + 1;
        }
        before.push_str(&text[next..]);
        Ok(Self { brackets, tail: before.into(), length: bounded(count, span(0, text.len()))? })
    }

    /// Counts the texts, repeats included; 1 where there is no bracket. Never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a pattern is never empty")]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Says whether there is no bracket to expand: the text is the same for all.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.brackets.is_empty()
    }

    /// Returns the text at a place, from 0.
    ///
    /// # Panics
    /// Panics if the place is not below [`len`](Self::len).
    #[must_use]
    pub fn get(&self, place: usize) -> String {
        let mut text = String::with_capacity(24);
        self.write(place, &mut text);
        text
    }

    /// Appends the text at a place, from 0.
    ///
    /// # Panics
    /// Panics if the place is not below [`len`](Self::len).
    pub fn write(&self, place: usize, out: &mut String) {
        assert!(place < self.length, "place {place} of a pattern of {}", self.length);
        let mut turns = self.length;
        let mut rest = place;
        for bracket in &self.brackets {
            turns /= bracket.length;
            out.push_str(&bracket.before);
            bracket.write(rest / turns, out);
            rest %= turns;
        }
        out.push_str(&self.tail);
    }

    /// Returns every text in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = String> + '_ {
        (0..self.length).map(|place| self.get(place))
    }
}

impl Bracket {
    fn write(&self, place: usize, out: &mut String) {
        let item = &self.items[self.items.partition_point(|item| item.offset <= place) - 1];
        match &item.kind {
            ItemKind::Word(word) => out.push_str(word),
            ItemKind::Range { first, step, descends, width } => {
                let far = (place - item.offset) as u64 * step;
                let number = if *descends { first - far } else { first + far };
                // Writing to a String cannot fail.
                let _ = write!(out, "{number:0width$}");
            }
        }
    }
}

/// Finds the end of a bracket, and says whether the bracket is an address because a colon stands in it.
fn closing(text: &str, open: usize) -> Result<(usize, bool), PatternError> {
    let mut depth = 0;
    let mut is_address = false;
    let mut nested = None;
    for (at, letter) in text.bytes().enumerate().skip(open) {
        match letter {
            b'[' => {
                depth += 1;
                if depth == 2 {
                    nested = nested.or(Some(at));
                }
            }
            b']' if depth == 1 => {
                return match nested {
                    Some(at) if !is_address => Err(PatternError::Nested { at: span(at, at + 1) }),
                    Some(_) | None => Ok((at, is_address)),
                };
            }
            b']' => depth -= 1,
            b':' => is_address |= depth == 1,
            _ => {}
        }
    }
    Err(PatternError::Unclosed { at: span(open, open + 1) })
}

/// Reads the list in a bracket and counts its texts.
fn read_items(list: &str, start: usize) -> Result<(Vec<Item>, u128), PatternError> {
    if list.trim().is_empty() {
        return Err(PatternError::EmptyBracket { at: span(start - 1, start + list.len() + 1) });
    }
    let mut items = Vec::new();
    let mut count: u128 = 0;
    let mut next = start;
    for item in list.split(',') {
        let text = item.trim();
        let begin = next + (item.len() - item.trim_start().len());
        let at = span(begin, begin + text.len());
        if text.is_empty() {
            return Err(PatternError::EmptyItem { at: span(next, next + item.len().max(1)) });
        }
        let (kind, length) = read_item(text, at)?;
        // Where the count is over the bound the items are dropped before anyone reads an offset.
        items.push(Item { offset: count.min(MAX_ITEMS) as usize, kind });
        count += u128::from(length);
        next += item.len() + 1;
    }
    Ok((items, count))
}

fn read_item(text: &str, at: Span) -> Result<(ItemKind, u64), PatternError> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok((ItemKind::Word(text.into()), 1));
    }
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (range, Some(step.trim())),
        None => (text, None),
    };
    let numbers = range.split_once('-').map(|(first, last)| (first.trim(), last.trim()));
    let Some((first, last)) = numbers.filter(|(first, last)| is_number(first) && is_number(last)) else {
        return Err(PatternError::Item { text: text.into(), at });
    };
    if first.len().max(last.len()) > MAX_DIGITS {
        return Err(PatternError::Digits { text: text.into(), at });
    }
    let step = step.map_or(Some(1), |step| step.parse().ok().filter(|number| *number > 0 && is_number(step)));
    let step: u64 = step.ok_or_else(|| PatternError::Step { text: text.into(), at })?;
    let padded = |number: &str| number.len() > 1 && number.starts_with('0');
    if (padded(first) || padded(last)) && first.len() != last.len() {
        let width = first.len().max(last.len());
        let suggestion = format!("{first:0>width$}-{last:0>width$}");
        return Err(PatternError::Padding { text: text.into(), suggestion, at });
    }
    let width = if padded(first) || padded(last) { first.len() } else { 1 };
    // Both are digits only, and few enough for 64 bits.
    let value = |number: &str| number.parse::<u64>().unwrap_or(u64::MAX);
    let (first, last) = (value(first), value(last));
    let length = first.abs_diff(last) / step + 1;
    Ok((ItemKind::Range { first, step, descends: last < first, width }, length))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn bounded(count: u128, at: Span) -> Result<usize, PatternError> {
    if count > MAX_ITEMS { Err(PatternError::TooMany { count, at }) } else { Ok(count as usize) }
}

fn span(start: usize, end: usize) -> Span {
    Span { start, end }
}

#[cfg(test)]
mod tests;
