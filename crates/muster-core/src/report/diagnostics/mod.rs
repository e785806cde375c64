//! Diagnostics as compilers print them (path, line, caret, message, hint), and as annotations of GitHub.

mod choice;
mod github;

pub use github::github;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::desired::tree_secrets;
use crate::model::clear_secret::{SecretMask, find_in_file};
use crate::model::text::{bounded, line, plural, push};
use crate::model::{Diagnostic, File, Place, Positions, SafeText, Severity, Tree};
use crate::report::page::Page;

use choice::Choice;

/// The longest line that is shown; of a longer one, and of one that holds a secret, only its place is.
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
    let hidden = HiddenLines::new(&choice.shown, tree);
    for finding in &choice.shown {
        let mut block = Block { positions: &mut positions, prefix, hidden: &hidden };
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
    hidden: &'a HiddenLines<'a>,
}

/// What decides whether a line is shown: one that holds a secret is not.
struct HiddenLines<'a> {
    mask: SecretMask,
    /// The secrets of the files that findings are about.
    spans: BTreeMap<&'a str, Vec<Range<usize>>>,
}

impl<'a> HiddenLines<'a> {
    fn new(findings: &[&'a Diagnostic], tree: &Tree) -> Self {
        let places = findings.iter().flat_map(|finding| {
            let own = finding.code.shows_line().then_some(&finding.place);
            own.into_iter().chain(finding.related.iter().map(|(place, _)| place))
        });
        let files: BTreeSet<&str> = places.map(|place| &*place.file).collect();
        let mask = if files.is_empty() { SecretMask::default() } else { tree_secrets(tree) };
        let files = files.into_iter().filter(|_| !mask.is_empty());
        let spans = files.filter_map(|path| {
            let File::Bytes(bytes) = tree.get(path)? else { return None };
            let found = find_in_file(path, std::str::from_utf8(bytes).ok()?);
            Some((path, joined(found.into_iter().flat_map(|found| found.secrets).collect())))
        });
        Self { spans: spans.collect(), mask }
    }

    fn holds(&self, path: &str, window: &Window) -> bool {
        let is_secret = self.spans.get(path).is_some_and(|spans| {
            let first = spans.partition_point(|secret| secret.end <= window.bytes.start);
            spans.get(first).is_some_and(|secret| secret.start < window.bytes.end)
        });
        is_secret || (!self.mask.is_empty() && matches!(self.mask.cover(window.text), Cow::Owned(_)))
    }
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
        let is_shown = |window: &Window| window.text.len() <= MAX_LINE && !self.hidden.holds(&place.file, window);
        let Some(window) = self.window(place).filter(is_shown) else {
            return self.placed(group, place);
        };

        let escaped = escaped(window.text, window.marked);
        let [from, to] = escaped.at;
        let path = self.path(place);
        let snippet = Snippet::source(escaped.text).path(path).line_start(window.line);
        group.element(snippet.annotation(kind.span(from..to).label(label.map(line))))
    }

    fn path(&self, place: &Place) -> String {
        line(&bounded(format!("{}{}", self.prefix, place.file))).into_owned()
    }

    /// Adds a place by its line and column alone.
    fn placed(&mut self, group: Group<'a>, place: &'a Place) -> Group<'a> {
        let origin = Origin::path(self.path(place));
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
        Some(Window { text, bytes: range, line: line as usize, marked: [from, to] })
    }
}

/// The line of a place, and the bytes of it that the place is.
struct Window<'a> {
    text: &'a str,
    /// Its bytes in the file.
    bytes: Range<usize>,
    line: usize,
    marked: [usize; 2],
}

/// Joins places that overlap, in their order.
fn joined(mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    places.sort_by_key(|place| place.start);
    let mut all: Vec<Range<usize>> = Vec::with_capacity(places.len());
    for place in places {
        match all.last_mut() {
            Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
            Some(_) | None => all.push(place),
        }
    }
    all
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
