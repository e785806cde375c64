//! Diagnostics as compilers print them (path, line, caret, message, hint), and as annotations of GitHub.

mod github;

pub use github::github;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::model::text::{line, plural, push};
use crate::model::{Diagnostic, File, Place, SafeText, Severity, Tree};
use crate::report::page::Page;

/// The longest line that is shown; of a longer one only its place is told.
const MAX_LINE: usize = 400;

/// Writes findings, one block each, with the lines that they are about.
#[must_use]
pub fn text(findings: &[Diagnostic], tree: &Tree, prefix: &str, colour: bool) -> SafeText {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut page = Page::new(colour);
    for finding in findings {
        page.push_rendered(&renderer.render(&[Block { tree, prefix }.of(finding)]));
        page.line(0, "");
    }
    page.finish()
}

/// Counts findings in words: `2 errors, 1 warning`.
#[must_use]
pub fn count(findings: &[Diagnostic]) -> String {
    let errors = findings.iter().filter(|finding| finding.severity() == Severity::Error).count();
    format!("{}, {}", plural(errors, "error"), plural(findings.len() - errors, "warning"))
}

/// What the block of a finding is made with. The renderer takes paths, labels and hints as they are, so all of them are
/// made safe before.
struct Block<'a> {
    tree: &'a Tree,
    prefix: &'a str,
}

impl<'a> Block<'a> {
    fn of(&self, finding: &'a Diagnostic) -> Group<'a> {
        let level = match finding.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(line(&finding.message)).id(finding.code.as_str()));
        group = match finding.code.shows_line() {
            true => self.shown(group, &finding.place, AnnotationKind::Primary, None),
            false => self.placed(group, &finding.place),
        };
        for (place, why) in &finding.related {
            group = self.shown(group, place, AnnotationKind::Context, Some(why));
        }
        match &finding.hint {
            Some(hint) => group.element(Level::HELP.message(line(hint))),
            None => group,
        }
    }

    /// Adds the line of a place with its caret, or only the place if there is no line to show.
    fn shown(&self, group: Group<'a>, place: &'a Place, kind: AnnotationKind, label: Option<&'a str>) -> Group<'a> {
        let (Some(source), Some(span)) = (source(&place.file, self.tree), place.span) else {
            return self.placed(group, place);
        };
        let window = window(source, span.start);
        let text = &source[window.start..window.end];
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.len() > MAX_LINE {
            return self.placed(group, place);
        }

        let from = (window.at - window.start).min(text.len());
        let to = (span.end.clamp(window.at, window.end) - window.start).clamp(from, text.len());
        let to = (to..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let escaped = escaped(text, [from, to]);
        let [from, to] = escaped.at;
        let path = line(&format!("{}{}", self.prefix, place.file)).into_owned();
        let snippet = Snippet::source(escaped.text).path(path).line_start(window.line);
        group.element(snippet.annotation(kind.span(from..to).label(label.map(line))))
    }

    /// Adds a place by its line and column alone.
    fn placed(&self, group: Group<'a>, place: &'a Place) -> Group<'a> {
        let origin = Origin::path(line(&format!("{}{}", self.prefix, place.file)).into_owned());
        let (Some(source), Some(span)) = (source(&place.file, self.tree), place.span) else {
            return group.element(origin);
        };
        let window = window(source, span.start);
        let column = source.get(window.start..window.at).map_or(0, |text| text.chars().count()) + 1;
        group.element(origin.line(window.line).char_column(column))
    }
}

/// A line of a file as it is shown, and where two places in it are then.
struct Escaped {
    text: String,
    at: [usize; 2],
}

/// Makes a line of a file safe to show, and follows two places in it; tabs stay, which the renderer takes for blanks.
fn escaped(source: &str, places: [usize; 2]) -> Escaped {
    let chars: Vec<char> = source.chars().collect();
    let mut text = String::with_capacity(source.len());
    let mut at = [None; 2];
    for (number, (byte, c)) in source.char_indices().enumerate() {
        for (place, at) in places.iter().zip(&mut at) {
            if byte >= *place && at.is_none() {
                *at = Some(text.len());
            }
        }
        if c == '\t' { text.push(c) } else { push(&mut text, &chars, number) }
    }
    let end = text.len();
    Escaped { text, at: at.map(|at| at.unwrap_or(end)) }
}

fn source<'t>(path: &str, tree: &'t Tree) -> Option<&'t str> {
    match tree.get(path)? {
        File::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        File::Unread | File::TooLarge { .. } | File::Symlink | File::Submodule | File::BadName => None,
    }
}

/// The line that holds a byte.
struct Window {
    start: usize,
    end: usize,
    /// The byte, moved to the start of its character and into the line.
    at: usize,
    line: usize,
}

fn window(source: &str, byte: usize) -> Window {
    // What ends with the file is shown on its last line, not on the one after it.
    let mut at = byte.min(source.strip_suffix('\n').unwrap_or(source).len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = source[at..].find('\n').map_or(source.len(), |length| at + length);
    let line = source[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
    Window { start, end, at, line }
}
