//! The texts of a load, and the conversion from byte offsets to lines.

use std::sync::Arc;

use crate::model::{Diagnostic, FileId, Layer, LineIndex, Origin, Place, Span};

/// One text file of the cluster repository.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: Box<str>,
    lines: LineIndex,
    text: Arc<[u8]>,
}

/// All text files of the cluster repository, in the order of their paths; [`FileId`] is the index.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Adds a file and returns its id.
    ///
    /// The caller limits the number of files to below 65,536 and the size of each to below 4 GiB.
    pub fn add(&mut self, path: &str, text: &Arc<[u8]>) -> FileId {
        self.files.push(Source { path: path.into(), lines: LineIndex::new(text), text: Arc::clone(text) });
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
        self.files[usize::from(file.0)].lines.line(at as usize) as u32
    }

    /// Returns the character of its line that a byte is in, counted from 1.
    #[must_use]
    pub fn column(&self, file: FileId, at: u32) -> u32 {
        let source = &self.files[usize::from(file.0)];
        source.lines.column(&source.text, at as usize) as u32
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

/// Returns the length of the value at the start of a text: a quoted string, or the bytes up to the
/// end of a bare one. It reads no further than that, because a file can be one line with all its
/// values.
fn value_length(text: &[u8]) -> usize {
    let is_quote = |byte: u8| byte == b'"' || byte == b'\'';
    match text.first() {
        Some(quote) if is_quote(*quote) => {
            let is_end = |at: &usize| text[*at] == b'\n' || text[*at] == *quote && text[*at - 1] != b'\\';
            let end = (1..text.len()).find(is_end);
            end.map_or(text.len(), |end| if text[end] == b'\n' { end } else { end + 1 })
        }
        Some(b'[' | b'{') => bracketed_length(text),
        _ => text.iter().position(|byte| b",]}# \r\n".contains(byte)).unwrap_or(text.len()),
    }
}

/// Returns the length of the list or table at the start of a text; everything up to the line break
/// if it spans lines.
fn bracketed_length(text: &[u8]) -> usize {
    let (mut depth, mut quote) = (0usize, None);
    for (at, byte) in text.iter().enumerate() {
        match (quote, byte) {
            (_, b'\n') => return at,
            (Some(open), _) if open == *byte && text[at - 1] != b'\\' => quote = None,
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

    text.len()
}

/// The file that is being parsed, for the places of its findings and origins.
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

/// The findings of all stages of a load.
pub type Findings = Vec<Diagnostic>;
