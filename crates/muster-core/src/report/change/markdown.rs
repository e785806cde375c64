//! A change as a comment on a pull request: what it costs and which rails it breaks, a row for each fold, and what each
//! changes, folded away; bounded.
//!
//! What does not fit is left out by whole folds and counted: first of what is folded away, then of the rows.

use super::words;
use super::{ChangeReport, MAX_SHOWN};
use crate::change::{self, Fold, FoldedValue, Judgement, MaskedHunk, Part, Side, Value};
use crate::report::drift::words::{cut, plural};
use crate::report::markup::{MAX_BYTES, code, element, fence, marker, prose, span};

/// The bytes that are kept for the lines which say what is missing.
const RESERVE: usize = 400;

/// The characters of a node set, of a value, of a line, and of a place or a sentence.
const MAX_SET: usize = 120;
const MAX_VALUE: usize = 200;
const MAX_LINE: usize = 300;
const MAX_SENTENCE: usize = 200;

/// The rows, and the values of a fold.
const MAX_ROWS: usize = 100;
const MAX_ENTRIES: usize = 20;

/// The digests to allow that are written out, and those that are allowed for nothing. These and the sentences before them
/// fill no comment, whatever characters they have.
const MAX_DIGESTS: usize = 60;
const MAX_STALE: usize = 5;

/// The characters that say whom a digest to allow is about.
const MAX_ALLOWED: usize = 90;

/// The bytes of the changed lines of one text.
const MAX_PART: usize = 8_000;

/// The machines whose own values are told, where a fold covers them.
const MAX_EXAMPLES: usize = 3;

pub fn write(report: &ChangeReport<'_>, folder: &str) -> String {
    let mut out = head(report, folder);
    let room = MAX_BYTES.saturating_sub(out.len() + RESERVE);
    // Half of it at least is for what the folds change.
    let rows = rows(report, room / 2);
    let left = room.saturating_sub(rows.len());
    out.push_str(&rows);
    out.push_str(&details(report, folder, left));
    out
}

/// Writes what is told of the whole; it is bounded by itself.
fn head(report: &ChangeReport<'_>, folder: &str) -> String {
    let change = report.change;
    let cluster = &change.head.desired().cluster.name;
    let costs = change::costs(change);
    let mut out = marker(&["muster", "diff:", cluster, if folder.is_empty() { "." } else { folder }]);
    out.push_str(&format!("## muster diff: {}\n\n", code(cluster, MAX_SET)));
    if change.is_empty() {
        out.push_str(&format!("**No machine changes** ({}).\n", plural(change.head.nodes().len(), "node")));
    } else {
        out.push_str(&format!("**{}**\n", words::count(change, &costs)));
    }
    if let Some(text) = words::next_boot(&costs) {
        out.push_str(&format!("\n{text}.\n"));
    }
    if let Some(names) = words::removed(&costs) {
        out.push_str(&format!("\n**Removed**: {}\n", span(&words::line(&names))));
    }
    let accounts = report.judgement.iter().flat_map(|_| words::accounts(change));
    for account in accounts.take(MAX_ENTRIES) {
        out.push_str(&format!("\n**Accounts**: {}\n", span(&cut(&account, 4 * MAX_SET))));
    }
    out.push_str(&format!("\n{} → {}\n", code(report.base, MAX_SENTENCE), code(report.head, MAX_SENTENCE)));
    if let Some(judgement) = &report.judgement {
        out.push_str(&rails(report, judgement, folder));
    }
    out
}

/// Tells which rails are broken and what would let the change through, and what is allowed for nothing.
fn rails(report: &ChangeReport<'_>, judgement: &Judgement, folder: &str) -> String {
    let mut out = String::new();
    if !judgement.breaches.is_empty() {
        out.push_str(&format!("\n### {} broken\n\n", plural(judgement.breaches.len(), "guard rail")));
        for breach in &judgement.breaches {
            let before = if breach.side == Side::Base { " before this change" } else { "" };
            let place = format!("{}:{}{before}", words::from_root(folder, &breach.place.file), breach.line);
            out.push_str(&format!(
                "- {} ({})\n",
                prose(&cut(&breach.told(), 4 * MAX_SENTENCE), MAX_SENTENCE),
                code(&place, MAX_SENTENCE)
            ));
        }
        let file = words::from_root(folder, "policy.toml");
        let file = code(&file, MAX_SENTENCE);
        out.push_str(&format!("\nIf it is wished, add to `allow` in `[guard]` of {file}:\n\n"));
        out.push_str(&fence("toml", &to_allow(report, judgement)));
    }
    for stale in judgement.stale.iter().take(MAX_STALE) {
        let place = format!("{}:{}", words::from_root(folder, &stale.place.file), stale.line);
        let (digest, place) = (code(&stale.digest, MAX_SET), code(&place, MAX_SENTENCE));
        out.push_str(&format!("\nStale: {digest} allows nothing that this change does; take it out ({place}).\n"));
    }
    if judgement.stale.len() > MAX_STALE {
        out.push_str(&format!("\nStale: and {} more.\n", judgement.stale.len() - MAX_STALE));
    }
    out
}

/// Lists the digests that let the change through, each once, as lines of a list.
fn to_allow(report: &ChangeReport<'_>, judgement: &Judgement) -> Vec<String> {
    let digests = judgement.to_allow();
    let of = |digest: &str| report.folds.iter().find(|fold| fold.digest == digest);
    let mut lines: Vec<String> = Vec::new();
    for digest in digests.iter().take(MAX_DIGESTS) {
        let what = of(digest).map(|fold| format!(" # {}: {}", words::headline(fold), words::who(fold)));
        lines.push(format!("\"{digest}\",{}", cut(&what.unwrap_or_default(), MAX_ALLOWED)));
    }
    if digests.len() > MAX_DIGESTS {
        lines.push(format!("# and {} more, which `muster diff --format json` tells", digests.len() - MAX_DIGESTS));
    }
    lines
}

/// Writes the table of folds, as many as fit.
fn rows(report: &ChangeReport<'_>, room: usize) -> String {
    let folds = &report.folds;
    if folds.is_empty() {
        return String::new();
    }
    let mut out = "\n| machines | | what changes | digest |\n|---|---|---|---|\n".to_owned();
    let mut told = 0;
    for fold in folds.iter().take(MAX_ROWS) {
        let row = row(fold);
        if out.len() + row.len() > room {
            break;
        }
        out.push_str(&row);
        told += 1;
    }
    if told < folds.len() {
        out.push_str(&format!("\n**{}**; `muster diff` tells all.\n", more(&folds[told..])));
    }
    out
}

fn row(fold: &Fold<'_>) -> String {
    let (keys, more) = words::keys(fold);
    let more = (more > 0).then(|| plural(more, "more value"));
    let parts = fold.patches.iter().map(|(part, hunks)| words::lines_of(*part, hunks));
    let what: Vec<String> = keys.into_iter().map(|key| code(key, MAX_SET)).chain(more).chain(parts).collect();
    format!(
        "| {} | {} | {} | `{}` |\n",
        words::headline(fold),
        span(&cut(&words::who(fold), MAX_SET)),
        what.join(", "),
        fold.digest
    )
}

/// Counts folds and their machines.
fn more<'f>(folds: impl IntoIterator<Item = &'f Fold<'f>>) -> String {
    let (mut count, mut machines) = (0, 0);
    for fold in folds {
        count += 1;
        machines += fold.machines.len();
    }
    format!("{} of {}", plural(count, "more fold"), plural(machines, "machine"))
}

/// Fewer bytes than the details of any fold have.
const LEAST_FOLD: usize = 100;

/// Writes what each fold changes, as far as there is room, and says how many have none.
fn details(report: &ChangeReport<'_>, folder: &str, room: usize) -> String {
    let mut out = String::new();
    let mut untold = Vec::new();
    for fold in &report.folds {
        // A long one takes no room from shorter ones after it; where next to none is left, none is tried.
        let text = (out.len() + LEAST_FOLD <= room).then(|| one(report, fold, folder));
        match text.filter(|text| out.len() + text.len() <= room) {
            Some(text) => out.push_str(&text),
            None => untold.push(fold),
        }
    }
    if !untold.is_empty() {
        let what = more(untold);
        out.push_str(&format!(
            "\nFor want of room, what changes is not shown of **{what}**; `muster diff` tells it.\n"
        ));
    }
    out
}

fn one(report: &ChangeReport<'_>, fold: &Fold<'_>, folder: &str) -> String {
    let (headline, digest) = (words::headline(fold), &fold.digest);
    let who = element(&cut(&words::who(fold), MAX_SET));
    let mut out = format!("\n<details><summary>{headline}: {who} <code>{digest}</code></summary>\n\n");
    out.push_str(&format!("- {}\n", words::reach(fold)));
    if let Some(text) = words::unexplained(fold) {
        out.push_str(&format!("- {text}\n"));
    }
    let values: Vec<&FoldedValue> = words::told(fold).collect();
    for value in values.iter().take(MAX_ENTRIES) {
        out.push_str(&one_value(value, words::is_whole(fold), folder));
    }
    if values.len() > MAX_ENTRIES {
        out.push_str(&format!("- and {}\n", plural(values.len() - MAX_ENTRIES, "more value")));
    }
    let examples = words::examples(report.change, fold, MAX_EXAMPLES);
    for example in &examples {
        out.push_str(&format!("- {}\n", span(&cut(example, MAX_LINE))));
    }
    if !examples.is_empty() && fold.machines.len() > examples.len() {
        out.push_str(&format!("- and {}\n", plural(fold.machines.len() - examples.len(), "more node")));
    }
    for (part, hunks) in &fold.patches {
        out.push_str(&format!("\n{}\n", words::lines_of(*part, hunks)));
        if !words::is_count_enough(fold, *part) {
            out.push_str(&format!("\n{}", fence("diff", &patch(*part, hunks))));
        }
    }
    out.push_str("\n</details>\n");
    out
}

fn one_value(value: &FoldedValue, is_whole: bool, folder: &str) -> String {
    let change = &value.change;
    let side = |value: &Option<Value>| match value {
        Some(value) => span(&cut(&words::line(&value.text), MAX_VALUE)),
        None => "none".to_owned(),
    };
    let sides = match (&change.old, &change.new) {
        (old, None) if is_whole => side(old),
        (None, new) if is_whole => side(new),
        (old, new) => format!("{} → {}", side(old), side(new)),
    };
    let place = words::places(value, |spot| {
        let text = format!("{}:{} ({})", words::from_root(folder, &spot.path), spot.line, spot.layer);
        code(&text, MAX_SENTENCE)
    });
    let place = if place.is_empty() { place } else { format!(" {place}") };
    format!("- {}: {sides}{place}\n", code(&change.key, MAX_SET))
}

/// Writes the changed lines of one text, with those around them.
fn patch(part: Part, hunks: &[MaskedHunk]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut bytes = 0;
    for (at, hunk) in hunks.iter().enumerate() {
        let mut own = Vec::new();
        if at > 0 && hunk.before.len() == 2 && hunks[at - 1].after.len() == 2 {
            own.push("@@ … @@".to_owned());
        }
        one_hunk(hunk, &mut own);
        let more: usize = own.iter().map(|line| line.len() + 1).sum();
        if at > 0 && bytes + more > MAX_PART {
            lines.push(format!("@@ and {} of {}", plural(hunks.len() - at, "more place"), part.as_str()));
            break;
        }
        bytes += more;
        lines.append(&mut own);
    }
    lines
}

fn one_hunk(hunk: &MaskedHunk, out: &mut Vec<String>) {
    let text = |sign: char, line: &String| format!("{sign}{}", cut(&words::line(line), MAX_LINE));
    out.extend(hunk.before.iter().map(|line| text(' ', line)));
    for (sign, lines) in [('-', &hunk.removed), ('+', &hunk.added)] {
        out.extend(lines.iter().take(MAX_SHOWN).map(|line| text(sign, line)));
        if lines.len() > MAX_SHOWN {
            out.push(format!("{sign} … {}", plural(lines.len() - MAX_SHOWN, "more line")));
        }
    }
    out.extend(hunk.after.iter().map(|line| text(' ', line)));
}
