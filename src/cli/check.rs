//! `muster check`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::sides::{self, Head, Side};
use super::source::{Source, Wishes};
use super::{Failure, Outcome, output, watch};
use crate::model::text::plural;
use crate::model::{Diagnostic, Severity, Tree};
use crate::settings::GivenBuild;
use crate::snapshot::Snapshot;
use crate::view::FindingList;
use crate::{change, desired, report, snapshot};

/// Check a cluster repository and report every error
///
/// Builds everything that `muster serve` would send and drops it, so templates, scripts and line lengths are checked
/// too. With --base, the guard rails of policy.toml judge the effect of merging into that commit, as `muster diff`
/// shows it.
///
/// Exit codes: 0 no errors (warnings do not count), 1 errors, 2 the files cannot be read or merged, 3 no errors, but
/// the base fails its checks, so no guard rail could judge.
#[derive(Debug, Args)]
pub struct Check {
    /// The folder of the cluster repository; the same as --repo
    dir: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Apply the guard rails to the effect of merging into this commit, branch or tag
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// The output format: text, JSON (schemas/findings.schema.json), or annotations of GitHub Actions
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    pub(super) limits: GivenBuild,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Github,
}

impl Check {
    /// Returns the number of commits in memory at once.
    pub(super) fn commits(&self) -> u64 {
        if self.base.is_some() { 2 } else { 1 }
    }

    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let mut wishes = self.source.read(self.dir.as_deref())?;
        let (snapshot, mut findings) = wishes.build();
        let nodes = snapshot.as_ref().map(|snapshot| snapshot.nodes().len());
        findings.extend(snapshot.iter().flat_map(overdue));
        let mut is_judged = true;

        // A commit with errors is refused for these.
        if let (Some(base), true) = (&self.base, snapshot.is_some()) {
            match self.judge(base)? {
                Some((tree, found)) => {
                    wishes.tree = tree;
                    findings = found;
                }
                None => is_judged = false,
            }
        }

        self.print(&wishes, &findings, nodes)?;
        let wrong = |finding: &Diagnostic| self.strict || finding.severity() == Severity::Error;
        Ok(match findings.iter().any(wrong) {
            true => Outcome::Findings,
            false if is_judged => Outcome::AsWished,
            false => Outcome::Unjudged,
        })
    }

    /// Builds the result of merging into the base, and returns it with all findings, including
    /// those of the guard rails; `None` if the checks of the base fail.
    fn judge(&self, base: &str) -> Result<Option<(Tree, Vec<Diagnostic>)>, Failure> {
        let (folder, sub) = self.source.folder(self.dir.as_deref())?;
        let head = self.source.revision().map_or(Head::AsItStands, Head::Merged);
        let (base, head) = sides::read(&folder, sub, Some(base), head)?;
        let build = |side: &Side| snapshot::build(&side.tree, side.revision.clone());
        let both = || rayon::join(|| build(&base), || build(&head));
        let what = format!("{} and {}", base.label, head.label);
        let ((old, before), (new, mut findings)) = watch::building(&what, both);

        match (old, new) {
            (Some(old), Some(new)) => {
                findings.extend(overdue(&new));
                let change = change::compare(&Arc::new(old), &Arc::new(new), None);
                findings.extend(change::judge(&change, &change::fold(&change)).findings());
            }
            (None, Some(_)) => {
                let count = report::count(&before);
                let told = format!("no guard rail is judged, since {} does not check: {count}", base.label);
                writeln!(output::stderr(), "{told}")?;
                return Ok(None);
            }
            // The checks of each side pass, but not those of their merge.
            (_, None) => {}
        }

        Ok(Some((head.tree, findings)))
    }

    fn print(&self, wishes: &Wishes, findings: &[Diagnostic], nodes: Option<usize>) -> Result<(), Failure> {
        let mut out = output::stdout();
        match self.format {
            Format::Text => {
                out.safe(&report::text(findings, &wishes.tree, &wishes.prefix, out.is_terminal()))?;
                writeln!(out, "{}", last_line(findings, nodes))?;
            }
            Format::Json => {
                let all = FindingList::of(findings, &wishes.tree, &wishes.prefix);
                out.json(&all)?;
            }
            Format::Github => {
                out.safe(&report::github(findings, &wishes.tree, &wishes.from_root, nodes))?;
            }
        }

        Ok(())
    }
}

/// Finds the `[[set]]` tables that are still there after their last day. Only the command knows the
/// current day.
fn overdue(snapshot: &Snapshot) -> Vec<Diagnostic> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let overdue = desired::overdue(snapshot.desired(), today).into_iter();
    overdue.map(|set| set.finding(snapshot.desired())).collect()
}

fn last_line(findings: &[Diagnostic], nodes: Option<usize>) -> String {
    match nodes {
        Some(nodes) => format!("{}; {}", plural(nodes, "node"), report::count(findings)),
        None => report::count(findings),
    }
}
