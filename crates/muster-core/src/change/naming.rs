//! How holes are called where people and programs read them: `<name>`, unless that stands in the texts themselves.

use std::collections::BTreeMap;

use super::mask::BOUNDARY;
use crate::ipxe::Hole;

/// The holes of some texts, by their marks.
#[derive(Debug, Default)]
pub struct Naming {
    /// Each mark, and what is written in its place, with its brackets.
    shown: BTreeMap<Box<str>, Box<str>>,
}

impl Naming {
    /// Names the holes that the texts have: those of requests, and those of these marks.
    ///
    /// A hole is called `<name>`, or `<name 2>` and so on if the texts say `<name>` themselves. So what is written in place
    /// of a hole stands nowhere else in them.
    pub fn new<'t>(texts: &[&'t str], marks: impl Iterator<Item = &'t str>) -> Self {
        let known: Vec<&str> = Hole::ALL.iter().map(|hole| hole.mark()).chain([BOUNDARY]).chain(marks).collect();
        let mut literals: Vec<&str> = Vec::new();
        let mut used: Vec<&str> = Vec::new();
        for text in texts {
            for piece in pieces(text, &known) {
                match piece {
                    Piece::Literal(text) if text.contains('<') => literals.push(text),
                    Piece::Literal(_) => {}
                    Piece::Mark(mark) if !used.contains(&mark) => used.push(mark),
                    Piece::Mark(_) => {}
                }
            }
        }

        let mut naming = Self::default();
        for mark in used {
            let name = name_of(mark);
            let mut candidates =
                std::iter::once(format!("<{name}>")).chain((2..).map(|number| format!("<{name} {number}>")));
            let is_free = |text: &String| {
                !literals.iter().any(|literal| literal.contains(text.as_str()))
                    && !naming.shown.values().any(|taken| **taken == **text)
            };
            // Each candidate that is taken stands in the texts, which have an end.
            if let Some(free) = candidates.find(is_free) {
                naming.shown.insert(mark.into(), free.into());
            }
        }
        naming
    }

    /// Writes a text with its holes named.
    pub fn write(&self, text: &str) -> String {
        if !text.contains(OPENS) {
            return text.to_owned();
        }
        let known: Vec<&str> = self.shown.keys().map(|mark| &**mark).collect();
        let shown = pieces(text, &known).into_iter().map(|piece| match piece {
            Piece::Literal(text) => text,
            Piece::Mark(mark) => &*self.shown[mark],
        });
        shown.collect()
    }

    /// Lists the names, without brackets, each with its mark.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.shown.iter().map(|(mark, shown)| (shown.trim_start_matches('<').trim_end_matches('>'), &**mark))
    }

    /// Lists the names, without brackets, of what the request fills or what follows from the rest of the text.
    pub fn of_requests(&self) -> impl Iterator<Item = &str> {
        let is_own = |mark: &str| Hole::ALL.iter().any(|hole| hole.mark() == mark) || mark == BOUNDARY;
        self.names().filter(move |(_, mark)| is_own(mark)).map(|(name, _)| name)
    }
}

/// The signs that marks begin with.
const OPENS: [char; 2] = ['\u{1}', '\u{3}'];

/// The signs around the name in a mark.
const AROUND: [char; 4] = ['\u{1}', '\u{2}', '\u{3}', '\u{4}'];

fn name_of(mark: &str) -> &str {
    mark.trim_matches(AROUND)
}

enum Piece<'t> {
    Literal(&'t str),
    Mark(&'t str),
}

/// Splits a text at the marks that are known.
fn pieces<'t>(text: &'t str, known: &[&str]) -> Vec<Piece<'t>> {
    let mut all = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(next) = text[at..].find(OPENS) {
        let start = at + next;
        match known.iter().find(|mark| text[start..].starts_with(**mark)) {
            Some(mark) => {
                all.push(Piece::Literal(&text[from..start]));
                all.push(Piece::Mark(&text[start..start + mark.len()]));
                from = start + mark.len();
                at = from;
            }
            // It only begins like one.
            None => at = start + 1,
        }
    }
    all.push(Piece::Literal(&text[from..]));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_told_from_what_only_looks_like_one() {
        let texts = ["write <host>, such as \u{3}host\u{4}", "at \u{1}server\u{2}, not <host 2>", "a \u{3}b c"];
        let naming = Naming::new(&texts, ["\u{3}host\u{4}", "\u{3}other\u{4}"].into_iter());
        let shown: Vec<String> = texts.iter().map(|text| naming.write(text)).collect();
        assert_eq!(shown, ["write <host>, such as <host 3>", "at <server>, not <host 2>", "a \u{3}b c"]);
        assert_eq!(naming.names().map(|(name, _)| name).collect::<Vec<_>>(), ["server", "host 3"]);
        assert_eq!(naming.of_requests().collect::<Vec<_>>(), ["server"]);
    }
}
