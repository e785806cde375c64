//! A page of text for a terminal of 80 columns.

/// The columns that lines are wrapped at.
pub const WIDTH: usize = 80;

/// The lines of a node set; of a longer one the JSON tells the rest.
pub const MAX_SET_LINES: usize = 4;

/// The text so far.
pub struct Page {
    pub out: String,
    pub colour: bool,
}

impl Page {
    /// Begins with nothing on it.
    pub const fn new(colour: bool) -> Self {
        Self { out: String::new(), colour }
    }

    /// Writes a line, without blanks at its end.
    pub fn line(&mut self, indent: usize, text: &str) {
        if !text.is_empty() {
            self.out.push_str(&" ".repeat(indent));
            self.out.push_str(text.trim_end());
        }
        self.out.push('\n');
    }

    /// Writes a text over as many lines as it needs, broken at blanks.
    pub fn wrapped(&mut self, indent: usize, text: &str) {
        for line in wrap(text, WIDTH - indent, ' ') {
            self.line(indent, &line);
        }
    }

    /// Puts a text between two escapes of a terminal, where there are colours.
    pub fn paint(&self, escape: &str, text: &str) -> String {
        let text = text.trim_end();
        if self.colour { format!("{escape}{text}\x1b[0m") } else { text.to_owned() }
    }
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
    use super::wrap;

    #[test]
    fn lines_break_after_separators_only() {
        assert_eq!(wrap("n1,n2,n3", 6, ','), ["n1,n2,", "n3"]);
        assert_eq!(wrap("a bb ccc", 4, ' '), ["a bb ", "ccc"]);
        assert_eq!(wrap("longword a", 4, ' '), ["longword ", "a"]);
        assert_eq!(wrap("", 4, ' '), [""]);
    }
}
