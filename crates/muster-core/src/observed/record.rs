//! One survey of one BMC, and all that is remembered of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::changes;
use super::service::{Depth, Manager, Reading, Service, System};
use super::{Booted, Failure, History, Shared, UnknownMac};
use crate::model::MacAddr;

/// How sure it is that the BMC was the one that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Plain HTTP.
    Plain,
    /// TLS with an unverified certificate.
    Unverified,
    /// TLS by a CA that this host trusts.
    Verified,
    /// TLS by the certificate that git pins.
    Pinned,
}

/// One BMC at one time: what was seen, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// The name of the declared BMC, or the origin of the URL of an undeclared one.
    pub bmc: Box<str>,
    /// The origin that was asked, such as `https://10.1.0.1`.
    pub url: Box<str>,
    /// When the survey ended, in unix milliseconds.
    pub at: i64,
    pub depth: Depth,
    pub trust: Trust,
    /// Whether the BMC took a credential.
    pub authenticated: bool,
    pub outcome: Outcome,
    /// The sets that the outcome names.
    pub shared: Shared,
}

/// What became of a survey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Seen(Box<Service>),
    Failed(Failure),
}

/// All that is remembered of one BMC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BmcRecord {
    /// The name of the declared BMC, or the origin of the URL of an undeclared one.
    pub bmc: Box<str>,
    pub url: Box<str>,
    /// When it was last tried, in unix milliseconds.
    pub tried: i64,
    /// Why the last try failed, if it did.
    pub failure: Option<Failure>,
    /// When the first of the failures one after another was, if the last try failed.
    pub failing_since: Option<i64>,
    /// The time of the latest observation.
    pub seen: Option<i64>,
    /// When all of it was last read.
    pub seen_deep: Option<i64>,
    /// How certain the identity of the BMC was in the latest observation.
    pub trust: Trust,
    /// Whether it accepted a credential in the latest observation.
    pub authenticated: bool,
    pub history: History<Service>,
}

/// The MAC addresses that a node boots by because its BMC reported them first (`macs = "from-bmc"`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    pub node: Box<str>,
    pub bmc: Box<str>,
    /// The id of the System.
    pub system: Box<str>,
    /// Ascending.
    pub macs: Vec<MacAddr>,
    /// When they were claimed, in unix milliseconds.
    pub at: i64,
}

/// All that is remembered of all BMCs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// By the record's name.
    pub bmcs: BTreeMap<Box<str>, BmcRecord>,
    pub shared: Shared,
    /// By node.
    pub claims: Vec<Claim>,
    /// MAC addresses of undeclared machines that requested a script, by address.
    #[serde(default)]
    pub unknown: Vec<UnknownMac>,
    /// The last boot of each node, by name. None if the observations come from a survey without a server.
    #[serde(default)]
    pub boots: Option<BTreeMap<Box<str>, Booted>>,
}

impl BmcRecord {
    /// Begins with nothing.
    #[must_use]
    pub fn new(bmc: impl Into<Box<str>>, url: impl Into<Box<str>>) -> Self {
        Self {
            bmc: bmc.into(),
            url: url.into(),
            tried: 0,
            failure: None,
            failing_since: None,
            seen: None,
            seen_deep: None,
            trust: Trust::Plain,
            authenticated: false,
            history: History::default(),
        }
    }

    /// Takes in what one survey found; `shared` has the sets of the record as it was.
    ///
    /// What a sweep did not ask for stays as the last deep survey saw it, and a failure takes nothing away.
    pub fn take(&mut self, observation: &Observation, shared: &Shared) {
        self.tried = observation.at;
        self.url.clone_from(&observation.url);
        match &observation.outcome {
            Outcome::Failed(failure) => {
                self.failing_since.get_or_insert(observation.at);
                self.failure = Some(failure.clone());
            }
            Outcome::Seen(service) => {
                self.failure = None;
                self.failing_since = None;
                self.seen = Some(observation.at);
                let is_deep = observation.depth == Depth::Deep;
                if is_deep && service.systems.is_known() {
                    self.seen_deep = Some(observation.at);
                }
                self.trust = observation.trust;
                self.authenticated = observation.authenticated;
                let service = self.laid_over(service, observation.depth);
                if self.service().is_none_or(|newest| *newest != service) {
                    let known = self.last_known();
                    let noted =
                        known.map(|known| changes(observation.at, (&known, shared), (&service, &observation.shared)));
                    self.history.note(noted.unwrap_or_default());
                }
                self.history.add(observation.at, is_deep, service);
            }
        }
    }

    /// Lays a survey over the one before it; over an earlier one's Systems, where the one before could not read them.
    fn laid_over(&self, service: &Service, depth: Depth) -> Service {
        let Some(newest) = self.service() else { return service.clone() };
        let mut older = newest.clone();
        if service.systems.seen().is_some() && older.systems.seen().is_none() {
            let mut earlier = self.history.runs().iter().rev().map(|run| &run.state.systems);
            if let Some(systems) = earlier.find(|systems| systems.seen().is_some()) {
                older.systems.clone_from(systems);
            }
        }
        let mut service = service.clone().over(&older);
        if depth == Depth::Sweep {
            service.keep_unread(&older);
        }
        service
    }

    /// Joins the runs to what is known: each reading as the latest survey that could make it saw it.
    fn last_known(&self) -> Option<Service> {
        let mut states = self.history.runs().iter().rev().map(|run| &run.state);
        let mut known = states.next()?.clone();
        states.for_each(|older| known.fill(older));
        Some(known)
    }

    /// Returns what was seen last.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        self.history.newest()
    }

    /// Iterates over the names of the shared sets that the record needs.
    pub fn digests(&self) -> impl Iterator<Item = super::Digest> {
        self.history.runs().iter().flat_map(|run| run.state.digests())
    }
}

impl Service {
    /// Lays a survey over an older one: what it did not ask for stays as it was.
    #[must_use]
    pub fn over(self, older: &Self) -> Self {
        let Self {
            root,
            systems,
            mut not_servers,
            managers,
            chassis,
            firmware,
            mut firmware_unread,
            mut quirks,
            unread,
        } = self;
        if matches!(firmware, Reading::Unasked) {
            firmware_unread.clone_from(&older.firmware_unread);
        }
        if matches!(systems, Reading::Unasked) {
            not_servers.clone_from(&older.not_servers);
        }
        let systems = match (systems, older.systems.seen()) {
            (Reading::Seen(new), Some(known)) => Reading::Seen(
                new.into_iter()
                    .map(|system| match known.iter().find(|other| other.id == system.id) {
                        Some(other) => system.over(other),
                        None => system,
                    })
                    .collect(),
            ),
            (systems, _) => systems.or_older(&older.systems),
        };
        let managers = match (managers, older.managers.seen()) {
            (Reading::Seen(new), Some(known)) => Reading::Seen(
                new.into_iter()
                    .map(|manager| match known.iter().find(|other| other.id == manager.id) {
                        Some(other) => manager.over(other),
                        None => manager,
                    })
                    .collect(),
            ),
            (managers, _) => managers.or_older(&older.managers),
        };
        quirks.extend(&older.quirks);
        quirks.sort_unstable();
        quirks.dedup();
        Self {
            root,
            systems,
            not_servers,
            managers,
            chassis: chassis.or_older(&older.chassis),
            firmware: firmware.or_older(&older.firmware),
            firmware_unread,
            quirks,
            unread,
        }
    }

    /// Takes from an older state what nothing is known of.
    fn fill(&mut self, older: &Self) {
        if !self.firmware.is_known() {
            self.firmware_unread.clone_from(&older.firmware_unread);
        }
        self.firmware.fill(&older.firmware);
        self.systems.fill(&older.systems);
        let (Reading::Seen(systems), Some(known)) = (&mut self.systems, older.systems.seen()) else { return };
        for system in systems {
            if let Some(other) = known.iter().find(|other| other.id == system.id) {
                system.fill(other);
            }
        }
    }

    /// Keeps what a deep survey could not read and a sweep does not try: all but the Systems themselves.
    fn keep_unread(&mut self, older: &Self) {
        let swept = |uri: &str| {
            let uri = uri.trim_end_matches('/');
            let mut systems = self.systems.seen().into_iter().flatten();
            self.systems.seen().is_some() && uri.ends_with("/Systems")
                || systems.any(|system| system.uri.trim_end_matches('/') == uri)
        };
        let mut all: Vec<_> = older.unread.iter().filter(|old| !swept(&old.uri)).cloned().collect();
        all.retain(|old| self.unread.iter().all(|new| new.uri != old.uri));
        all.append(&mut self.unread);
        all.truncate(Self::MAX_UNREAD);
        self.unread = all;
    }

    fn digests(&self) -> impl Iterator<Item = super::Digest> {
        let systems = self.systems.seen().into_iter().flatten();
        let own = systems.flat_map(|system| [system.inventory.seen().copied(), system.bios.seen().copied()]);
        own.chain([self.firmware.seen().copied()]).flatten()
    }
}

impl Manager {
    fn over(mut self, older: &Self) -> Self {
        if matches!(self.macs, Reading::Unasked) {
            self.in_use.clone_from(&older.in_use);
        }
        self.macs = self.macs.or_older(&older.macs);
        self
    }
}

impl System {
    fn fill(&mut self, older: &Self) {
        self.power.fill(&older.power);
        if !self.nics.is_known() {
            self.nics_unread.clone_from(&older.nics_unread);
        }
        self.nics.fill(&older.nics);
        self.inventory.fill(&older.inventory);
        self.bios.fill(&older.bios);
        self.boot.fill(&older.boot);
        self.secure_boot.fill(&older.secure_boot);
    }

    fn over(mut self, older: &Self) -> Self {
        if matches!(self.bios, Reading::Unasked) {
            self.bios_pending.clone_from(&older.bios_pending);
            self.bios_untold.clone_from(&older.bios_untold);
        }
        self.bios = self.bios.or_older(&older.bios);
        self.inventory = self.inventory.or_older(&older.inventory);
        if matches!(self.nics, Reading::Unasked) {
            self.nics_unread.clone_from(&older.nics_unread);
        }
        self.nics = self.nics.or_older(&older.nics);
        self.secure_boot = self.secure_boot.or_older(&older.secure_boot);
        self.power = self.power.or_older(&older.power);
        if let (Reading::Seen(new), Reading::Seen(known)) = (&mut self.boot, &older.boot)
            && new.options.is_empty()
        {
            new.options.clone_from(&known.options);
        }
        self.boot = self.boot.or_older(&older.boot);
        self
    }
}

impl Observed {
    /// Takes in what one survey found.
    pub fn take(&mut self, observation: &Observation) {
        let fresh = || BmcRecord::new(&*observation.bmc, &*observation.url);
        let record = self.bmcs.entry(observation.bmc.clone()).or_insert_with(fresh);
        record.take(observation, &self.shared);
        self.shared.join(observation.shared.clone());
    }
}

#[cfg(test)]
mod tests;
