//! Diagnostics as compilers print them (path, line, caret, message, hint), and as annotations of GitHub.

mod github;

pub use github::github;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::model::{Diagnostic, File, Place, Severity, Tree};

/// The longest line that is shown; of a longer one only its place is told.
const MAX_LINE: usize = 400;

/// Writes findings, one block each, with the lines that they are about.
#[must_use]
pub fn text(findings: &[Diagnostic], tree: &Tree, prefix: &str, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for finding in findings {
        out.push_str(&renderer.render(&report(finding, tree, prefix)));
        out.push_str("\n\n");
    }
    out
}

/// Counts findings in words: `2 errors, 1 warning`.
#[must_use]
pub fn count(findings: &[Diagnostic]) -> String {
    let errors = findings.iter().filter(|finding| finding.severity() == Severity::Error).count();
    let warnings = findings.len() - errors;
    let plural = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"))
}

fn report<'a>(finding: &'a Diagnostic, tree: &'a Tree, prefix: &str) -> Vec<Group<'a>> {
    let level = match finding.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&*finding.message).id(finding.code.as_str()));
    group = shown(group, &finding.place, AnnotationKind::Primary, None, tree, prefix);
    for (place, why) in &finding.related {
        group = shown(group, place, AnnotationKind::Context, Some(why), tree, prefix);
    }
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.message(&**hint));
    }
    vec![group]
}

/// Adds the line of a place with its caret, or only the place where there is no line to show.
fn shown<'a>(
    group: Group<'a>,
    place: &'a Place,
    kind: AnnotationKind,
    label: Option<&'a str>,
    tree: &'a Tree,
    prefix: &str,
) -> Group<'a> {
    let path = format!("{prefix}{}", place.file);
    let (Some(source), Some(span)) = (source(&place.file, tree), place.span) else {
        return group.element(Origin::path(path));
    };
    let window = window(source, span.start);
    let line = &source[window.start..window.end];
    if line.len() > MAX_LINE {
        let column = source.get(window.start..window.at).map_or(0, |text| text.chars().count()) + 1;
        return group.element(Origin::path(path).line(window.line).char_column(column));
    }
    let from = window.at - window.start;
    let to = (span.end.clamp(window.at, window.end) - window.start).max(from);
    let to = (to..=line.len()).find(|at| line.is_char_boundary(*at)).unwrap_or(line.len());
    let snippet = Snippet::source(line).path(path).line_start(window.line);
    group.element(snippet.annotation(kind.span(from..to).label(label)))
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
    let mut at = byte.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = source[at..].find('\n').map_or(source.len(), |length| at + length);
    let line = source[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
    Window { start, end, at, line }
}
