//! Diagnostics as compilers print them (path, line, caret, message, hint), and as annotations of GitHub.

mod choice;
mod github;

pub use github::github;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::model::text::{line, plural, push};
use crate::model::{Diagnostic, Place, Positions, SafeText, Severity, Tree};
use crate::report::page::Page;

use choice::Choice;

/// The longest line that is shown; of a longer one only its place is told.
const MAX_LINE: usize = 400;

/// Writes findings, one block each, with the lines that they are about.
///
/// Of very many only some are shown, errors before warnings, and the last lines count the rest.
#[must_use]
pub fn text(findings: &[Diagnostic], tree: &Tree, prefix: &str, colour: bool) -> SafeText {
    text_of("muster check", findings, tree, prefix, colour)
}

/// Writes the findings of a command whose `--format json` lists all of them.
pub fn text_of(command: &str, findings: &[Diagnostic], tree: &Tree, prefix: &str, colour: bool) -> SafeText {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut page = Page::new(colour);
    let mut positions = Positions::new(tree);
    let choice = Choice::new(findings);
    for finding in &choice.shown {
        let mut block = Block { positions: &mut positions, prefix };
        page.push_rendered(&renderer.render(&[block.of(finding)]));
        page.line(0, "");
    }

    let left_out = choice.left_out(prefix);
    if !left_out.is_empty() {
        left_out.iter().for_each(|text| page.line(0, text));
        page.line(0, &format!("  hint: `{command} --format json` lists every finding"));
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
struct Block<'p, 'a> {
    positions: &'p mut Positions<'a>,
    prefix: &'a str,
}

impl<'a> Block<'_, 'a> {
    fn of(&mut self, finding: &'a Diagnostic) -> Group<'a> {
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
    fn shown(&mut self, group: Group<'a>, place: &'a Place, kind: AnnotationKind, label: Option<&'a str>) -> Group<'a> {
        let Some(window) = self.window(place).filter(|window| window.text.len() <= MAX_LINE) else {
            return self.placed(group, place);
        };

        let escaped = escaped(window.text, window.marked);
        let [from, to] = escaped.at;
        let path = line(&format!("{}{}", self.prefix, place.file)).into_owned();
        let snippet = Snippet::source(escaped.text).path(path).line_start(window.line);
        group.element(snippet.annotation(kind.span(from..to).label(label.map(line))))
    }

    /// Adds a place by its line and column alone.
    fn placed(&mut self, group: Group<'a>, place: &'a Place) -> Group<'a> {
        let origin = Origin::path(line(&format!("{}{}", self.prefix, place.file)).into_owned());
        match self.positions.of(place) {
            Some((line, column)) => group.element(origin.line(line as usize).char_column(column as usize)),
            None => group.element(origin),
        }
    }

    /// Returns the line of a place; nothing if the place is a file as a whole, or one that is not text.
    fn window(&mut self, place: &Place) -> Option<Window<'a>> {
        let span = place.span?;
        let (line, _) = self.positions.of(place)?;
        let file = self.positions.file(&place.file)?;
        let range = file.lines.range(file.text, line as usize);
        let text = std::str::from_utf8(&file.text[range.clone()]).ok()?;
        let text = text.strip_suffix('\r').unwrap_or(text);
        let from = text.floor_char_boundary(span.start.saturating_sub(range.start));
        let to = text.ceil_char_boundary(span.end.saturating_sub(range.start).clamp(from, text.len()));
        Some(Window { text, line: line as usize, marked: [from, to] })
    }
}

/// The line of a place, and the bytes of it that the place is.
struct Window<'a> {
    text: &'a str,
    line: usize,
    marked: [usize; 2],
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
