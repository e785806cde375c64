//! A page of text for a terminal of 80 columns.

use crate::model::{SafeText, text};

/// The columns that lines are wrapped at.
pub const WIDTH: usize = 80;

/// The lines of a node set; of a longer one the JSON tells the rest.
pub const MAX_SET_LINES: usize = 4;

/// Marks of style, which [`Page`] alone turns into colours: characters that Unicode keeps for no text. In text from outside
/// every other function of this crate escapes them.
pub const BOLD: &str = "\u{fdd0}";
pub const DIM: &str = "\u{fdd1}";
pub const RED: &str = "\u{fdd2}";
pub const GREEN: &str = "\u{fdd3}";
pub const YELLOW: &str = "\u{fdd4}";
pub const BOLD_RED: &str = "\u{fdd5}";
pub const BOLD_GREEN: &str = "\u{fdd6}";
pub const BOLD_YELLOW: &str = "\u{fdd7}";
pub const BOLD_CYAN: &str = "\u{fdd8}";
pub const REVERSED: &str = "\u{fdd9}";
pub const NOT_REVERSED: &str = "\u{fdda}";
const OFF: &str = "\u{fddb}";

/// What each mark is to a terminal (ECMA-48, section 8.3.117).
const COLOURS: [&str; 12] = ["1", "2", "31", "32", "33", "1;31", "1;32", "1;33", "1;36", "7", "27", "0"];

/// The text so far, line by line; what is written into it acts on no terminal and on no CI system.
#[derive(Debug, Default)]
pub struct Page {
    out: SafeText,
    pub colour: bool,
}

impl Page {
    /// Begins with nothing on it.
    pub fn new(colour: bool) -> Self {
        Self { out: SafeText::default(), colour }
    }

    /// Writes one line, without blanks at its end; a line break in the text is escaped.
    pub fn line(&mut self, indent: usize, text: &str) {
        let text = if text.is_empty() { String::new() } else { format!("{}{}", " ".repeat(indent), text.trim_end()) };
        self.out.push_styled(&styled(&text, self.colour));
    }

    /// Writes a text over as many lines as it needs, broken at blanks.
    pub fn wrapped(&mut self, indent: usize, text: &str) {
        for line in wrap(text, WIDTH - indent, ' ') {
            self.line(indent, &line);
        }
    }

    /// Adds what is safe already.
    pub fn push(&mut self, text: &SafeText) {
        self.out.push(text);
    }

    /// Adds lines that hold nothing but escaped characters and colours.
    pub fn push_rendered(&mut self, text: &str) {
        text.lines().for_each(|line| self.out.push_styled(line));
    }

    /// Puts a text between marks of a style, if there are colours.
    pub fn paint(&self, style: &str, text: &str) -> String {
        let text = text.trim_end();
        if self.colour { format!("{style}{text}{OFF}") } else { text.to_owned() }
    }

    /// Returns what is on the page.
    pub fn finish(self) -> SafeText {
        self.out
    }
}

/// Escapes what acts in a line, and turns marks of style into colours, or into nothing.
fn styled(marked: &str, colour: bool) -> String {
    let plain: Vec<char> = marked.chars().filter(|c| style(*c).is_none()).collect();
    let mut out = String::with_capacity(marked.len());
    let mut at = 0;
    for c in marked.chars() {
        match style(c) {
            Some(code) if colour => out.push_str(&format!("\u{1b}[{code}m")),
            Some(_) => {}
            None => {
                text::push(&mut out, &plain, at);
                at += 1;
            }
        }
    }
    out
}

fn style(c: char) -> Option<&'static str> {
    let at = u32::from(c).checked_sub(0xfdd0)?;
    COLOURS.get(usize::try_from(at).ok()?).copied()
}

/// Breaks a text after separators into lines of so many characters; what has no separator stays whole.
pub fn wrap(text: &str, width: usize, separator: char) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for part in text.split_inclusive(separator) {
        let more = part.chars().count();
        // A blank at the end of a line takes no room.
        let needed = if separator == ' ' { part.trim_end().chars().count() } else { more };
        if length > 0 && length + needed > width {
            lines.push(String::new());
            length = 0;
        }
        lines.last_mut().expect("there is a first line").push_str(part);
        length += more;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_of_our_own_reach_a_terminal() {
        let mut page = Page::new(true);
        let hostile = format!("{} \u{1b}[31mb\n::c", page.paint(RED, "a\u{7}"));
        page.line(2, &hostile);
        page.line(2, "::d");
        page.line(0, &format!("#{REVERSED}#[e{NOT_REVERSED}"));
        let expected = "  \u{1b}[31ma\\u{7}\u{1b}[0m \\u{1b}[31mb\\n::c\n  \\u{3a}:d\n\\u{23}\u{1b}[7m#[e\u{1b}[27m\n";
        assert_eq!(page.finish(), expected);

        let mut page = Page::new(false);
        let marked = format!("#{REVERSED}#[e{NOT_REVERSED}");
        page.line(0, &marked);
        assert_eq!(page.finish(), "\\u{23}#[e\n");
    }

    #[test]
    fn lines_break_after_separators_only() {
        assert_eq!(wrap("n1,n2,n3", 6, ','), ["n1,n2,", "n3"]);
        assert_eq!(wrap("a bb ccc", 4, ' '), ["a bb ", "ccc"]);
        assert_eq!(wrap("longword a", 4, ' '), ["longword ", "a"]);
        assert_eq!(wrap("", 4, ' '), [""]);
    }
}
