//! Lines and columns: from a byte of a text to what an editor shows.

use std::collections::BTreeMap;
use std::ops::Range;

use super::diagnostic::Place;
use super::tree::{File, Tree};

/// How many bytes lie between two counts of characters.
const STRIDE: usize = 1024;

/// Where the lines of a text begin, and how many characters come before each part of it.
///
/// Finding a place takes the same short time wherever it is: a file can have as many findings as it has bytes, on one line
/// or on as many.
#[derive(Debug, Clone)]
pub struct LineIndex {
    starts: Box<[u32]>,
    /// The characters before each multiple of [`STRIDE`] bytes.
    characters: Box<[u32]>,
}

impl LineIndex {
    /// Indexes a text of less than 4 GiB.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let newlines = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let starts = std::iter::once(0).chain(newlines.map(|(at, _)| at as u32 + 1)).collect();
        let counts = text.chunks(STRIDE).map(characters).scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        Self { starts, characters: std::iter::once(0).chain(counts).collect() }
    }

    /// Returns the line that a byte is in, counted from 1.
    #[must_use]
    pub fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start as usize <= at)
    }

    /// Returns the bytes of a line, without the line break that ends it.
    #[must_use]
    pub fn range(&self, text: &[u8], line: usize) -> Range<usize> {
        let start = line.checked_sub(1).and_then(|at| self.starts.get(at)).map_or(text.len(), |start| *start as usize);
        let end = self.starts.get(line).map_or(text.len(), |next| *next as usize - 1);
        start..end.max(start)
    }

    /// Returns the character of its line that a byte is in, counted from 1.
    #[must_use]
    pub fn column(&self, text: &[u8], at: usize) -> usize {
        let start = self.range(text, self.line(at)).start;
        (self.before(text, at) - self.before(text, start)) as usize + 1
    }

    /// Counts the characters that begin before a byte.
    fn before(&self, text: &[u8], at: usize) -> u32 {
        let at = at.min(text.len());
        let part = at / STRIDE;
        self.characters[part] + characters(&text[part * STRIDE..at])
    }
}

/// Counts the bytes that are not the second or later one of a character of UTF-8.
fn characters(text: &[u8]) -> u32 {
    text.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count() as u32
}

/// Lines and columns of findings in the files of a tree; each file is indexed once, if there is a finding in it.
pub struct Positions<'t> {
    tree: &'t Tree,
    files: BTreeMap<Box<str>, Option<Indexed<'t>>>,
}

/// A file, and where its lines are.
#[derive(Debug)]
pub struct Indexed<'t> {
    pub text: &'t [u8],
    pub lines: LineIndex,
}

impl<'t> Positions<'t> {
    /// Begins with no file indexed.
    #[must_use]
    pub fn new(tree: &'t Tree) -> Self {
        Self { tree, files: BTreeMap::new() }
    }

    /// Returns a file with its lines; nothing if it was not read.
    pub fn file(&mut self, path: &str) -> Option<&Indexed<'t>> {
        if !self.files.contains_key(path) {
            let indexed = match self.tree.get(path) {
                Some(File::Bytes(text)) => Some(Indexed { text, lines: LineIndex::new(text) }),
                Some(File::Unread | File::TooLarge { .. } | File::Symlink | File::Submodule | File::BadName) | None => {
                    None
                }
            };
            self.files.insert(path.into(), indexed);
        }
        self.files[path].as_ref()
    }

    /// Returns the line and the column of a place; nothing if it is a file as a whole, or in one that was not read.
    pub fn of(&mut self, place: &Place) -> Option<(u32, u32)> {
        let at = place.span?.start;
        let Indexed { text, lines } = self.file(&place.file)?;
        // What ends with the file belongs to its last line, not to the one after it.
        let at = at.min(text.strip_suffix(b"\n").unwrap_or(text).len());
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Some((number(lines.line(at)), number(lines.column(text, at))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, by reading the text from its beginning.
    fn slowly(text: &str, at: usize) -> (usize, usize) {
        let before = &text.as_bytes()[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
    }

    #[test]
    fn every_byte_of_a_long_line_has_its_column() {
        let text = format!("a\n{}\n\nb", "aü漢😀".repeat(700));
        let index = LineIndex::new(text.as_bytes());
        for at in 0..=text.len() {
            assert_eq!((index.line(at), index.column(text.as_bytes(), at)), slowly(&text, at), "{at}");
        }
        assert_eq!(&text[index.range(text.as_bytes(), 1)], "a");
        assert_eq!(&text[index.range(text.as_bytes(), 3)], "");
        assert_eq!(&text[index.range(text.as_bytes(), 4)], "b");
        assert_eq!(index.range(text.as_bytes(), 5).len(), 0);
    }

    proptest! {
        #[test]
        fn places_are_those_of_a_reader(text in "[a\nü漢]{0,40}", at in 0usize..130) {
            let index = LineIndex::new(text.as_bytes());
            let at = at.min(text.len());
            prop_assert_eq!((index.line(at), index.column(text.as_bytes(), at)), slowly(&text, at));
        }
    }
}
