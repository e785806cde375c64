//! The words that the formats of a change share.

use std::collections::BTreeMap;

use crate::change::{
    self, Breach, Broken, Change, Costs, Fate, Fold, FoldedValue, MaskedHunk, Part, Rail, Reach, Side, Spot,
    StaleAllow, Subject, Value,
};
use crate::model::text::verb;
use crate::report::drift::words::plural;

/// How many names of removed machines are told on the last line.
const MAX_NAMES: usize = 200;

/// How many values are named where there is one line for all.
const MAX_KEYS: usize = 3;

/// The values that are told of a machine that comes or goes; the JSON has them all.
const TOLD_OF_WHOLE: [&str; 8] = ["state", "groups", "boot", "kernel", "bmc", "system", "bmc.url", "arch"];

/// Writes a line of a text so that nothing in it is invisible, without its line break.
pub fn line(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut shown = String::with_capacity(text.len());
    let ends_blank = text.len() - text.trim_end_matches(' ').len();
    for (at, c) in text.char_indices() {
        match c {
            // A blank at the end is as much a change as any other.
            ' ' if at >= text.len() - ends_blank => shown.push_str("\\u{20}"),
            '"' | '\'' | '\\' => shown.push(c),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}

/// Says in words what a fold does and to how many: `512 nodes change`.
pub fn headline(fold: &Fold<'_>) -> String {
    let count = fold.machines.len();
    let word = match fold.subject() {
        Subject::Node => "node",
        Subject::Bmc => "BMC",
        Subject::Unknown => return "machines that nobody declares".into(),
    };
    let does = match (fold.fate(), count) {
        (Fate::Added, 1) => "is added",
        (Fate::Added, _) => "are added",
        (Fate::Removed, 1) => "is removed",
        (Fate::Removed, _) => "are removed",
        (Fate::Renamed { .. }, 1) => "is renamed",
        (Fate::Renamed { .. }, _) => "are renamed",
        (Fate::Changed, 1) => "changes",
        (Fate::Changed, _) => "change",
    };
    format!("{} {does}", plural(count, word))
}

/// Says whom a fold is about.
pub fn who(fold: &Fold<'_>) -> String {
    match fold.subject() {
        Subject::Node | Subject::Bmc => line(&fold.set),
        Subject::Unknown => {
            let asks = fold.machines.iter().map(|machine| match &*machine.name {
                "?" => "before they said their architecture".to_owned(),
                arch => arch.to_owned(),
            });
            asks.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Says how a fold gets to its machines; nothing for those that are gone.
pub fn reach(fold: &Fold<'_>) -> &'static str {
    match (fold.fate(), fold.reach(), fold.subject()) {
        (Fate::Removed, _, Subject::Bmc) => "it is asked no more",
        (Fate::Removed, _, Subject::Node | Subject::Unknown) => "served no more: they boot as machines nobody declares",
        (Fate::Added | Fate::Renamed { .. } | Fate::Changed, Reach::NextBoot, _) => {
            "reaches the machine at its next boot"
        }
        (Fate::Added | Fate::Renamed { .. } | Fate::Changed, Reach::Found, _) => {
            "the same bytes, but found by other keys: what no longer finds it is served as unknown"
        }
        (Fate::Added | Fate::Renamed { .. } | Fate::Changed, Reach::Compared, _) => {
            "no byte that is served: only what muster compares and asks"
        }
    }
}

/// Says that no value explains why bytes differ, if so.
pub fn unexplained(fold: &Fold<'_>) -> Option<&'static str> {
    fold.is_unexplained().then_some("bytes differ that no value explains")
}

/// Lists the parts that a fold changes, in words.
pub fn parts(fold: &Fold<'_>) -> String {
    let parts: Vec<&str> = fold.patches.iter().map(|(part, _)| part.as_str()).collect();
    match (fold.reach(), parts.is_empty()) {
        (Reach::Found, _) => "keys that find it".into(),
        (Reach::NextBoot | Reach::Compared, true) => "nothing served".into(),
        (Reach::NextBoot | Reach::Compared, false) => parts.join(", "),
    }
}

/// Writes the line that a report ends with.
pub fn count(change: &Change, counts: &Costs) -> String {
    let nodes = plural(change.head.nodes().len(), "node");
    if change.is_empty() {
        return format!("{nodes}: no machine changes");
    }
    let rows = [
        (counts.changed, "changed"),
        (counts.renamed, "renamed"),
        (counts.added, "added"),
        (counts.removed.len(), "removed"),
        (counts.kernel, "with another kernel"),
        (counts.initrd, "with another initrd"),
        (counts.params, "with other parameters"),
        (counts.other_script, "with another script"),
        (counts.cloud_init, "with other cloud-init"),
        (counts.found, "found by other keys"),
        (counts.not_served, "in nothing that is served"),
    ];
    let mut parts: Vec<String> =
        rows.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if counts.bmcs > 0 {
        parts.push(plural(counts.bmcs, "BMC"));
    }
    if counts.unknown > 0 {
        parts.push("machines that nobody declares".into());
    }
    format!("{nodes}: {}", parts.join(", "))
}

/// Names the nodes that are removed, folded and cut; nothing where none is.
pub fn removed(costs: &Costs) -> Option<String> {
    (!costs.removed.is_empty()).then(|| cut_set(&costs.removed.to_string(), costs.removed.len()))
}

/// Cuts the text of a set of so many nodes, where it is long.
fn cut_set(text: &str, count: usize) -> String {
    match text.char_indices().nth(MAX_NAMES) {
        None => text.to_owned(),
        Some((end, _)) => format!("{},… ({count} in all)", &text[..text[..end].rfind(',').unwrap_or(end)]),
    }
}

/// Says how many nodes a change reaches only at their next boot; nothing where it reaches none so.
pub fn next_boot(costs: &Costs) -> Option<String> {
    let (nodes, get) = match costs.next_boot {
        0 => return None,
        count => (plural(count, "node"), verb(count, "gets", "get")),
    };
    Some(format!("{nodes} {get} it at the next boot and not before: this reboots nobody"))
}

/// Says of each account of BMCs that goes where none went before how it travels, and to which.
pub fn accounts(change: &Change) -> Vec<String> {
    let all = change::accounts(change).into_iter().map(|new| {
        let who = match &new.credential {
            Some(name) => format!("the account `{}`", line(name)),
            None => "accounts of their own".to_owned(),
        };
        let how = match new.protection {
            "in clear text" => "in clear text".to_owned(),
            tls => format!("tls = \"{tls}\""),
        };
        let first = new.urls.first().map(|url| line(url)).unwrap_or_default();
        let more = new.urls.len().saturating_sub(1);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let bmcs = cut_set(&line(&new.set), new.bmcs.len());
        format!("newly sent to a BMC: {who}, {how}: {bmcs} ({first}{more})")
    });
    all.collect()
}

/// Says which rail is broken, how, and where it is stated.
pub fn breach(breach: &Breach) -> String {
    let before = if breach.side == Side::Base { " before this change" } else { "" };
    format!("{} ({}:{}{before})", breach.told(), breach.place.file, breach.line)
}

/// Says what a digest to allow is of.
pub fn broken(breach: &Breach, broken: &Broken) -> String {
    // BMCs that no node stands behind have accounts too.
    let word = if breach.rail == Rail::Accounts { "machine" } else { "node" };
    match (broken.count, &*broken.set) {
        (_, "") => "machines that nobody declares".into(),
        (count, set) => format!("{}: {}", plural(count, word), cut_set(set, count)),
    }
}

/// Says which digest is allowed for nothing, and where.
pub fn stale(stale: &StaleAllow) -> String {
    format!("`{}` allows nothing that this change does ({}:{})", stale.digest, stale.place.file, stale.line)
}

/// Lists up to so many machines of a fold with a value of their own each, for the values that change.
pub fn examples(change: &Change, fold: &Fold<'_>, most: usize) -> Vec<String> {
    let mut all = Vec::new();
    for machine in fold.machines.iter().take(most) {
        let holes = fold.holes(change, machine);
        let mut pairs: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for (hole, value) in &holes {
            if let Some(what) = hole.strip_prefix("old ") {
                pairs.entry(what).or_default().0 = value;
            } else if let Some(what) = hole.strip_prefix("new ") {
                pairs.entry(what).or_default().1 = value;
            }
        }
        let none = |text: &str| if text.is_empty() { "none".to_owned() } else { line(text) };
        // Other spellings of an address say nothing more.
        let pairs = pairs.iter().filter(|(what, _)| !what.contains(".mac-"));
        let pairs: Vec<String> =
            pairs.map(|(what, (old, new))| format!("{what} {} -> {}", none(old), none(new))).collect();
        if !pairs.is_empty() {
            all.push(format!("{}: {}", line(&machine.name), pairs.join(", ")));
        }
    }
    all
}

/// Names the first values that a fold changes, and how many there are besides; none of machines that come or go.
pub fn keys<'f>(fold: &'f Fold<'_>) -> (Vec<&'f str>, usize) {
    let all = if is_whole(fold) { &[][..] } else { &fold.values };
    (all.iter().take(MAX_KEYS).map(|value| &*value.change.key).collect(), all.len().saturating_sub(MAX_KEYS))
}

/// Writes a path of the cluster, which stands in this folder, from the root of the repository.
pub fn from_root(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

/// Tells whether a fold is of machines that come or go as a whole.
pub fn is_whole(fold: &Fold<'_>) -> bool {
    matches!(fold.fate(), Fate::Added | Fate::Removed)
}

/// Tells whether the lines of a part say no more than their number: all of them come or go with the machine.
pub fn is_count_enough(fold: &Fold<'_>, part: Part) -> bool {
    match fold.fate() {
        Fate::Added => part != Part::Script,
        Fate::Removed => true,
        Fate::Renamed { .. } | Fate::Changed => false,
    }
}

/// Lists the values of a fold that are told to people.
pub fn told<'f>(fold: &'f Fold<'_>) -> impl Iterator<Item = &'f FoldedValue> {
    let is_whole = is_whole(fold);
    fold.values.iter().filter(move |value| !is_whole || TOLD_OF_WHOLE.contains(&&*value.change.key))
}

/// Says where a value is and was stated.
pub fn places(value: &FoldedValue, write: impl Fn(&Spot) -> String) -> String {
    let spot = |value: &Option<Value>| value.as_ref().and_then(|value| value.spot.as_ref()).map(&write);
    let mut text = match (spot(&value.change.old), spot(&value.change.new)) {
        (Some(old), Some(new)) if old == new => format!("at {new}"),
        (Some(old), Some(new)) => format!("at {new}, was at {old}"),
        (Some(old), None) => format!("was at {old}"),
        (None, Some(new)) => format!("at {new}"),
        (None, None) => String::new(),
    };
    if value.more_places > 0 {
        text.push_str(&format!(" and {}", plural(value.more_places, "more place")));
    }
    text
}

/// Says of a text how many lines are taken away and put in.
pub fn lines_of(part: Part, hunks: &[MaskedHunk]) -> String {
    let sides = |lines: fn(&MaskedHunk) -> usize| hunks.iter().map(lines).sum::<usize>();
    let lines = match (sides(|hunk| hunk.removed.len()), sides(|hunk| hunk.added.len())) {
        (0, added) => format!("+{added}"),
        (removed, 0) => format!("-{removed}"),
        (removed, added) => format!("-{removed} +{added}"),
    };
    format!("{} ({lines})", part.as_str())
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn nothing_in_a_line_is_invisible() {
        assert_eq!(line(" quiet\n"), " quiet");
        assert_eq!(line("a  \n"), "a\\u{20}\\u{20}");
        assert_eq!(line("a\tb\u{1b}[0m\u{202e}\r\n"), "a\\tb\\u{1b}[0m\\u{202e}\\r");
        assert_eq!(line("\u{3}name\u{4} \"<server>\""), "\\u{3}name\\u{4} \"<server>\"");
    }
}
