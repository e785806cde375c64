//! What a change means, for a terminal, for scripts and for a pull request: the same folds in the same order.

mod github;
mod json;
mod markdown;
mod text;
mod words;

pub(super) use json::value;

use crate::change::{Change, Fold, Judgement};
use crate::model::SafeText;
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
    pub fn text(&self, stat: bool, colour: bool) -> SafeText {
        if stat { text::write_stat(self, colour) } else { text::write(self, colour) }
    }

    /// Writes the change as JSON.
    #[must_use]
    pub fn json(&self) -> SafeText {
        json::write(self)
    }

    /// Writes the change as a comment on a pull request: GitHub-flavoured Markdown of at most
    /// [`MAX_MARKDOWN_BYTES`](super::MAX_MARKDOWN_BYTES), in which no text of the wishes becomes a link, a mention or HTML.
    ///
    /// Its first line is a marker that is the same for every change of the cluster in this folder; `folder` is its path
    /// from the root of the repository, empty at the root.
    #[must_use]
    pub fn markdown(&self, folder: &str) -> SafeText {
        SafeText::lines(markdown::write(self, folder).lines())
    }

    /// Writes the change as annotations of GitHub Actions; `folder` is as in [`Self::markdown`].
    #[must_use]
    pub fn github(&self, folder: &str) -> SafeText {
        SafeText::commands(&github::write(self, folder))
    }

    /// Describes the change as [`Self::json`] does.
    #[must_use]
    pub fn view(&self) -> DiffView {
        json::view(self)
    }
}
