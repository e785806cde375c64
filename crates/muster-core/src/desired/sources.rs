//! The texts that a load has read, and the way from a byte of one to its line.

use std::sync::Arc;

use crate::model::{Diagnostic, FileId, Layer, Origin, Place, Span};

/// One text file of the wishes.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: Box<str>,
    /// The byte at which each line begins.
    line_starts: Box<[u32]>,
    text: Arc<[u8]>,
}

/// All text files of the wishes, in the order of their paths; [`FileId`] is the index.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Adds a file and returns its id.
    ///
    /// The caller bounds the number of files below 65,536 and the size of each below 4 GiB.
    pub fn add(&mut self, path: &str, text: &Arc<[u8]>) -> FileId {
        let newlines = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at as u32 + 1)).collect();
        self.files.push(Source { path: path.into(), line_starts, text: Arc::clone(text) });
        FileId((self.files.len() - 1) as u16)
    }

    /// Returns the path of a file.
    #[must_use]
    pub fn path(&self, file: FileId) -> &str {
        &self.files[usize::from(file.0)].path
    }

    /// Returns the line of a byte, counted from 1.
    #[must_use]
    pub fn line(&self, file: FileId, at: u32) -> u32 {
        self.files[usize::from(file.0)].line_starts.partition_point(|start| *start <= at) as u32
    }

    /// Returns the character of its line that a byte is in, counted from 1.
    #[must_use]
    pub fn column(&self, file: FileId, at: u32) -> u32 {
        let source = &self.files[usize::from(file.0)];
        let line = source.line_starts.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).map_or(0, |line| source.line_starts[line]);
        let before = source.text.get(start as usize..at as usize).unwrap_or_default();
        String::from_utf8_lossy(before).chars().count() as u32 + 1
    }

    /// Returns `path:line` of an origin.
    #[must_use]
    pub fn describe(&self, origin: Origin) -> String {
        format!("{}:{}", self.path(origin.file), self.line(origin.file, origin.at))
    }

    /// Returns the place of an origin: from its byte to the end of the value that begins there.
    #[must_use]
    pub fn place(&self, origin: Origin) -> Place {
        let source = &self.files[usize::from(origin.file.0)];
        let at = origin.at as usize;
        Place::at(source.path.clone(), at..at + value_length(source.text.get(at..).unwrap_or_default()))
    }
}

/// Returns the bytes of the value that a text begins with: a quoted string, or up to what ends a bare one.
fn value_length(text: &[u8]) -> usize {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_quote = |byte: u8| byte == b'"' || byte == b'\'';
    match line.first() {
        Some(quote) if is_quote(*quote) => {
            let end = (1..line.len()).find(|at| line[*at] == *quote && line[at - 1] != b'\\');
            end.map_or(line.len(), |end| end + 1)
        }
        Some(b'[' | b'{') => bracketed_length(line),
        _ => line.iter().position(|byte| b",]}# \r".contains(byte)).unwrap_or(line.len()),
    }
}

/// Returns the bytes of a list or table that a line begins with; the whole line where it goes on below.
fn bracketed_length(line: &[u8]) -> usize {
    let (mut depth, mut quote) = (0usize, None);
    for (at, byte) in line.iter().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == *byte && line[at - 1] != b'\\' => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'[' | b'{') => depth += 1,
            (None, b']' | b'}') => depth -= 1,
            (None, _) => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    line.len()
}

/// One file being read: where its findings and origins point.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    pub path: &'a str,
    pub file: FileId,
    pub layer: Layer,
}

impl Here<'_> {
    /// Returns the place of bytes of this file.
    #[must_use]
    pub fn place(&self, span: Span) -> Place {
        Place::at(self.path, span)
    }

    /// Returns the origin of a value of this file.
    #[must_use]
    pub fn origin(&self, span: Span) -> Origin {
        Origin { file: self.file, at: span.start as u32, layer: self.layer }
    }
}

/// Findings, gathered by every stage of a load.
pub type Findings = Vec<Diagnostic>;
