//! A change for a terminal of 80 columns: most nodes first, the last line a count.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::words;
use super::{ChangeReport, MAX_SHOWN};
use crate::change::{self, Fold, FoldedValue, Judgement, MaskedHunk, Part, Value};
use crate::model::SafeText;
use crate::report::drift::words::{cut, plural, shown};
use crate::report::page::{BOLD, DIM, GREEN, MAX_SET_LINES, NOT_REVERSED, Page, RED, REVERSED, WIDTH, wrap};

/// The nodes whose own values are told, where a fold covers them.
const MAX_EXAMPLES: usize = 3;

/// The characters of one side of a value.
const MAX_VALUE: usize = 200;

pub fn write(report: &ChangeReport<'_>, colour: bool) -> SafeText {
    let mut page = Page::new(colour);
    head(report, &mut page);
    for fold in &report.folds {
        one(report, fold, &mut page);
    }
    tail(report, &mut page);
    page.finish()
}

/// Writes one line for each fold.
pub fn write_stat(report: &ChangeReport<'_>, colour: bool) -> SafeText {
    let mut page = Page::new(colour);
    head(report, &mut page);
    for fold in &report.folds {
        let headline = words::headline(fold);
        page.line(0, &format!("{}: {}", page.paint(BOLD, &headline), words::parts(fold)));
        set(fold, &mut page);
    }
    if !report.folds.is_empty() {
        page.line(0, "");
    }
    tail(report, &mut page);
    page.finish()
}

fn head(report: &ChangeReport<'_>, page: &mut Page) {
    let cluster = &report.change.head.desired().cluster.name;
    page.wrapped(0, &format!("{}: {} -> {}", shown(cluster), report.base, report.head));
    page.line(0, "");
}

fn set(fold: &Fold<'_>, page: &mut Page) {
    let lines = wrap(&words::who(fold), WIDTH - 2, ',');
    for line in lines.iter().take(MAX_SET_LINES) {
        page.line(2, line);
    }
    if lines.len() > MAX_SET_LINES {
        page.line(2, "… (--format json names each)");
    }
}

fn one(report: &ChangeReport<'_>, fold: &Fold<'_>, page: &mut Page) {
    let headline = words::headline(fold);
    let gap = WIDTH.saturating_sub(headline.chars().count() + fold.digest.len() + 2).max(1);
    let digest = page.paint(DIM, &format!("[{}]", fold.digest));
    page.line(0, &format!("{}{}{digest}", page.paint(BOLD, &headline), " ".repeat(gap)));
    set(fold, page);
    page.wrapped(2, words::reach(fold));
    if let Some(text) = words::unexplained(fold) {
        page.wrapped(4, text);
    }
    values_of(fold, page);
    let examples = words::examples(report.change, fold, MAX_EXAMPLES);
    let count = examples.len();
    for example in examples {
        page.wrapped(4, &example);
    }
    if count > 0 && fold.machines.len() > count {
        page.line(4, &format!("… and {}", plural(fold.machines.len() - count, "more node")));
    }
    for (part, hunks) in &fold.patches {
        patch(fold, *part, hunks, page);
    }
    page.line(0, "");
}

fn values_of(fold: &Fold<'_>, page: &mut Page) {
    for value in words::told(fold) {
        one_value(value, words::is_whole(fold), page);
    }
}

/// Writes what a fold of one machine changes, without saying of whom: its values, and with `patch` its texts.
pub fn one_of_one(fold: &Fold<'_>, patch: bool, page: &mut Page) {
    values_of(fold, page);
    for (part, hunks) in &fold.patches {
        if patch { self::patch(fold, *part, hunks, page) } else { page.line(4, &words::lines_of(*part, hunks)) }
    }
}

/// Writes one value; of a machine that comes or goes as a whole, it has one side.
fn one_value(value: &FoldedValue, is_whole: bool, page: &mut Page) {
    let change = &value.change;
    let text = |value: &Option<Value>| value.as_ref().map(|value| words::line(&value.text));
    let key = words::line(&change.key);
    let (old, new) = (text(&change.old), text(&change.new));
    let whole = match (&old, &new) {
        (Some(old), Some(new)) => format!("{key}: {old} -> {new}"),
        (Some(old), None) if is_whole => format!("{key}: {old}"),
        (None, Some(new)) if is_whole => format!("{key}: {new}"),
        (Some(old), None) => format!("{key}: {old} -> none"),
        (None, Some(new)) => format!("{key}: none -> {new}"),
        (None, None) => key.clone(),
    };
    if whole.chars().count() <= WIDTH - 4 {
        page.line(4, &whole);
    } else if let (Some(old), Some(new)) = (&old, &new) {
        let (old, new) = around_difference(old, new);
        let whole = format!("{key}: {old} -> {new}");
        if whole.chars().count() <= WIDTH - 4 {
            page.line(4, &whole);
        } else {
            page.line(4, &format!("{key}:"));
            page.line(6, &page.paint(RED, &format!("- {}", cut(&old, MAX_VALUE))));
            page.line(6, &page.paint(GREEN, &format!("+ {}", cut(&new, MAX_VALUE))));
        }
    } else {
        page.wrapped(4, &cut(&whole, MAX_VALUE));
    }
    let places = if is_whole {
        String::new()
    } else {
        words::places(value, |spot| format!("{}:{} ({})", shown(&spot.path), spot.line, shown(&spot.layer)))
    };
    if !places.is_empty() {
        let painted: Vec<String> = wrap(&places, WIDTH - 6, ' ');
        for line in painted {
            page.line(6, &page.paint(DIM, line.trim_end()));
        }
    }
}

/// Cuts what two values have in common at both ends, at what keeps parts of a URL or a list apart.
fn around_difference(old: &str, new: &str) -> (String, String) {
    const BETWEEN: [char; 5] = ['/', ' ', ',', '=', '?'];
    let start: usize = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    let start = old[..start].rfind(BETWEEN).unwrap_or(0);
    let (left, right) = (&old[start..], &new[start..]);
    let end: usize =
        left.chars().rev().zip(right.chars().rev()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    // Not over what the start keeps.
    let end = end.min(left.len().min(right.len()).saturating_sub(1));
    let tail = left.get(left.len() - end..).unwrap_or_default();
    let kept = tail.find(BETWEEN).map_or(tail.len(), |at| at + 1);
    let end = tail.len() - kept;
    let short = |text: &str| {
        let before = if start > 0 { "…" } else { "" };
        let after = if end > 0 { "…" } else { "" };
        format!("{before}{}{after}", &text[..text.len() - end])
    };
    (short(left), short(right))
}

fn patch(fold: &Fold<'_>, part: Part, hunks: &[MaskedHunk], page: &mut Page) {
    page.line(2, &page.paint(BOLD, &words::lines_of(part, hunks)));
    if words::is_count_enough(fold, part) {
        return;
    }
    let mut told = 0;
    for (at, hunk) in hunks.iter().enumerate() {
        if told > MAX_SHOWN {
            page.line(4, &format!("… and {} (--format json tells all)", plural(hunks.len() - at, "more place")));
            return;
        }
        if at > 0 && hunk.before.len() == 2 && hunks[at - 1].after.len() == 2 {
            page.line(4, &page.paint(DIM, "…"));
        }
        told += one_hunk(hunk, page);
    }
}

fn one_hunk(hunk: &MaskedHunk, page: &mut Page) -> usize {
    let [removed, added] = emphasised(&hunk.removed, &hunk.added, page.colour);
    let context = |page: &mut Page, lines: &[String]| {
        for line in lines {
            page.line(4, &format!("  {}", words::line(line)));
        }
    };
    context(page, &hunk.before);
    for (sign, colour, lines) in [("-", RED, &removed), ("+", GREEN, &added)] {
        for line in lines.iter().take(MAX_SHOWN) {
            page.line(4, &page.paint(colour, &format!("{sign} {line}")));
        }
        if lines.len() > MAX_SHOWN {
            page.line(
                4,
                &format!("{sign} … {} (--format json tells all)", plural(lines.len() - MAX_SHOWN, "more line")),
            );
        }
    }
    context(page, &hunk.after);
    removed.len() + added.len()
}

/// Writes lines for people; where both sides have as many, with what differs in each standing out.
fn emphasised(removed: &[String], added: &[String], colour: bool) -> [Vec<String>; 2] {
    let plain = |lines: &[String]| lines.iter().map(|line| words::line(line)).collect::<Vec<_>>();
    let (mut old, mut new) = (plain(removed), plain(added));
    if colour && old.len() == new.len() {
        for (one, other) in old.iter_mut().zip(&mut new) {
            let (left, right) = (pieces(one), pieces(other));
            let ops = capture_diff_slices(Algorithm::Myers, &left, &right);
            let is_alike = ops.iter().any(|op| matches!(op, DiffOp::Equal { .. }));
            if is_alike {
                let marked = |pieces: &[&str], range: &dyn Fn(&DiffOp) -> std::ops::Range<usize>| -> String {
                    ops.iter()
                        .map(|op| {
                            let text = pieces[range(op)].concat();
                            match op {
                                DiffOp::Equal { .. } => text,
                                _ if text.is_empty() => text,
                                DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                                    format!("{REVERSED}{text}{NOT_REVERSED}")
                                }
                            }
                        })
                        .collect()
                };
                let (marked_old, marked_new) = (marked(&left, &DiffOp::old_range), marked(&right, &DiffOp::new_range));
                (*one, *other) = (marked_old, marked_new);
            }
        }
    }
    [old, new]
}

/// Splits a line into words and what stands between them.
fn pieces(line: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut from = 0;
    let mut last: Option<bool> = None;
    for (at, c) in line.char_indices() {
        let is_word = c.is_alphanumeric();
        if at > from && (last != Some(is_word) || !is_word) {
            all.push(&line[from..at]);
            from = at;
        }
        last = Some(is_word);
    }
    all.push(&line[from..]);
    all
}

fn tail(report: &ChangeReport<'_>, page: &mut Page) {
    let costs = change::costs(report.change);
    if let Some(names) = words::removed(&costs) {
        for line in wrap(&format!("removed: {names}"), WIDTH, ',') {
            page.line(0, &line);
        }
    }
    if let Some(judgement) = &report.judgement {
        for account in words::accounts(report.change) {
            page.wrapped(0, &account);
        }
        rails(judgement, page);
    }
    if let Some(text) = words::next_boot(&costs) {
        page.wrapped(0, &text);
    }
    page.wrapped(0, &words::count(report.change, &costs));
}

/// Tells which guard rails are broken and what to do about it, and what is allowed for nothing.
fn rails(judgement: &Judgement, page: &mut Page) {
    for breach in &judgement.breaches {
        const HEAD: &str = "GUARD RAIL:";
        for line in wrap(&format!("{HEAD} {}", words::breach(breach)), WIDTH, ' ') {
            let rest = line.strip_prefix(HEAD).map(|rest| format!("{}{rest}", page.paint(BOLD, HEAD)));
            page.line(0, &rest.unwrap_or(line));
        }
        page.line(2, "if it is wished, add to `allow` in [guard] of policy.toml:");
        for broken in breach.folds.iter().take(MAX_SHOWN) {
            let mut lines =
                wrap(&format!("\"{}\", # {}", broken.digest, words::broken(breach, broken)), WIDTH - 4, ',')
                    .into_iter();
            page.line(4, &lines.next().unwrap_or_default());
            lines.for_each(|line| page.line(4, &format!("# {line}")));
        }
        if breach.folds.len() > MAX_SHOWN {
            page.line(4, &format!("# and {} more (--format json tells all)", breach.folds.len() - MAX_SHOWN));
        }
    }
    for stale in &judgement.stale {
        page.wrapped(0, &format!("stale: {}; take it out", words::stale(stale)));
    }
}

#[cfg(test)]
mod tests {
    use super::{NOT_REVERSED, REVERSED, around_difference, emphasised, pieces};

    #[test]
    fn long_values_show_what_differs() {
        let short = |old, new| around_difference(old, new);
        let want = ("…/i-1/…".to_owned(), "…/i-2/…".to_owned());
        assert_eq!(short("http://a/i-1/x86/vmlinuz", "http://a/i-2/x86/vmlinuz"), want);
        assert_eq!(short("a b", "a b c"), ("… b".to_owned(), "… b c".to_owned()));
        assert_eq!(short("aéb", "aèb"), ("aéb".to_owned(), "aèb".to_owned()));
        assert_eq!(short("a/a/b", "a/b"), ("…/a/b".to_owned(), "…/b".to_owned()));
        assert_eq!(short("", "x"), (String::new(), "x".to_owned()));
    }

    #[test]
    fn what_differs_in_a_line_stands_out() {
        assert_eq!(pieces("a-12 b"), ["a", "-", "12", " ", "b"]);
        let lines = |text: &str| vec![text.to_owned()];
        let [old, new] = emphasised(&lines(" a=1"), &lines(" a=2"), true);
        let reversed = |text: &str| format!(" a={REVERSED}{text}{NOT_REVERSED}");
        assert_eq!((old, new), (lines(&reversed("1")), lines(&reversed("2"))));
        assert_eq!(emphasised(&lines("x"), &lines("y"), true), [lines("x"), lines("y")]);
        assert_eq!(emphasised(&lines("a 1"), &lines("a 2"), false), [lines("a 1"), lines("a 2")]);
    }
}
