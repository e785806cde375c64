//! Boots for a terminal of 80 columns: what is stale first, the last line a count.

use crate::model::SafeText;
use crate::model::text::verb;
use crate::report::drift::Times;
use crate::report::drift::words::{ago, pair, plural, shown};
use crate::report::page::{BOLD, BOLD_GREEN, BOLD_RED, BOLD_YELLOW, MAX_SET_LINES, Page, WIDTH, wrap};
use crate::view::{BootsView, ChangedValue, HowView, RunFold, RunState, TimesView};

/// The characters of one side of a value.
const MAX_VALUE: usize = 100;

/// The differences of one fold, and the values of each; the JSON has them all.
const MAX_CHANGES: usize = 5;

pub fn write(view: &BootsView, now: i64, colour: bool) -> SafeText {
    let mut page = Page::new(colour);
    let mut last = None;
    for fold in &view.folds {
        if last != Some(fold.state) {
            heading(view, fold.state, &mut page);
        }
        last = Some(fold.state);
        one(fold, now, &mut page);
    }
    page.wrapped(0, &tail(view));
    page.finish()
}

fn heading(view: &BootsView, state: RunState, page: &mut Page) {
    let counts = &view.counts;
    let (style, text) = match state {
        RunState::Stale => (BOLD_RED, format!("stale: {} another script than today's", run(counts.stale))),
        RunState::Unknown => (BOLD_YELLOW, format!("unknown: what {} cannot be told", run(counts.unknown))),
        RunState::Current => (BOLD_GREEN, format!("current: {} today's script", run(counts.current))),
        RunState::Idle => (BOLD, format!("idle: {} given nothing to boot", are(counts.idle))),
    };
    page.line(0, &page.paint(style, &text));
}

fn nodes(count: u64) -> String {
    plural(usize::try_from(count).unwrap_or(usize::MAX), "node")
}

fn run(count: u64) -> String {
    format!("{} {}", nodes(count), verb(usize::try_from(count).unwrap_or(usize::MAX), "runs", "run"))
}

fn are(count: u64) -> String {
    format!("{} {}", nodes(count), verb(usize::try_from(count).unwrap_or(usize::MAX), "is", "are"))
}

fn one(fold: &RunFold, now: i64, page: &mut Page) {
    let lines = wrap(&shown(&fold.set), WIDTH - 2, ',');
    for line in lines.iter().take(MAX_SET_LINES) {
        page.line(2, line);
    }
    let count = plural(fold.names.len(), "node");
    if lines.len() > MAX_SET_LINES {
        page.line(2, &format!("… ({count} in all; --format json names each)"));
    } else if fold.names.len() > 1 {
        page.line(2, &format!("({count})"));
    }
    if let Some(reason) = &fold.reason {
        page.wrapped(4, reason);
    }
    booted(fold, now, page);
    if let Some(how) = &fold.how {
        differs(fold, how, page);
    }
    page.line(0, "");
}

fn booted(fold: &RunFold, now: i64, page: &mut Page) {
    let age = fold.booted.as_ref().and_then(|times| Some(ago(now, times_of(times)?)));
    let mut parts = Vec::new();
    match (&fold.revision, age) {
        (Some(revision), age) => {
            let script = match &fold.script_digest {
                Some(digest) => format!(", script {}", cut_id(digest)),
                None => ", each its own script".into(),
            };
            let age = age.map(|age| format!(", {age}")).unwrap_or_default();
            parts.push(format!("booted {}{script}{age}", cut_id(revision)));
        }
        (None, Some(age)) => parts.push(format!("fetched {age}")),
        (None, None) => {}
    }
    for (count, what) in [
        (fold.confirmed, "confirmed by cloud-init"),
        (fold.renamed, "booted under another name"),
        (fold.uncounted, "fetched another script later, which is not counted"),
        (fold.other_arch, "of another architecture than git declares"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if !parts.is_empty() {
        page.wrapped(4, &parts.join("; "));
    }
}

fn differs(fold: &RunFold, how: &HowView, page: &mut Page) {
    if let Some(untold) = &how.untold {
        page.wrapped(4, &format!("how it differs cannot be told: {}", shown(untold)));
        return;
    }
    if how.changes.is_empty() {
        page.wrapped(4, "nothing that is served differs");
    }
    for change in how.changes.iter().take(MAX_CHANGES) {
        let who = if change.set == fold.set { String::new() } else { format!(" of {}", shown(&change.set)) };
        page.wrapped(4, &format!("differs{who}: {}", change.parts.join(", ")));
        change.values.iter().take(MAX_CHANGES).for_each(|value| one_value(value, page));
        if change.values.len() > MAX_CHANGES {
            page.line(6, &format!("… and {}", plural(change.values.len() - MAX_CHANGES, "more value")));
        }
    }
    if how.changes.len() > MAX_CHANGES {
        page.line(4, &format!("… and {}", plural(how.changes.len() - MAX_CHANGES, "more difference")));
    }
}

fn one_value(value: &ChangedValue, page: &mut Page) {
    let text =
        |side: &Option<crate::view::StatedValue>| side.as_ref().map_or_else(|| "none".into(), |side| side.text.clone());
    let (old, new) = pair(&text(&value.old), &text(&value.new), MAX_VALUE);
    let key = shown(&value.key);
    let whole = format!("{key}: {old} -> {new}");
    if whole.chars().count() <= WIDTH - 6 {
        return page.line(6, &whole);
    }
    page.line(6, &format!("{key}:"));
    page.line(8, &format!("- {old}"));
    page.line(8, &format!("+ {new}"));
}

fn times_of(times: &TimesView) -> Option<Times> {
    let millis = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond());
    Some(Times { oldest: millis(&times.oldest)?, newest: millis(&times.newest)? })
}

/// Cuts a commit's id or a digest to what names it to a person.
fn cut_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn tail(view: &BootsView) -> String {
    let counts = &view.counts;
    let all = counts.stale + counts.unknown + counts.current + counts.idle;
    let rows =
        [(counts.stale, "stale"), (counts.unknown, "unknown"), (counts.current, "current"), (counts.idle, "idle")];
    let parts: Vec<String> =
        rows.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let colon = if parts.is_empty() { "" } else { ": " };
    format!("{} beside {}{colon}{}", nodes(all), cut_id(&view.revision), parts.join(", "))
}
