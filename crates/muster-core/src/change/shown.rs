//! One machine's change as people may read it: with secrets hidden.
//!
//! Whether there is a change, whom it concerns and its digest are decided before, by the exact bytes. Secrets that differ
//! have different numbers, so a change of one into another is still seen.

use std::borrow::Cow;
use std::sync::Arc;

use super::lines::{self, Hunk, Part};
use super::{Change, MachineChange, Patch, Side, Value, ValueChange};
use crate::model::clear_secret::{self, SecretMask, SecretNumbers};

/// A change to show, and the texts that it comes from.
pub struct Shown<'c> {
    change: &'c Change,
    pub machine: Cow<'c, MachineChange>,
    /// The old texts of the parts that differ, with their secrets hidden; none if there are none to hide.
    old: Vec<(Part, String)>,
}

impl<'c> Shown<'c> {
    /// Hides the secrets of a change.
    pub fn new(change: &'c Change, machine: &'c MachineChange) -> Self {
        let [base, head] = [&change.base, &change.head].map(|side| &side.desired().secrets);
        if base.is_empty() && head.is_empty() {
            return Self { change, machine: Cow::Borrowed(machine), old: Vec::new() };
        }

        let mut mask = base.clone();
        mask.join(head);
        let parts = machine.patches.iter().map(|patch| patch.part);
        let texts = parts.map(|part| [Side::Base, Side::Head].map(|side| change.text(machine, part, side)));
        let texts: Vec<[String; 2]> = texts.collect();
        // What templates come to is found where it is written out under a secret's name.
        for text in texts.iter().flatten() {
            mask.learn(text, &clear_secret::find(text));
        }
        let mut hiding = Hiding { mask, numbers: SecretNumbers::default() };
        let mut hidden = machine.clone();
        let mut old = Vec::with_capacity(texts.len());
        for (patch, texts) in hidden.patches.iter_mut().zip(&texts) {
            old.push((patch.part, hiding.patch(patch, texts)));
        }
        hidden.values.iter_mut().for_each(|value| hiding.value(value));
        Self { change, machine: Cow::Owned(hidden), old }
    }

    /// Writes the old text of a part.
    pub fn old_text(&self, part: Part) -> Cow<'_, str> {
        match self.old.iter().find(|(own, _)| *own == part) {
            Some((_, text)) => Cow::Borrowed(text),
            None => Cow::Owned(self.change.text(&self.machine, part, Side::Base)),
        }
    }
}

struct Hiding {
    mask: SecretMask,
    numbers: SecretNumbers,
}

impl Hiding {
    /// Hides the secrets of a patch, and returns its old text without them.
    ///
    /// Whole texts are searched, as a line may be a secret by what stands above it; each line then takes the place of its
    /// own.
    fn patch(&mut self, patch: &mut Patch, texts: &[String; 2]) -> String {
        let part = patch.part;
        let [old, new] = [&texts[0], &texts[1]].map(|text| {
            let covered = self.mask.cover_numbered(text, &mut self.numbers).into_owned();
            (text, covered)
        });
        let (old_lines, new_lines) = (LinePairs::new(part, &old), LinePairs::new(part, &new));
        let mut hunks: Vec<Hunk> = patch.hunks.to_vec();
        for hunk in &mut hunks {
            let (before, after) = (hunk.before as usize, hunk.after as usize);
            self.lines(&mut hunk.removed, &old_lines, before);
            self.lines(&mut hunk.added, &new_lines, after);
        }
        patch.hunks = Arc::from(hunks);
        old.1
    }

    fn lines(&mut self, lines: &mut [Box<str>], pairs: &LinePairs<'_>, start: usize) {
        for (at, line) in lines.iter_mut().enumerate() {
            *line = match pairs.covered(start + at, line) {
                Some(covered) => covered.into(),
                None => self.mask.cover_numbered(line, &mut self.numbers).into(),
            };
        }
    }

    fn value(&mut self, change: &mut ValueChange) {
        let cover = |value: &mut Value, key: &str, hiding: &mut Self| {
            value.text = hiding.mask.cover_value(key, &value.text, &mut hiding.numbers).into();
        };
        for value in [&mut change.old, &mut change.new].into_iter().flatten() {
            cover(value, &change.key, self);
        }
        change.key = self.mask.cover_numbered(&change.key, &mut self.numbers).into();
    }
}

/// The lines of a text, with and without its secrets.
struct LinePairs<'t> {
    exact: Vec<&'t str>,
    covered: Vec<&'t str>,
}

impl<'t> LinePairs<'t> {
    fn new(part: Part, (exact, covered): &'t (&String, String)) -> Self {
        Self { exact: lines::lines(part, exact), covered: lines::lines(part, covered) }
    }

    /// Returns a line without its secrets, if the two texts still have the same lines and this is the one that is meant.
    fn covered(&self, at: usize, exact: &str) -> Option<&'t str> {
        let is_it = self.exact.len() == self.covered.len() && self.exact.get(at).is_some_and(|line| *line == exact);
        is_it.then(|| self.covered[at])
    }
}
