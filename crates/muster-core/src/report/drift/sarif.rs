//! SARIF 2.1.0: a rule per class, a result per fold, on the line that states the wish.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

use super::DriftReport;
use super::fold::{Fold, fold};
use super::sarif_log::{
    ArtifactLocation, AutomationDetails, BaseLocation, Driver, Finding, Invocation, Location, Log, Message,
    Notification, PhysicalLocation, Region, Rule, Run, Suppression, Tool,
};
use super::spot::Spot;
use super::words;
use crate::drift::{Class, Excused, Standing, Verdict};
use crate::model::SafeText;
use crate::view::{DiagnosticView, hex};

/// The most results of a run. GitHub shows the first 5,000 and takes files up to 10 MB, packed; a result is at most about
/// 3 kB before that.
pub const MAX_RESULTS: usize = 5_000;

/// The most warnings of a comparison that are told.
const MAX_WARNINGS: usize = 100;

/// The base of all paths, by the name that GitHub and others give it.
const ROOT: &str = "%SRCROOT%";

/// The name of our fingerprint; another way to make it would need another name.
const FINGERPRINT: &str = "musterDrift/v1";

pub fn write(report: &DriftReport<'_>) -> SafeText {
    let folds = fold(&report.drift.findings);
    let base = BaseLocation { description: message("The root of the git repository of wishes") };
    let run = Run {
        tool: Tool { driver: Driver { name: "muster", semantic_version: env!("CARGO_PKG_VERSION"), rules: rules() } },
        automation_details: AutomationDetails { id: format!("muster-drift/{}/", report.drift.cluster) },
        invocations: [Invocation {
            execution_successful: true,
            end_time_utc: super::json::time(report.drift.at),
            tool_execution_notifications: notifications(report, folds.len()),
        }],
        original_uri_base_ids: BTreeMap::from([(ROOT, base)]),
        column_kind: "unicodeCodePoints",
        results: results(report, &folds),
    };
    let log = Log { schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] };
    SafeText::json(&log).expect("the log has string keys and plain values")
}

fn rules() -> Vec<Rule> {
    let rule = |class: &Class| {
        let (name, short, full) = match class {
            Class::Presence => (
                "Presence",
                "A machine is missing, or is not declared",
                "What is declared answers, and what answers is declared.",
            ),
            Class::Identity => (
                "Identity",
                "Another machine than the declared one",
                "Serial number, UUID and hardware addresses are those of the declared machine. It is never mended by itself: either the wishes or the hardware are wrong.",
            ),
            Class::Inventory => (
                "Inventory",
                "Hardware differs from what is wished",
                "Processors, memory, GPUs, NICs and drives are as wished.",
            ),
            Class::Firmware => ("Firmware", "Firmware differs from what is wished", "Firmware versions are as wished."),
            Class::Bios => {
                ("Bios", "A BIOS setting differs from what is wished", "BIOS attributes and Secure Boot are as wished.")
            }
            Class::Boot => (
                "Boot",
                "The boot order or override differs from what is wished",
                "The machine starts from where it is wished to.",
            ),
            Class::Power => {
                ("Power", "The power state differs from what is wished", "The machine is on or off as wished.")
            }
            Class::StaleBoot => (
                "StaleBoot",
                "A node runs a boot script that git no longer says",
                "The script that the node booted last is the one that it would be given today. It takes that with its next boot.",
            ),
        };
        Rule {
            id: id(*class),
            name: name.into(),
            short_description: message(short),
            full_description: message(full),
            help: message(
                "Change the wish where it is stated, correct the machine, or except the difference under exceptions/ with an owner and a last day.",
            ),
        }
    };
    Class::ALL.iter().map(rule).collect()
}

fn id(class: Class) -> String {
    format!("muster/drift/{}", class.as_str().replace(' ', "-"))
}

fn results(report: &DriftReport<'_>, folds: &[Fold<'_>]) -> Vec<Finding> {
    let folds = &folds[..folds.len().min(MAX_RESULTS)];
    let prints = fingerprints(report, folds);
    let result = |(fold, print): (&Fold<'_>, String)| {
        let found = fold.first();
        Finding {
            rule_id: id(found.class),
            rule_index: Class::ALL.iter().position(|class| *class == found.class).unwrap_or_default(),
            level: level(fold.standing()),
            message: message(&words::sentence(fold, report.drift.at)),
            locations: [location(&report.told_at(fold))],
            partial_fingerprints: BTreeMap::from([(FINGERPRINT, print)]),
            suppressions: suppression(report, &found.verdict).into_iter().collect(),
        }
    };
    folds.iter().zip(prints).map(result).collect()
}

/// Returns the level of a standing; what is excused is a note for readers that know no suppressions.
fn level(standing: Standing) -> &'static str {
    match standing {
        Standing::Drifted => "error",
        Standing::Unknown | Standing::Pending => "warning",
        Standing::Settling | Standing::Excepted | Standing::InSync | Standing::NotObservable => "note",
    }
}

fn suppression(report: &DriftReport<'_>, verdict: &Verdict) -> Option<Suppression> {
    match verdict {
        Verdict::Excepted(excused) => Some(Suppression {
            kind: "external",
            status: "accepted",
            justification: words::cut(&words::excuse(excused), 500),
            location: match excused {
                Excused::Exception { origin, .. } => Some(location(&report.spot(*origin))),
                Excused::Maintenance => None,
            },
        }),
        Verdict::Drifted { .. } | Verdict::Pending | Verdict::Settling(_) | Verdict::Unknown { .. } => None,
    }
}

/// Returns a name for each fold that is the same in the next run, however many nodes it has by then and wherever its
/// line has moved; folds that would share one are numbered in the order of their places.
fn fingerprints(report: &DriftReport<'_>, folds: &[Fold<'_>]) -> Vec<String> {
    let digests: Vec<String> = folds.iter().map(|fold| digest(report, fold)).collect();
    let mut order: Vec<usize> = (0..folds.len()).collect();
    order.sort_by_key(|at| (&digests[*at], folds[*at].first().origin, *at));
    let mut prints = vec![String::new(); folds.len()];
    let (mut last, mut number) = (None, 0);
    for at in order {
        number = if last == Some(&digests[at]) { number + 1 } else { 1 };
        last = Some(&digests[at]);
        prints[at] = format!("{}:{number}", digests[at]);
    }
    prints
}

fn digest(report: &DriftReport<'_>, fold: &Fold<'_>) -> String {
    let found = fold.first();
    let path = report.told_at(fold).path;
    let kind = words::kind(fold);
    let parts = [
        found.class.as_str(),
        &found.attribute,
        fold.standing().as_str(),
        found.wished.as_deref().unwrap_or("\0"),
        found.seen.as_deref().unwrap_or("\0"),
        &path,
        &kind,
    ];
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    hex(&digest.finalize()[..16])
}

fn notifications(report: &DriftReport<'_>, folds: usize) -> Vec<Notification> {
    let mut all = Vec::new();
    let note = |text: String, level| Notification { level, message: message(&text), locations: Vec::new() };
    all.push(note(words::count(report.drift), "note"));
    all.push(note(words::coverage(&report.drift.coverage), "note"));
    if folds > MAX_RESULTS {
        let more = words::plural(folds - MAX_RESULTS, "more difference");
        all.push(note(format!("{more} not in this file; muster drift --format json tells all"), "warning"));
    }
    let warnings = &report.drift.warnings;
    for view in DiagnosticView::all(&warnings[..warnings.len().min(MAX_WARNINGS)], report.tree) {
        let columns = view.column.map(|column| (column, column));
        let spot = Spot { path: format!("{}{}", report.prefix, view.path), line: view.line.unwrap_or(1), columns };
        let text = words::cut(&words::shown(&view.message), 500);
        all.push(Notification { level: "warning", message: message(&text), locations: vec![location(&spot)] });
    }
    if warnings.len() > MAX_WARNINGS {
        all.push(note(words::plural(warnings.len() - MAX_WARNINGS, "more warning"), "warning"));
    }
    all
}

/// Writes a message in which nothing is a placeholder or a link (sections 3.11.5 and 3.11.6).
fn message(text: &str) -> Message {
    Message { text: text.replace('{', "{{").replace('}', "}}").replace("](", "\\](") }
}

fn location(spot: &Spot) -> Location {
    let (from, to) = spot.columns.unzip();
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri(&spot.path), uri_base_id: ROOT },
            region: Region { start_line: spot.line, start_column: from, end_column: to },
        },
    }
}

/// Writes a path as a relative reference (RFC 3986): all but unreserved characters and `/` as `%XX`.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_references_and_messages_plain_text() {
        assert_eq!(uri("a b/ü:[1]%.toml"), "a%20b/%C3%BC%3A%5B1%5D%25.toml");
        assert_eq!(message("{0} [a](b)").text, "{{0}} [a\\](b)");
    }
}
