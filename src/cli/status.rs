//! `muster status`.

use clap::Args;

use super::hosted::Hosted;
use super::output::{self, OutputWriter};
use super::{Failure, Format, Outcome, api};
use crate::model::text::{bounded, plural, subject};
use crate::story::Hold;
use crate::view::{SeverityView, State, Status as StatusView, StoreState};

/// The number of printed errors of a refused commit: the rest stays visible on a terminal.
const ERRORS_PRINTED: usize = 20;

/// The number of printed unknown machines: a person who looks for one has just turned it on.
const UNKNOWN_PRINTED: usize = 3;

/// Show the status of a running server: the commit in service, and refused or held ones with the reason
///
/// Exit codes: 0 it serves the newest commit, 1 something needs attention, 2 no server answers.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    hosted: Hosted,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Status {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let api = self.hosted.api()?;
        let status: StatusView = api::get(&api, "/api/v1/status")?;
        let mut out = output::stdout();
        match self.format {
            Format::Json => out.json(&status)?,
            Format::Text => text(&status, &mut out)?,
        }
        Ok(if status.state == State::Serving { Outcome::AsWished } else { Outcome::Findings })
    }
}

fn text(status: &StatusView, out: &mut OutputWriter) -> Result<(), Failure> {
    let state = match status.state {
        State::Starting => "starting",
        State::Serving => "serving",
        State::Degraded => "degraded",
    };

    writeln!(out, "cluster   {}", status.cluster.as_deref().unwrap_or("not known yet"))?;
    writeln!(out, "state     {state} (muster {}, since {})", status.muster, status.since)?;
    match &status.served {
        Some(served) => {
            writeln!(out, "serves    {} {} (accepted {})", served.short, subject(&served.subject), served.at)?
        }
        None => writeln!(out, "serves    nothing")?,
    }

    if let Some(who) = &status.signed_by {
        writeln!(out, "signed    by {who}")?;
    }

    if let Some(pinned) = &status.pinned {
        let until = pinned.until.as_deref().unwrap_or("`muster unpin`");
        writeln!(out, "PINNED    {} {} (until {until})", pinned.revision.short, subject(&pinned.revision.subject))?;
    }

    if let Some(refused) = &status.refused {
        let (short, reason) = (&refused.revision.short, &refused.reason);
        let subject = subject(&refused.revision.subject);
        match refused.held_by {
            Some(Hold::GuardRail) => writeln!(out, "held      {short} {subject}: guard rail: {reason}")?,
            Some(Hold::Signature | Hold::Rewind | Hold::Pin) | None => {
                writeln!(out, "refused   {short} {subject}: {reason}")?;
            }
        }
        let mut errors = refused.diagnostics.iter().filter(|finding| finding.severity == SeverityView::Error);
        for finding in errors.by_ref().take(ERRORS_PRINTED) {
            let at = match (finding.line, finding.column) {
                (Some(line), Some(column)) => format!(":{line}:{column}"),
                _ => String::new(),
            };
            writeln!(out, "            {}{at}: {} [{}]", bounded(finding.path.clone()), finding.message, finding.code)?;
            if let Some(hint) = &finding.hint {
                writeln!(out, "              hint: {hint}")?;
            }
        }
        if errors.next().is_some() {
            writeln!(out, "            and more; `muster check --rev {}` tells all", refused.revision.short)?;
        }
    }

    if let Some(building) = &status.building {
        let short = building.id.get(..12).unwrap_or(&building.id);
        writeln!(out, "building  {short} {} (since {})", building.subject, building.since)?;
    }

    if let Some(upgraded) = &status.upgraded {
        let (from, changed) = (&upgraded.from, &upgraded.scripts_changed);
        writeln!(out, "upgraded  from {from}; it changed the scripts of {} of this commit", count(*changed, "node"))?;
    }

    let source = &status.source;
    let folder = if source.path.is_empty() { String::new() } else { format!(" folder {}", source.path) };
    let checked = source.last_check.as_deref().unwrap_or("never");
    let (noun, name) = source.tag.as_ref().map_or(("branch", source.branch.as_str()), |tag| ("tag", tag.as_str()));
    let name = if name.is_empty() { "not known yet" } else { name };
    writeln!(out, "follows   {} {noun} {name}{folder} (looked {checked})", source.repository)?;
    if let Some(warning) = &source.warning {
        writeln!(out, "! {warning}")?;
    }

    let store = match status.store.state {
        StoreState::Ok => "ok",
        StoreState::Replaced => "replaced",
        StoreState::Failing => "failing",
    };

    writeln!(out, "store     {} ({store})", status.store.path)?;
    let nodes = &status.nodes;
    writeln!(
        out,
        "nodes     {} ({} active, {} maintenance, {} spare, {} retired)",
        nodes.total, nodes.active, nodes.maintenance, nodes.spare, nodes.retired
    )?;

    if status.boot_only {
        writeln!(out, "BMCs      not asked: this server only boots")?;
    } else {
        let survey = &status.survey;
        let last = survey.last.as_deref().unwrap_or("never");
        writeln!(
            out,
            "BMCs      {} ({} read, {} not read; the last {last})",
            survey.bmcs, survey.seen, survey.failing
        )?;
    }

    let runs = &status.runs;
    if runs.revision.is_some() {
        let (current, stale, unknown) = (runs.current, runs.stale, runs.unknown);
        let all = current + stale + unknown;
        let all = count(all, "node");
        writeln!(out, "scripts   {current} of {all} run today's, {stale} an older one, {unknown} unknown")?;
    }

    let unknown = count(status.unknown_macs, "unknown machine");
    writeln!(out, "boots     {} since the start; {unknown} asked", status.boots)?;
    for machine in status.newest_unknown.iter().take(UNKNOWN_PRINTED) {
        writeln!(out, "unknown   {} asked from {} at {}", machine.mac, machine.address, machine.last)?;
    }

    if status.unknown_dropped > 0 {
        let requests = count(status.unknown_dropped, "request");
        writeln!(out, "! {requests} of unknown machines came too fast to be noted")?;
    }

    for why in &status.held {
        writeln!(out, "! {why}")?;
    }

    for warning in &status.warnings {
        writeln!(out, "warning   {warning}")?;
    }

    Ok(())
}

fn count(number: u64, word: &str) -> String {
    plural(usize::try_from(number).unwrap_or(usize::MAX), word)
}
