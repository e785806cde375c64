//! The text of a node set, one operand at a time.

use crate::model::Span;

use super::index::{self, Intervals, MAX_DIGITS};
use super::ranges::Bracket;
use super::shape::{MAX_AXES, Shape, bracket_form, is_name_letter};
use super::{MAX_TEXT_BYTES, NodeSetError};

/// What an operand does to what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Union,
    Difference,
    Intersection,
    SymmetricDifference,
}

impl Operator {
    fn from_letter(letter: char) -> Option<Self> {
        match letter {
            ',' => Some(Self::Union),
            '!' => Some(Self::Difference),
            '&' => Some(Self::Intersection),
            '^' => Some(Self::SymmetricDifference),
            _ => None,
        }
    }

    /// Says whether a name stays, told whether it stands on the left and on the right.
    pub fn keeps(self, left: bool, right: bool) -> bool {
        match self {
            Self::Union => left || right,
            Self::Difference => left && !right,
            Self::Intersection => left && right,
            Self::SymmetricDifference => left != right,
        }
    }
}

/// A product of names, or of names of groups.
pub(super) struct Operand {
    pub operator: Operator,
    pub is_group: bool,
    pub shape: Shape,
    pub axes: Vec<Intervals>,
    pub at: Span,
}

impl Operand {
    /// Counts the names, repeats left out.
    pub fn len(&self) -> u128 {
        self.axes.iter().map(Intervals::len).fold(1, u128::saturating_mul)
    }
}

/// Reads operands from left to right.
pub(super) struct Scan<'a> {
    text: &'a str,
    next: usize,
    operator: Option<Operator>,
}

impl<'a> Scan<'a> {
    /// Starts at the beginning; a blank text has no operands.
    pub fn new(text: &'a str) -> Result<Self, NodeSetError> {
        if text.len() > MAX_TEXT_BYTES {
            let at = Span { start: 0, end: text.len() };
            return Err(NodeSetError::TooLong { length: text.len(), at });
        }
        let operator = (!text.trim().is_empty()).then_some(Operator::Union);
        Ok(Self { text, next: 0, operator })
    }

    /// Reads the next operand.
    pub fn operand(&mut self) -> Result<Option<Operand>, NodeSetError> {
        let Some(operator) = self.operator.take() else { return Ok(None) };
        let start = self.next;
        let mut end = self.text.len();
        let mut in_bracket = false;
        for (at, letter) in self.text[start..].char_indices() {
            match letter {
                '[' => in_bracket = true,
                ']' => in_bracket = false,
                _ => {}
            }
            let found = Operator::from_letter(letter).filter(|_| !in_bracket);
            if found.is_some() {
                (self.operator, end) = (found, start + at);
                break;
            }
        }
        self.next = end + 1;
        let text = self.text[start..end].trim();
        let start = start + (self.text[start..end].len() - self.text[start..end].trim_start().len());
        if text.is_empty() {
            // The caret stands under the operator that lacks a name: the one behind, or else the one before.
            let before = self.operator.is_some();
            let at = if before { end } else { start.min(self.text.trim_end().len()).saturating_sub(1) };
            return Err(NodeSetError::MissingName { before, at: Span { start: at, end: at + 1 } });
        }
        Reader { text, start, next: 0 }.operand(operator).map(Some)
    }
}

/// Reads one operand's text.
struct Reader<'a> {
    text: &'a str,
    start: usize,
    next: usize,
}

impl<'a> Reader<'a> {
    fn operand(mut self, operator: Operator) -> Result<Operand, NodeSetError> {
        let at = self.span(0, self.text.len());
        let is_group = self.text.starts_with('@');
        if is_group {
            self.next = 1;
            if matches!(self.text, "@" | "@*") {
                return if self.text == "@" { Err(NodeSetError::MissingGroup { at }) } else { Ok(all(operator, at)) };
            }
        } else if self.text.starts_with('-') {
            return Err(NodeSetError::LeadingDash { name: self.text.into(), at });
        }
        let name = &self.text[self.next..];
        let (shape, axes) = if name.contains(['[', ']']) { self.product()? } else { self.name(name)? };
        if !is_group && shape.is_bare_range() {
            return Err(NodeSetError::BareRange { name: self.text.into(), brackets: bracket_form(self.text), at });
        }
        Ok(Operand { operator, is_group, shape, axes, at })
    }

    /// Reads a name without brackets.
    fn name(&self, name: &str) -> Result<(Shape, Vec<Intervals>), NodeSetError> {
        for (at, letter) in name.char_indices() {
            self.check(letter, self.next + at)?;
        }
        let (mut shape, mut codes) = (Shape::default(), Vec::new());
        shape.split(name, &mut codes);
        Ok((shape, codes.into_iter().map(Intervals::one).collect()))
    }

    /// Reads a name with brackets.
    fn product(&mut self) -> Result<(Shape, Vec<Intervals>), NodeSetError> {
        let (mut shape, mut axes) = (Shape::default(), Vec::new());
        while let Some(letter) = self.text[self.next..].chars().next() {
            let digits = self.digits(self.next);
            if self.text[self.next + digits.len()..].starts_with('[') {
                axes.push(self.bracket(digits)?);
                shape.push_hole();
            } else if digits.is_empty() {
                self.check(letter, self.next)?;
                shape.push(letter);
                self.next += letter.len_utf8();
            } else {
                self.next += digits.len();
                if digits.len() > MAX_DIGITS {
                    digits.chars().for_each(|digit| shape.push(digit));
                } else {
                    axes.push(Intervals::one(index::encode_text(digits)));
                    shape.push_hole();
                }
            }
        }
        if axes.len() > MAX_AXES {
            return Err(NodeSetError::Axes { at: self.span(0, self.text.len()) });
        }
        Ok((shape, axes))
    }

    /// Reads a bracket, with the digits before and after it.
    fn bracket(&mut self, before: &'a str) -> Result<Intervals, NodeSetError> {
        let open = self.next + before.len();
        let inside = &self.text[open + 1..];
        let Some(length) = inside.find(']') else {
            return Err(NodeSetError::Unclosed { at: self.span(open, open + 1) });
        };
        let close = open + 1 + length;
        if let Some(nested) = inside[..length].find('[') {
            return Err(NodeSetError::Nested { at: self.span(open + 1 + nested, open + 2 + nested) });
        }
        let after = self.digits(close + 1);
        let end = close + 1 + after.len();
        if self.text[end..].starts_with('[') {
            return Err(NodeSetError::Adjacent { at: self.span(end, end + 1) });
        }
        let at = self.span(self.next, end);
        self.next = end;
        Bracket { inside: &inside[..length], before, after, at, start: self.start + open + 1 }.read()
    }

    fn digits(&self, from: usize) -> &'a str {
        let rest = &self.text[from..];
        &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()]
    }

    fn check(&self, letter: char, at: usize) -> Result<(), NodeSetError> {
        if is_name_letter(letter) {
            return Ok(());
        }
        let at = self.span(at, at + letter.len_utf8());
        Err(if letter == ']' { NodeSetError::Unopened { at } } else { NodeSetError::Letter { letter, at } })
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { start: self.start + start, end: self.start + end }
    }
}

/// Returns the operand `@*`, the group of all nodes.
fn all(operator: Operator, at: Span) -> Operand {
    let mut shape = Shape::default();
    shape.push('*');
    Operand { operator, is_group: true, shape, axes: Vec::new(), at }
}
