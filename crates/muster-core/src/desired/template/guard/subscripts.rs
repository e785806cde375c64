//! Guards around indexed and sliced values, and around `loop.cycle()`.
//!
//! The engine's fuel counts neither the text that is searched for a position nor the key that is
//! looked up, and the engine's own arithmetic overflows at the limits of 64 bits.

use std::ops::Range;

use super::{Guard, Kind, Tag, TooDeep};
use crate::desired::template::value::{INDEX, INDEXED};

/// The most digits of numbers with which no arithmetic of the engine overflows.
const SHORT_NUMBER: usize = 9;

impl Tag<'_> {
    /// Guards both sides of `value[index]` and `value[start:stop:step]`.
    pub(super) fn subscript(&self, open: usize, pairs: &[usize], own: &mut Vec<Guard>) {
        let Some(start) = self.subscripted(open, pairs) else { return };
        let inside = open + 1..pairs[open];
        let parts = self.split(inside.clone(), pairs, |at| self.words[at].kind == Kind::Colon);

        for part in parts.iter().filter(|part| !part.is_empty() && !self.is_short(part)) {
            own.push(self.guard(part.clone(), INDEX, false));
        }
        // A quoted key belongs to a table, in which the engine finds it without a search.
        let is_key = inside.len() == 1 && self.words[inside.start].kind == Kind::Text;
        if !is_key {
            own.push(self.guard(start..open, INDEXED, false));
        }
    }

    /// Returns the first word of the value that a bracket indexes; `None` if it is the argument of
    /// a test or a filter.
    fn subscripted(&self, open: usize, pairs: &[usize]) -> Option<usize> {
        let kind = |at: usize| self.words[at].kind;
        let mut at = open.checked_sub(1)?;
        loop {
            let before = at.checked_sub(1);
            match kind(at) {
                Kind::Close(_) => {
                    at = pairs[at];
                    match at.checked_sub(1).filter(|before| self.ends_operand(*before)) {
                        Some(before) => at = before,
                        None => break,
                    }
                }
                // Adjacent quoted texts are one text.
                Kind::Text if before.is_some_and(|before| kind(before) == Kind::Text) => at -= 1,
                _ if at > 1 && kind(at - 1) == Kind::Dot => at -= 2,
                _ => break,
            }
        }

        (!self.is_attribute_or_test(at)).then_some(at)
    }

    /// Returns whether words are a number of few digits, or a quoted key, which has a limit of its
    /// own.
    fn is_short(&self, words: &Range<usize>) -> bool {
        let digits = match &self.words[words.clone()] {
            [sign, number] if sign.kind == Kind::Minus => number,
            [word] if word.kind == Kind::Text => return true,
            [number] => number,
            _ => return false,
        };
        digits.kind == Kind::Literal && digits.range.len() <= SHORT_NUMBER
    }

    /// Refuses `loop.cycle()` without arguments, because the engine divides by their number.
    pub(super) fn check_cycles(&self) -> Result<(), TooDeep> {
        let Some(pairs) = self.pairs() else { return Ok(()) };
        for at in 2..self.words.len() {
            let is_cycle = self.words[at].kind == Kind::Open('(')
                && self.words[at - 1].kind == Kind::Name("cycle")
                && self.words[at - 2].kind == Kind::Dot;
            if !is_cycle {
                continue;
            }
            // A starred argument may be an empty list.
            let arguments = self.split(at + 1..pairs[at], &pairs, |at| self.words[at].kind == Kind::Comma);
            let is_sure = |part: &Range<usize>| !part.is_empty() && self.words[part.start].kind != Kind::Star;
            if !arguments.iter().any(is_sure) {
                let message = "`cycle` needs what it cycles through: loop.cycle('a', 'b')".to_owned();
                return Err(TooDeep { message, range: self.words[at - 1].range.clone() });
            }
        }

        Ok(())
    }
}
