//! Where in the repository a finding is told: file, line and columns.

use super::DriftReport;
use super::fold::Fold;
use crate::model::text::bounded_path;
use crate::model::{File, Origin, Span};

/// The line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The path from the git root.
    pub path: String,
    /// Counted from 1.
    pub line: u32,
    /// Where in the line the value begins and ends, in characters from 1, the end exclusive.
    pub columns: Option<(u32, u32)>,
}

impl DriftReport<'_> {
    /// Finds where a value is stated.
    pub(super) fn spot(&self, origin: Origin) -> Spot {
        let sources = &self.snapshot.desired().sources;
        let place = sources.place(origin);
        Spot {
            path: format!("{}{}", self.prefix, bounded_path(&place.file)),
            line: sources.line(origin.file, origin.at).max(1),
            columns: place.span.and_then(|span| self.columns(&place.file, span)),
        }
    }

    /// Finds where a fold's wish is stated.
    pub(super) fn stated(&self, fold: &Fold<'_>) -> Option<Spot> {
        fold.first().origin.map(|origin| self.spot(origin))
    }

    /// Finds where to tell a fold: where its wish is stated, or else at the head of the cluster's file.
    pub(super) fn told_at(&self, fold: &Fold<'_>) -> Spot {
        let head = || Spot { path: format!("{}cluster.toml", self.prefix), line: 1, columns: None };
        self.stated(fold).unwrap_or_else(head)
    }

    fn columns(&self, file: &str, span: Span) -> Option<(u32, u32)> {
        let text = match self.tree.get(file)? {
            File::Bytes(bytes) => bytes,
            File::Unread | File::TooLarge { .. } | File::Symlink | File::Submodule | File::BadName => return None,
        };
        let line = text.get(..span.start)?.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let characters = |end: usize| {
            let before = text.get(line..end)?;
            u32::try_from(String::from_utf8_lossy(before).chars().count() + 1).ok()
        };
        Some((characters(span.start)?, characters(span.end)?))
    }
}
