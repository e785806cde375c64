//! The result of a survey: by model, and by the reasons why BMCs were not read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::json;

use super::is_nobody;
use crate::adopt;
use crate::cli::output::{self, OutputWriter};
use crate::cli::{Failure, Format, Outcome};
use crate::model::NodeSet;
use crate::model::text::{plural, verb};
use crate::observed::{Depth, FailureKind, NicKind, Observation, Outcome as Seen, SeenNic, Service, System};
use crate::roll;

/// The maximum length of a displayed set of names, in characters.
const MAX_SET: usize = 200;

/// Counts during a survey.
pub struct Summary {
    targets: usize,
    /// Whether silent addresses are not BMCs at all.
    is_strange: bool,
    started: Instant,
    seen: Vec<Box<str>>,
    partial: Vec<Box<str>>,
    /// Whether all unread resources are broken links of BMCs: another survey would not read more.
    is_all_there_is: bool,
    silent: usize,
    /// BMCs with a System that may have interfaces that were not read.
    nics_unread: Vec<Box<str>>,
    /// BMCs with a System that reports no address to boot by.
    without_nics: Vec<Box<str>>,
    /// BMCs with a System that does not report its architecture.
    without_arch: Vec<Box<str>>,
    /// Addresses that a person gave one by one: each should have a BMC.
    named: BTreeSet<Box<str>>,
    models: BTreeMap<String, u64>,
    systems: u64,
    failures: BTreeMap<FailureKind, Vec<Failed>>,
}

/// A BMC that could not be read, with the reason.
struct Failed {
    bmc: Box<str>,
    why: Box<str>,
}

impl Summary {
    /// Starts a survey of so many targets.
    pub fn new(targets: usize, is_strange: bool, named: BTreeSet<Box<str>>) -> Self {
        Self {
            targets,
            is_strange,
            started: Instant::now(),
            seen: Vec::new(),
            partial: Vec::new(),
            is_all_there_is: true,
            silent: 0,
            nics_unread: Vec::new(),
            without_nics: Vec::new(),
            without_arch: Vec::new(),
            named,
            models: BTreeMap::new(),
            systems: 0,
            failures: BTreeMap::new(),
        }
    }

    /// Counts one observation; false if there is nothing to record, since no BMC has the address.
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
                if observation.depth == Depth::Deep {
                    self.note_unknown(observation, service);
                }
            }
        }

        !is_nobody
    }

    /// Records which facts of a BMC's Systems are unknown although boots need them.
    fn note_unknown(&mut self, observation: &Observation, service: &Service) {
        let systems: Vec<&System> = read_systems(service);
        let boots = |nic: &SeenNic| nic.mac.is_some() && nic.kind == NicKind::Ethernet;
        let lacks_nics = |system: &&System| !system.nics.seen().is_some_and(|nics| nics.iter().any(boots));

        let lacks_arch = |system: &&System| {
            let inventory = system.inventory.seen().and_then(|digest| observation.shared.inventory(*digest));
            adopt::arch_of(system, inventory).is_none()
        };

        if systems.iter().any(|system| system.nics_unread.is_some()) {
            self.nics_unread.push(observation.bmc.clone());
        }

        if systems.iter().any(lacks_nics) {
            self.without_nics.push(observation.bmc.clone());
        }

        if systems.iter().any(lacks_arch) {
            self.without_arch.push(observation.bmc.clone());
        }
    }

    fn count_models(&mut self, service: &Service) {
        let systems = read_systems(service);
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

    /// Counts the completed targets.
    pub fn done(&self) -> usize {
        self.seen.len() + self.silent + self.failed()
    }

    /// Counts the BMCs that could not be read.
    pub fn failed(&self) -> usize {
        self.failures.values().map(Vec::len).sum()
    }

    /// Returns the outcome for the exit code.
    pub fn outcome(&self) -> Outcome {
        let untried = [FailureKind::NoCredential, FailureKind::NotAllowed, FailureKind::Cancelled];
        let tried = self.failures.iter().filter(|(kind, _)| !untried.contains(kind)).map(|(_, all)| all.len());
        if self.seen.is_empty() && self.silent == 0 && tried.sum::<usize>() == 0 {
            return Outcome::Trouble;
        }
        let boots_are_known =
            [&self.nics_unread, &self.without_nics, &self.without_arch].into_iter().all(Vec::is_empty);
        let is_whole = self.failed() == 0 && self.is_all_there_is && boots_are_known && self.done() == self.targets;
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

        let unknown = [
            (&self.nics_unread, "not all interfaces read"),
            (&self.without_nics, "no Ethernet address to boot by reported"),
            (&self.without_arch, "architecture not reported"),
        ];

        for (bmcs, what) in unknown.into_iter().filter(|(bmcs, _)| !bmcs.is_empty()) {
            writeln!(out, "{:>7}  {what}: {}", bmcs.len(), shown(bmcs.iter()))?;
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
            "interfaces_not_read": self.nics_unread,
            "without_address": self.without_nics,
            "without_architecture": self.without_arch,
            "without_redfish": self.silent,
            "models": self.models,
            "failures": failures,
            "seconds": self.started.elapsed().as_secs_f64(),
        })
    }
}

/// Lists the Systems of a BMC that were read; a listed one that could not be read may not be a
/// server.
fn read_systems(service: &Service) -> Vec<&System> {
    let systems = service.systems.seen().into_iter().flatten();
    systems.filter(|system| roll::unread_of(service, system).is_none()).collect()
}

/// Folds names, up to the length of a line.
fn shown<'n>(names: impl Iterator<Item = &'n Box<str>>) -> String {
    let names: Vec<&str> = names.map(|name| &**name).collect();
    // The origins of undeclared BMCs are not names.
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
