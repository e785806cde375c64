//! The interfaces of a class: the tables of defaults, groups and the `[[node]]` table, merged by
//! name.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::at::At;
use super::file::{NicKind, NicTable};
use super::sources::{Findings, Here};
use super::suggest::did_you_mean;
use super::{LayerTable, Network, NicSettings, NicSpec};
use super::{limits, values};
use crate::model::{Code, Diagnostic, Layer, Origin, Place};

/// A text that can differ by node: a pattern in a `[[node]]` table, a plain text elsewhere, or a
/// template.
#[derive(Debug, Clone)]
pub struct Identity {
    pub text: String,
    pub place: Place,
    pub origin: Origin,
}

/// One interface of a class, with the texts that are expanded for each node.
#[derive(Debug, Clone)]
pub struct MergedNic {
    pub spec: NicSpec,
    pub mac: Option<Identity>,
    pub guid: Option<Identity>,
    pub ips: Vec<Identity>,
    /// The keys that layers state.
    stated: BTreeSet<&'static str>,
    /// The keys that `[[set]]` tables, which are stronger than facts, unset, with the places.
    pub taken_back: Vec<(Box<str>, Place)>,
}

/// The interfaces of one class.
#[derive(Debug, Clone, Default)]
pub struct MergedNics {
    pub nics: Vec<MergedNic>,
    /// The elements of `unset` that found no interface to unset.
    pub missed: Vec<Diagnostic>,
    /// The places of the elements that found one.
    pub found: Vec<Place>,
    /// The interfaces that `[[set]]` tables unset, with the places: their facts are unset too.
    pub dropped: Vec<(Box<str>, Place)>,
}

impl MergedNics {
    /// Applies one layer over weaker layers.
    pub fn lay(&mut self, here: &Here<'_>, layer: &LayerTable, networks: &[Network], findings: &mut Findings) {
        for path in &layer.unset {
            self.unset(here, path);
        }
        let mut seen: HashSet<&str> = HashSet::new();

        for table in &layer.nics {
            let Some(name) = &table.value.name else {
                findings.push(Diagnostic::new(Code::MissingKey, here.place(table.span), "an interface needs `name`"));
                continue;
            };
            if !values::check_name(|| here.place(name.span), &name.value, findings) {
                continue;
            }
            if !seen.insert(&name.value) {
                let message = format!("the interface `{}` stands twice in one list", name.value);
                findings.push(Diagnostic::new(Code::DuplicateEntry, here.place(name.span), message));
                continue;
            }
            let known = self.nics.iter().position(|nic| *nic.spec.name == *name.value);
            if known.is_none() && self.nics.len() == limits::MAX_NICS {
                findings.push(limits::too_many_nics(here, table.span));
                break;
            }
            self.lay_one(here, &name.value, known, table, networks, findings);
        }
    }

    fn unset(&mut self, here: &Here<'_>, path: &At<String>) {
        let Some(name) = path.value.strip_prefix("nics.") else { return };
        let place = here.place(path.span);
        let is_set = matches!(here.layer, Layer::Set(_));
        if is_set && self.is_taken_back(name) {
            // An element that two sets of a node both unset is gone after the first.
            self.found.push(place);
            return;
        }

        let before = self.nics.len();
        self.nics.retain(|nic| &*nic.spec.name != name);
        let mut is_found = self.nics.len() < before;
        if is_found && is_set {
            self.dropped.push((name.into(), place.clone()));
        }
        for nic in &mut self.nics {
            let key = name.strip_prefix(&*nic.spec.name).and_then(|rest| rest.strip_prefix('.'));
            if let Some(key) = key {
                is_found |= nic.unset(key);
                if is_set {
                    nic.taken_back.push((key.into(), place.clone()));
                }
            }
        }
        if is_found {
            self.found.push(place);
            return;
        }
        let message = "this takes back what no weaker layer states";
        let hint = did_you_mean(name, self.known().iter().map(String::as_str));
        self.missed.push(Diagnostic::new(Code::UnsetNothing, place, message).maybe_hint(hint));
    }

    /// Returns whether a `[[set]]` has unset an interface, or a key of one.
    fn is_taken_back(&self, name: &str) -> bool {
        let is_key = |nic: &MergedNic| {
            let key = name.strip_prefix(&*nic.spec.name).and_then(|rest| rest.strip_prefix('.'));
            key.is_some_and(|key| nic.taken_back.iter().any(|(taken, _)| &**taken == key))
        };
        self.dropped.iter().any(|(dropped, _)| &**dropped == name) || self.nics.iter().any(is_key)
    }

    /// Lists the paths below `nics` that can be unset.
    fn known(&self) -> Vec<String> {
        let keys =
            |nic: &MergedNic| nic.stated.iter().map(|key| format!("{}.{key}", nic.spec.name)).collect::<Vec<_>>();
        let names = self.nics.iter().map(|nic| nic.spec.name.to_string());
        names.chain(self.nics.iter().flat_map(keys)).collect()
    }

    fn lay_one(
        &mut self,
        here: &Here<'_>,
        name: &str,
        known: Option<usize>,
        table: &At<NicTable>,
        networks: &[Network],
        findings: &mut Findings,
    ) {
        let at = known.unwrap_or_else(|| {
            self.nics.push(MergedNic::new(name, here.origin(table.span)));
            self.nics.len() - 1
        });

        let NicTable { name: _, kind, network, boot, mac, guid, ip, members, link, mtu, .. } = &table.value;
        let nic = &mut self.nics[at];
        nic.stated.extend(table.value.stated().into_iter().map(|(key, ..)| key));

        let identity = |text: &At<String>| Identity {
            text: text.value.clone(),
            place: here.place(text.span),
            origin: here.origin(text.span),
        };

        nic.mac = mac.as_ref().map(identity).or(nic.mac.take());
        nic.guid = guid.as_ref().map(identity).or(nic.guid.take());
        if let Some(ips) = ip {
            nic.ips = ips.0.iter().map(identity).collect();
        }
        let spec = &mut nic.spec;
        spec.settings.lay(here, &table.value, findings);

        spec.kind = kind.as_ref().map_or(spec.kind, |kind| kind.value);
        spec.boot = boot.as_ref().map_or(spec.boot, |boot| boot.value);
        spec.link = link.as_ref().map(|link| link.value.as_str().into()).or(spec.link.take());
        if let Some(mtu) = mtu {
            spec.mtu = values::mtu(here, mtu, findings);
        }
        if let Some(members) = members {
            spec.members = members.iter().map(|member| member.value.as_str().into()).collect();
        }

        if let Some(network) = network {
            spec.network = super::networks::find(here, network, networks, findings);
        }
    }

    /// Checks the interfaces of a class against each other, and returns their common part.
    pub fn finish(&self, place: &dyn Fn(Origin) -> Place, findings: &mut Findings) -> Arc<[NicSpec]> {
        let mut boots = self.nics.iter().filter(|nic| nic.spec.boot);
        if let (Some(first), Some(second)) = (boots.next(), boots.next()) {
            let message = format!("both `{}` and `{}` are boot interfaces", first.spec.name, second.spec.name);
            let finding = Diagnostic::new(Code::BadValue, place(second.spec.origin), message);
            findings.push(finding.hint("a node boots from one interface; say `boot = false` for the other"));
        }
        let mut names: Vec<&str> = self.nics.iter().map(|nic| &*nic.spec.name).collect();
        names.sort_unstable();
        for nic in &self.nics {
            check_parts(&nic.spec, &names, place, findings);
        }
        self.nics.iter().map(|nic| nic.spec.clone()).collect()
    }
}

/// Checks that an interface has the settings of its kind, and that its members exist; `names` are
/// all names, sorted.
fn check_parts(spec: &NicSpec, names: &[&str], place: &dyn Fn(Origin) -> Place, findings: &mut Findings) {
    let fault = match spec.kind {
        NicKind::Bond if spec.members.is_empty() => Some("a bond needs `members`"),
        NicKind::Bridge if spec.members.is_empty() => Some("a bridge needs `members`"),
        NicKind::Vlan if spec.link.is_none() => Some("a vlan needs `link`, the interface that it lies on"),
        NicKind::Vlan if spec.network.is_none() => Some("a vlan needs `network`, which knows its number"),
        NicKind::Ethernet | NicKind::Infiniband | NicKind::Vlan if !spec.members.is_empty() => {
            Some("only a bond or a bridge has `members`")
        }
        NicKind::Ethernet | NicKind::Infiniband | NicKind::Bond | NicKind::Bridge if spec.link.is_some() => {
            Some("only a vlan has `link`")
        }
        NicKind::Ethernet | NicKind::Infiniband | NicKind::Bond | NicKind::Vlan | NicKind::Bridge => None,
    };

    if let Some(fault) = fault {
        findings.push(Diagnostic::new(Code::BadValue, place(spec.origin), fault));
    }

    for part in spec.members.iter().chain(&spec.link) {
        if part == &spec.name || names.binary_search(&&**part).is_err() {
            let others = names.iter().copied().filter(|name| *name != &*spec.name);
            let message = format!("`{}` is made on `{part}`, which is no other interface here", spec.name);
            let finding = Diagnostic::new(Code::NoSuchNic, place(spec.origin), message);
            findings.push(finding.maybe_hint(did_you_mean(part, others)));
        }
    }
}

impl MergedNic {
    fn new(name: &str, origin: Origin) -> Self {
        let spec = NicSpec {
            name: name.into(),
            kind: NicKind::Ethernet,
            network: None,
            boot: false,
            members: Vec::new(),
            link: None,
            mtu: None,
            settings: NicSettings::default(),
            origin,
        };
        Self { spec, mac: None, guid: None, ips: Vec::new(), stated: BTreeSet::new(), taken_back: Vec::new() }
    }

    /// Unsets the values of layers at a key or below it; returns `false` if there are none.
    fn unset(&mut self, key: &str) -> bool {
        let before = self.stated.len();
        let is_at = |stated: &str| stated == key || stated.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        self.stated.retain(|stated| !is_at(stated));
        if self.stated.len() == before {
            return false;
        }

        match key {
            "kind" => self.spec.kind = NicKind::Ethernet,
            "network" => self.spec.network = None,
            "boot" => self.spec.boot = false,
            "mac" => self.mac = None,
            "guid" => self.guid = None,
            "ip" => self.ips.clear(),
            "members" => self.spec.members.clear(),
            "link" => self.spec.link = None,
            "mtu" => self.spec.mtu = None,
            other => self.spec.settings.unset(other),
        }
        true
    }
}
