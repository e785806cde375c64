//! What is left of a node's name without its numbers: `x1000c0` has the shape `x·c·`.

use super::index::{self, MAX_DIGITS};

/// The most numbers that are folded in one name; Cray's deepest places have eight, and a UUID stays readable as it is.
pub(super) const MAX_AXES: usize = 16;

/// Stands in a shape where a number was; no name has it.
const HOLE: char = '\0';

/// A name's text with a hole for each number. Shapes sort as ClusterShell sorts its patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Shape {
    text: String,
    axes: usize,
}

impl Shape {
    /// Returns how many numbers the names of this shape have.
    pub fn axes(&self) -> usize {
        self.axes
    }

    pub fn push(&mut self, letter: char) {
        self.text.push(letter);
    }

    pub fn push_hole(&mut self) {
        self.text.push(HOLE);
        self.axes += 1;
    }

    /// Takes a name apart into this shape and the codes of its numbers.
    ///
    /// A number of more than 19 digits is text like any other, and so is a name of more than 16 numbers.
    pub fn split(&mut self, name: &str, codes: &mut Vec<u64>) {
        self.text.clear();
        self.axes = 0;
        codes.clear();
        let mut rest = name;
        while let Some(start) = rest.bytes().position(|byte| byte.is_ascii_digit()) {
            let digits = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
            let number = &rest[start..start + digits];
            self.text.push_str(&rest[..start]);
            if digits > MAX_DIGITS {
                self.text.push_str(number);
            } else {
                self.push_hole();
                codes.push(index::encode_text(number));
            }
            rest = &rest[start + digits..];
        }
        self.text.push_str(rest);
        if self.axes > MAX_AXES || name.contains(HOLE) {
            name.clone_into(&mut self.text);
            self.axes = 0;
            codes.clear();
        }
    }

    /// Writes a name: the shape with each hole filled in turn.
    pub fn fill(&self, out: &mut String, mut number: impl FnMut(usize, &mut String)) {
        if self.axes == 0 {
            out.push_str(&self.text);
            return;
        }
        for (axis, piece) in self.text.split(HOLE).enumerate() {
            if axis > 0 {
                number(axis - 1, out);
            }
            out.push_str(piece);
        }
    }

    /// Says whether the names read as `FIRST-LAST` with two names of one shape, the ranges of xCAT and Confluent.
    pub fn is_bare_range(&self) -> bool {
        let middle = self.text.len() / 2;
        self.axes >= 2
            && self.text.as_bytes()[middle] == b'-'
            && self.text[..middle] == self.text[middle + 1..]
            && self.text.ends_with(HOLE)
            && self.text.contains(|letter: char| letter.is_ascii_alphabetic())
    }
}

/// Says whether a letter may stand in a node's name.
pub(super) fn is_name_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.:+~=".contains(letter)
}

/// Returns `a[1-20]` for the bare range `a1-a20`.
pub(super) fn bracket_form(text: &str) -> Option<String> {
    let (mut first, mut low) = (Shape::default(), Vec::new());
    let (mut last, mut high) = (Shape::default(), Vec::new());
    let dash = text.match_indices('-').map(|(dash, _)| dash).find(|dash| {
        first.split(&text[..*dash], &mut low);
        last.split(&text[dash + 1..], &mut high);
        first == last
    });
    dash?;
    let mut brackets = String::new();
    first.fill(&mut brackets, |axis, out| {
        if low[axis] == high[axis] {
            return index::write(low[axis], out);
        }
        out.push('[');
        index::write(low[axis].min(high[axis]), out);
        out.push('-');
        index::write(low[axis].max(high[axis]), out);
        out.push(']');
    });
    Some(brackets)
}
