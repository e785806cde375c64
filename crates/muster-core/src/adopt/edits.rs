//! The edits as they gather: values put in place of others, new tables, new rows; and the files that come of them.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{self, Rows};
use super::{Adopted, Adoption, Edit, Options, Unfit};
use crate::model::{File, Span, Tree};

/// All that is to be written, before it is text.
#[derive(Debug, Default)]
pub struct Draft {
    pub splices: Vec<Splice>,
    /// New tables, each without a blank line around it.
    pub tables: Vec<String>,
    pub rows: Rows,
    pub adopted: Vec<Adopted>,
    notes: BTreeSet<String>,
}

/// A text that takes the place of bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    pub path: String,
    pub span: Span,
    pub text: String,
}

impl Draft {
    /// Notes what is left to a person, once.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.insert(note.into());
    }

    /// Writes the files.
    pub fn finish(self, tree: &Tree, options: &Options) -> Result<Adoption, Unfit> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let mut splices = self.splices;
        splices.sort_by_key(|splice| std::cmp::Reverse(splice.span.start));
        for splice in splices {
            let text = open(&mut files, tree, &splice.path)?;
            text.replace_range(splice.span.start..splice.span.end, &splice.text);
        }
        if !self.tables.is_empty() {
            let text = open(&mut files, tree, &options.into)?;
            let blank = if text.is_empty() { "" } else { "\n" };
            let tables = format!("{blank}{}", self.tables.join("\n"));
            append(text, &tables);
        }
        if !self.rows.is_empty() {
            let path = facts::file_for(&self.rows, tree, &options.into)?;
            let text = open(&mut files, tree, &path)?;
            let lines = self.rows.lines(text);
            append(text, &lines);
        }
        let edit = |(path, after): (String, String)| {
            let before = text_of(tree, &path).ok().flatten().map(str::to_owned);
            Edit { path, before, after }
        };
        let edits = files.into_iter().map(edit).filter(|edit| edit.before.as_ref() != Some(&edit.after)).collect();
        let mut adopted = self.adopted;
        adopted.sort();
        Ok(Adoption { edits, adopted, notes: self.notes.into_iter().collect() })
    }
}

/// Returns a file's text; nothing where there is no such file.
pub fn text_of<'t>(tree: &'t Tree, path: &str) -> Result<Option<&'t str>, Unfit> {
    match tree.get(path) {
        None => Ok(None),
        Some(File::Bytes(bytes)) => {
            std::str::from_utf8(bytes).map(Some).map_err(|_| Unfit::Unreadable(path.to_owned()))
        }
        Some(File::Unread | File::TooLarge { .. } | File::Symlink | File::Submodule | File::BadName) => {
            Err(Unfit::Unreadable(path.to_owned()))
        }
    }
}

fn open<'f>(files: &'f mut BTreeMap<String, String>, tree: &Tree, path: &str) -> Result<&'f mut String, Unfit> {
    let known = text_of(tree, path)?.unwrap_or_default();
    Ok(files.entry(path.to_owned()).or_insert_with(|| known.to_owned()))
}

/// Adds lines at the end of a file, with the line ends that the file has.
fn append(text: &mut String, lines: &str) {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str(end);
    }
    text.push_str(&lines.replace('\n', end));
}
