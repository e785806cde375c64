//! What a change means, for a terminal, for scripts and for a pull request: the same folds in the same order.

mod json;
mod text;
mod words;

pub(super) use json::value;

use crate::change::{Change, Fold, Judgement};
use crate::view::DiffView;

pub use text::one_of_one;

/// The lines of one hunk, and about those of one text, that are told for people; JSON tells all.
const MAX_SHOWN: usize = 60;

/// A change, and what its sides are called.
pub struct ChangeReport<'a> {
    pub change: &'a Change,
    /// Of [`fold()`](crate::change::fold).
    pub folds: Vec<Fold<'a>>,
    /// What the guard rails say; nothing where the change is of some machines only, which no rail judges.
    pub judgement: Option<Judgement>,
    pub base: &'a str,
    pub head: &'a str,
}

impl ChangeReport<'_> {
    /// Writes the change for people; with `stat`, one line for each fold. The same inputs give the same bytes.
    #[must_use]
    pub fn text(&self, stat: bool, colour: bool) -> String {
        if stat { text::write_stat(self, colour) } else { text::write(self, colour) }
    }

    /// Writes the change as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        json::write(self)
    }

    /// Describes the change as [`Self::json`] does.
    #[must_use]
    pub fn view(&self) -> DiffView {
        json::view(self)
    }
}
