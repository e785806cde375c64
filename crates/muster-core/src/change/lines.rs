//! Texts as lines that are worth comparing, and what differs between two of them.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::cloudinit::Document;
use crate::ipxe::Hole;

/// How many words the kernel line begins with that are no parameter: `kernel --name kernel URL`.
const KERNEL_WORDS: usize = 4;

/// What ends the kernel line.
const KERNEL_END: &str = " || goto ";

/// One of the texts that a machine is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Script,
    Document(Document),
}

impl Part {
    /// Every part, in the order in which a machine asks.
    pub const ALL: [Self; 5] = [
        Self::Script,
        Self::Document(Document::MetaData),
        Self::Document(Document::UserData),
        Self::Document(Document::VendorData),
        Self::Document(Document::NetworkConfig),
    ];

    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Document(document) => document.as_str(),
        }
    }
}

/// What stands in the place of some lines of a text; positions count lines from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hunk {
    pub before: u32,
    pub after: u32,
    pub removed: Vec<Box<str>>,
    pub added: Vec<Box<str>>,
    /// The lines of the old text right before and right after, if any.
    pub above: Option<Box<str>>,
    pub below: Option<Box<str>>,
}

/// Splits a text into lines, each with its ending, and a script's kernel line into its parameters, each with the blank
/// before it. Joined they are the text again.
#[must_use]
pub fn lines(part: Part, text: &str) -> Vec<&str> {
    let whole = text.split_inclusive('\n');
    match part {
        Part::Document(_) => whole.collect(),
        Part::Script => {
            let mut all = Vec::with_capacity(64);
            for line in whole {
                if line.starts_with("kernel ") { kernel_line(line, &mut all) } else { all.push(line) }
            }
            all
        }
    }
}

fn kernel_line<'t>(line: &'t str, all: &mut Vec<&'t str>) {
    let end = line.rfind(KERNEL_END).unwrap_or(line.len());
    let (mut from, mut words, mut quoted) = (0, 1, false);
    for (at, byte) in line[..end].bytes().enumerate() {
        quoted ^= byte == b'"';
        let is_blank = byte == b' ' && !quoted;
        words += usize::from(is_blank);
        let begins = (is_blank && words > KERNEL_WORDS) || line[at..].starts_with(Hole::BootIf.mark());
        if begins && at > from {
            all.push(&line[from..at]);
            from = at;
        }
    }
    all.push(&line[from..end]);
    all.push(&line[end..]);
    all.retain(|piece| !piece.is_empty());
}

/// Finds what differs between two texts, in their order.
#[must_use]
pub fn hunks(part: Part, old: &str, new: &str) -> Vec<Hunk> {
    let (old, new) = (lines(part, old), lines(part, new));
    let mut all: Vec<Hunk> = Vec::new();
    let mut is_open = false;
    for op in capture_diff_slices(Algorithm::Patience, &old, &new) {
        if let DiffOp::Equal { .. } = op {
            is_open = false;
            continue;
        }
        let (before, after) = (op.old_range(), op.new_range());
        if !is_open {
            let above = before.start.checked_sub(1).map(|at| Box::from(old[at]));
            let (before, after) = (before.start as u32, after.start as u32);
            all.push(Hunk { before, after, removed: Vec::new(), added: Vec::new(), above, below: None });
        }
        is_open = true;
        let hunk = all.last_mut().expect("one was just opened");
        hunk.below = old.get(before.end).map(|line| Box::from(*line));
        hunk.removed.extend(old[before].iter().map(|line| Box::from(*line)));
        hunk.added.extend(new[after].iter().map(|line| Box::from(*line)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_line() {
        let text = "#!ipxe\nkernel --name kernel http://a/b a=1 dyndbg=\"file a.c +p\" nid=5\u{1}bootif\u{2} ds=x || goto boot_retry\nboot\n";
        let all = lines(Part::Script, text);
        assert_eq!(all.concat(), text);
        let want = [
            "#!ipxe\n",
            "kernel --name kernel http://a/b",
            " a=1",
            " dyndbg=\"file a.c +p\"",
            " nid=5",
            "\u{1}bootif\u{2}",
            " ds=x",
            " || goto boot_retry\n",
            "boot\n",
        ];
        assert_eq!(all, want);
        assert_eq!(lines(Part::Script, "kernel x\n").concat(), "kernel x\n");
        assert_eq!(lines(Part::Document(Document::UserData), "a\nb"), ["a\n", "b"]);
        assert!(lines(Part::Script, "").is_empty());
    }

    #[test]
    fn one_changed_parameter_is_one_hunk() {
        let old = "kernel --name kernel u a b=1 c || goto boot_retry\n";
        let new = "kernel --name kernel u a b=2 c d || goto boot_retry\n";
        let all = hunks(Part::Script, old, new);
        let text = |lines: &[Box<str>]| lines.concat();
        let all: Vec<_> = all.iter().map(|hunk| (hunk.before, text(&hunk.removed), text(&hunk.added))).collect();
        assert_eq!(all, [(2, " b=1".into(), " b=2".into()), (4, String::new(), " d".into())]);
    }
}
