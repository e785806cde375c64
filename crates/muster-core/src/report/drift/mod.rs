//! Drift in six formats: for a terminal, for scripts, for a pull request, and for the three things that CI systems read.
//!
//! All of them tell the same folds ([`fold()`]) in the same order. They differ in what they bound: text, JSON and JUnit
//! hold everything; Markdown, SARIF and GitHub annotations are cut where their readers cut, and say how much is missing.

mod fold;
mod github;
mod json;
mod junit;
mod markdown;
mod sarif;
mod sarif_log;
mod spot;
pub(super) mod text;
pub(super) mod words;

use std::fmt;
use std::str::FromStr;

pub use fold::{Fold, Times, fold};
pub use sarif::MAX_RESULTS as MAX_SARIF_RESULTS;

use crate::drift::Drift;
use crate::model::{SafeText, Tree};
use crate::snapshot::Snapshot;
use crate::view::DriftView;

/// A comparison, with what is needed to tell where its wishes stand.
#[derive(Clone, Copy)]
pub struct DriftReport<'a> {
    pub drift: &'a Drift,
    /// The Snapshot that was compared.
    pub snapshot: &'a Snapshot,
    /// The files that the Snapshot follows from.
    pub tree: &'a Tree,
    /// The cluster's folder inside the git repository: empty, or with a `/` at its end.
    pub prefix: &'a str,
}

/// A format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    Text,
    /// What `schemas/drift.schema.json` describes.
    Json,
    /// GitHub-flavoured, for a comment or an issue; at most [`MAX_MARKDOWN_BYTES`](crate::report::MAX_MARKDOWN_BYTES).
    Markdown,
    /// JUnit XML: one test case per node.
    Junit,
    /// SARIF 2.1.0; at most [`MAX_SARIF_RESULTS`] results.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
}

/// A word that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no format `{0}`; there are text, json, markdown, junit, sarif and github")]
pub struct UnknownFormat(pub String);

impl DriftReport<'_> {
    /// Writes the comparison in a format; the same inputs give the same bytes. Colour is for [`Format::Text`] alone.
    ///
    /// Every format ends in a newline.
    #[must_use]
    pub fn write(&self, format: Format, colour: bool) -> SafeText {
        match format {
            Format::Text => text::write(self, colour),
            Format::Json => json::write(self),
            Format::Markdown => SafeText::lines(markdown::write(self).lines()),
            Format::Junit => SafeText::lines(junit::write(self).lines()),
            Format::Sarif => sarif::write(self),
            Format::Github => SafeText::commands(&github::write(self)),
        }
    }

    /// Describes the comparison as [`Format::Json`] does.
    #[must_use]
    pub fn view(&self) -> DriftView {
        json::view(self)
    }
}

impl Format {
    /// Every format, in the order of help texts.
    pub const ALL: [Self; 6] = [Self::Text, Self::Json, Self::Markdown, Self::Junit, Self::Sarif, Self::Github];

    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Github => "github",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}
