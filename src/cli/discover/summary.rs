//! What a survey came to: by model, and by what kept BMCs from being read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::json;

use super::is_nobody;
use crate::cli::output::{self, OutputWriter};
use crate::cli::{Failure, Format, Outcome};
use crate::model::NodeSet;
use crate::model::text::{plural, verb};
use crate::observed::{FailureKind, Observation, Outcome as Seen, Reading, Service};
use crate::roll;

/// The longest set of names that is shown, in characters.
const MAX_SET: usize = 200;

/// Counts as a survey goes on.
pub struct Summary {
    targets: usize,
    /// Whether silent addresses are no BMCs at all.
    is_strange: bool,
    started: Instant,
    seen: Vec<Box<str>>,
    partial: Vec<Box<str>>,
    /// Whether all that could not be read are links of BMCs that lead nowhere: no other survey would read more.
    is_all_there_is: bool,
    silent: usize,
    /// Addresses that a person named one by one: somebody should be there.
    named: BTreeSet<Box<str>>,
    models: BTreeMap<String, u64>,
    systems: u64,
    failures: BTreeMap<FailureKind, Vec<Failed>>,
}

/// A BMC that could not be read, and why.
struct Failed {
    bmc: Box<str>,
    why: Box<str>,
}

impl Summary {
    /// Begins a survey of so many targets.
    pub fn new(targets: usize, is_strange: bool, named: BTreeSet<Box<str>>) -> Self {
        Self {
            targets,
            is_strange,
            started: Instant::now(),
            seen: Vec::new(),
            partial: Vec::new(),
            is_all_there_is: true,
            silent: 0,
            named,
            models: BTreeMap::new(),
            systems: 0,
            failures: BTreeMap::new(),
        }
    }

    /// Counts one observation; false where there is nothing to remember, since nobody lives at the address.
    pub fn add(&mut self, observation: &Observation) -> bool {
        let is_nobody = self.is_strange && is_nobody(observation);
        if is_nobody && !self.named.contains(&*observation.url) {
            self.silent += 1;
            return false;
        }
        match &observation.outcome {
            Seen::Failed(failure) => {
                self.failures
                    .entry(failure.kind)
                    .or_default()
                    .push(Failed { bmc: observation.bmc.clone(), why: failure.why.clone() });
            }
            Seen::Seen(service) => {
                self.seen.push(observation.bmc.clone());
                if !service.unread.is_empty() {
                    self.partial.push(observation.bmc.clone());
                    self.is_all_there_is &=
                        service.unread.iter().all(|unread| unread.failure.kind == FailureKind::Missing);
                }
                self.count_models(service);
            }
        }
        !is_nobody
    }

    fn count_models(&mut self, service: &Service) {
        let systems = match &service.systems {
            Reading::Seen(systems) => systems.as_slice(),
            Reading::Absent | Reading::Failed(_) | Reading::Unasked => &[],
        };
        // What is listed and could not be read may be none.
        let systems: Vec<_> = systems.iter().filter(|system| roll::unread_of(service, system).is_none()).collect();
        self.systems += systems.len() as u64;
        for system in &systems {
            let facts = &system.facts;
            let words = [facts.manufacturer.as_deref(), facts.model.as_deref()];
            let model = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
            *self.models.entry(if model.is_empty() { "(no model told)".into() } else { model }).or_default() += 1;
        }
        if systems.is_empty() {
            let product =
                service.root.product.as_deref().or(service.root.vendor.as_deref()).unwrap_or("(no product told)");
            *self.models.entry(format!("{product} (no servers)")).or_default() += 1;
        }
    }

    /// Lists the BMCs that were read.
    pub fn seen(&self) -> &[Box<str>] {
        &self.seen
    }

    /// Counts the targets that are done with.
    pub fn done(&self) -> usize {
        self.seen.len() + self.silent + self.failed()
    }

    /// Counts the BMCs that could not be read.
    pub fn failed(&self) -> usize {
        self.failures.values().map(Vec::len).sum()
    }

    /// Says what a script is told.
    pub fn outcome(&self) -> Outcome {
        let untried = [FailureKind::NoCredential, FailureKind::Cancelled];
        let tried = self.failures.iter().filter(|(kind, _)| !untried.contains(kind)).map(|(_, all)| all.len());
        if self.seen.is_empty() && self.silent == 0 && tried.sum::<usize>() == 0 {
            return Outcome::Trouble;
        }
        let is_whole = self.failed() == 0 && self.is_all_there_is && self.done() == self.targets;
        if is_whole { Outcome::AsWished } else { Outcome::Unjudged }
    }

    /// Prints the summary on stdout.
    pub fn print(&self, format: Format) -> Result<(), Failure> {
        let mut out = output::stdout();
        match format {
            Format::Text => self.text(&mut out)?,
            Format::Json => out.json(&self.json())?,
        }
        Ok(())
    }

    fn text(&self, out: &mut OutputWriter) -> std::io::Result<()> {
        for (model, count) in &self.models {
            writeln!(out, "{count:>7}  {model}")?;
        }
        for (kind, all) in &self.failures {
            let set = shown(all.iter().map(|failed| &failed.bmc));
            writeln!(out, "{:>7}  not read, {kind}: {set}", all.len())?;
            if let Some(Failed { bmc, why }) = all.first() {
                writeln!(out, "         {bmc}: {why}")?;
            }
            let hint = match kind {
                FailureKind::Forbidden if self.is_strange => {
                    "name an account with --credential, and a CA that vouches for it"
                }
                kind => kind.hint(),
            };
            writeln!(out, "         hint: {hint}")?;
        }
        if !self.partial.is_empty() {
            writeln!(out, "{:>7}  read in part: {}", self.partial.len(), shown(self.partial.iter()))?;
            writeln!(out, "         `muster show --bmc NAME` tells what could not be read")?;
        }
        if self.silent > 0 {
            writeln!(out, "{:>7}  {} without Redfish", self.silent, verb(self.silent, "address", "addresses"))?;
        }
        let missing = self.targets - self.done().min(self.targets);
        if missing > 0 {
            writeln!(out, "{missing:>7}  not surveyed: it was ended before")?;
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = self.done() as f64 / seconds.max(0.001);
        let (seen, systems, failed) = (self.seen.len(), self.systems, self.failed());
        let (seen, systems) = (plural(seen, "BMC"), plural(usize::try_from(systems).unwrap_or(usize::MAX), "system"));
        writeln!(out, "{seen} read with {systems}, {failed} not read, in {seconds:.1} s ({rate:.1}/s)")
    }

    fn json(&self) -> serde_json::Value {
        let failures: Vec<_> = self
            .failures
            .iter()
            .flat_map(|(kind, all)| {
                all.iter().map(move |failed| json!({ "bmc": failed.bmc, "kind": kind, "why": failed.why }))
            })
            .collect();
        json!({
            "api_version": crate::view::API_VERSION,
            "targets": self.targets,
            "seen": self.seen.len(),
            "systems": self.systems,
            "not_read": self.failed(),
            "read_in_part": self.partial,
            "without_redfish": self.silent,
            "models": self.models,
            "failures": failures,
            "seconds": self.started.elapsed().as_secs_f64(),
        })
    }
}

/// Folds names, as far as a line bears it.
fn shown<'n>(names: impl Iterator<Item = &'n Box<str>>) -> String {
    let names: Vec<&str> = names.map(|name| &**name).collect();
    // The origins of undeclared BMCs are no names.
    let text = if names.iter().all(|name| NodeSet::is_name(name)) {
        NodeSet::from_names(&names).to_string()
    } else {
        names.join(" ")
    };
    match text.char_indices().nth(MAX_SET) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
