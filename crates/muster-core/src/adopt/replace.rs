//! Parts that were replaced in machines that are declared: the one value that states the old part states the new one.

use std::collections::BTreeMap;

use super::edits::{Draft, Splice};
use super::found::{Key, Keys};
use super::tables::{self, Table};
use super::{Adopted, Scope, World, facts};
use crate::desired::Node;
use crate::drift::{Class, Excused, Finding, Subject, Verdict};
use crate::model::{Guid, Layer, MacAddr, Origin};
use crate::observed::{BmcRecord, NicKind, Service, System};
use crate::roll;

/// A node's machine as it was seen last.
struct Seen<'a> {
    node: &'a Node,
    record: &'a BmcRecord,
    service: &'a Service,
    system: &'a System,
}

/// Takes in what identifies a machine and is another now.
pub fn replaced(world: &World<'_>, draft: &mut Draft) {
    let keys = Keys::of(world);
    let mut by_node: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
    for finding in world.drift.findings.iter().filter(|finding| is_identity(finding)) {
        match &finding.subject {
            Subject::Node(name) => {
                if let Some(at) = world.snapshot.by_name(name).filter(|at| is_selected(world, *at)) {
                    by_node.entry(at).or_default().push(finding);
                }
            }
            Subject::Bmc(name) if world.options.scope == Scope::All => bmc_mac(world, &keys, name, finding, draft),
            Subject::Bmc(_) | Subject::System { .. } | Subject::Mac(_) => {}
        }
    }
    for (at, findings) in by_node {
        node(world, &keys, &world.snapshot.nodes()[at], &findings, draft);
    }
}

fn is_identity(finding: &Finding) -> bool {
    let counts = match &finding.verdict {
        Verdict::Drifted { .. } | Verdict::Excepted(Excused::Maintenance) => true,
        Verdict::Excepted(Excused::Exception { .. })
        | Verdict::Pending
        | Verdict::Settling(_)
        | Verdict::Unknown { .. } => false,
    };
    finding.class == Class::Identity && counts
}

fn is_selected(world: &World<'_>, at: usize) -> bool {
    match &world.options.scope {
        Scope::All => true,
        Scope::New => false,
        Scope::Nodes(nodes) => nodes.contains(&at),
    }
}

fn node(world: &World<'_>, keys: &Keys<'_>, node: &Node, findings: &[&Finding], draft: &mut Draft) {
    let desired = world.snapshot.desired();
    let bmc = node.bmc.map(|bmc| &*desired.bmcs[bmc.value as usize].name);
    let Some(record) = bmc.and_then(|bmc| world.observed.bmcs.get(bmc)) else { return };
    let Some(service) = record.service() else { return };
    if let Some(finding) = findings.iter().find(|finding| &*finding.attribute == "place") {
        let place = finding.seen.as_deref().unwrap_or("nowhere that was seen");
        draft.note(format!(
            "{}: its machine is at {place}; say so in its `bmc`, or swap the rows: a move is not adopted",
            node.name
        ));
        return;
    }
    let Ok(system) = roll::system_of(node.system.as_deref(), service) else { return };
    let seen = Seen { node, record, service, system };
    let (mut macs, mut guids) = (Vec::new(), Vec::new());
    for finding in findings {
        let Some(origin) = finding.origin else { continue };
        match nic_of(&finding.attribute) {
            Some((nic, "mac")) => macs.push((nic, origin)),
            Some((nic, _)) => guids.push((nic, origin)),
            None => whole(world, keys, &seen, &finding.attribute, origin, draft),
        }
    }
    replaced_macs(world, keys, &seen, &macs, draft);
    replaced_guids(world, keys, &seen, &guids, draft);
}

/// Returns the interface that an attribute is about, and what of it.
fn nic_of(attribute: &str) -> Option<(&str, &str)> {
    attribute.strip_prefix("nics.")?.rsplit_once('.')
}

/// Takes in a value of the machine as a whole.
fn whole(world: &World<'_>, keys: &Keys<'_>, seen: &Seen<'_>, attribute: &str, origin: Origin, draft: &mut Draft) {
    let name = &seen.node.name;
    let told = &seen.system.facts;
    let value = match attribute {
        "serial" => {
            let serial = seen.service.serial_of(seen.system);
            let is_shared = serial.is_some_and(|serial| !keys.is_own(&Key::Serial(serial.to_ascii_lowercase())));
            if is_shared {
                draft.note(format!(
                    "{name}: its new serial number is that of other machines too, so it is not declared"
                ));
                return;
            }
            serial.map(str::to_owned)
        }
        "uuid" => told.uuid.map(|uuid| uuid.to_string()),
        "macs" => {
            draft.note(format!(
                "{name}: its BMC shows other addresses than those that it claimed; declare them, with `macs = \"declared\"`"
            ));
            return;
        }
        _ => return,
    };
    if let Some(value) = value {
        put(world, name, attribute, origin, &value, draft);
    }
}

/// Takes in new addresses where it is clear which interface each is of.
fn replaced_macs(world: &World<'_>, keys: &Keys<'_>, seen: &Seen<'_>, missing: &[(&str, Origin)], draft: &mut Draft) {
    if missing.is_empty() {
        return;
    }
    let ethernet = seen.system.nics.seen().into_iter().flatten().filter(|nic| nic.kind == NicKind::Ethernet);
    let mut strange: Vec<MacAddr> = ethernet.filter_map(|nic| nic.mac).collect();
    strange.retain(|mac| keys.owner(&Key::Mac(*mac)).is_none() && keys.is_own(&Key::Mac(*mac)));
    let mut pairs = Pairs { missing: missing.to_vec(), strange, found: Vec::new() };
    for (nic, mac) in &world.options.nics {
        pairs.join(nic, *mac);
    }
    for (nic, _) in missing {
        if let Some(mac) = same_slot(world, seen, nic) {
            pairs.join(nic, mac);
        }
    }
    if let ([(nic, _)], [mac]) = (pairs.missing.as_slice(), pairs.strange.as_slice()) {
        let (nic, mac) = (*nic, *mac);
        pairs.join(nic, mac);
    }
    for (nic, origin, mac) in pairs.found {
        put(world, &seen.node.name, &format!("nics.{nic}.mac"), origin, &mac.to_string(), draft);
    }
    if !pairs.missing.is_empty() {
        draft.note(unsure(&seen.node.name, &pairs.missing, &pairs.strange));
    }
}

/// Interfaces whose addresses are gone, and the addresses that came, as they are joined.
struct Pairs<'f> {
    missing: Vec<(&'f str, Origin)>,
    strange: Vec<MacAddr>,
    found: Vec<(&'f str, Origin, MacAddr)>,
}

impl Pairs<'_> {
    /// Joins an interface with an address, where neither is joined yet.
    fn join(&mut self, nic: &str, mac: MacAddr) {
        let at = self.missing.iter().position(|(other, _)| *other == nic);
        let known = self.strange.iter().position(|other| *other == mac);
        if let (Some(at), Some(known)) = (at, known) {
            let (nic, origin) = self.missing.remove(at);
            self.found.push((nic, origin, self.strange.remove(known)));
        }
    }
}

fn unsure(node: &str, missing: &[(&str, Origin)], strange: &[MacAddr]) -> String {
    let nics = missing.iter().map(|(nic, _)| *nic).collect::<Vec<_>>().join(", ");
    if strange.is_empty() {
        return format!("{node}: the address of {nics} is gone, and no other that is free is there in its place");
    }
    let macs = strange.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "{node}: the address of {nics} is gone, and {macs} came; say which is which with `--nic {}=MAC`",
        missing[0].0
    )
}

/// Finds the address of the interface that the BMC calls what it called the one with the old address.
fn same_slot(world: &World<'_>, seen: &Seen<'_>, nic: &str) -> Option<MacAddr> {
    let mut nics = world.snapshot.desired().nics(seen.node);
    let old = nics.find(|(spec, _)| *spec.name == *nic)?.1.mac?.value;
    let id = seen.record.history.runs().iter().rev().find_map(|run| {
        let systems = run.state.systems.seen()?;
        let system = systems.iter().find(|system| system.id == seen.system.id)?;
        let mut same = system.nics.seen()?.iter().filter(|nic| nic.mac == Some(old));
        let id = &*same.next()?.id;
        (!id.is_empty() && system.nics.seen()?.iter().filter(|nic| &*nic.id == id).count() == 1).then_some(id)
    })?;
    let mut now = seen.system.nics.seen()?.iter().filter(|nic| nic.kind == NicKind::Ethernet && &*nic.id == id);
    match (now.next(), now.next()) {
        (Some(one), None) => one.mac,
        (Some(_), Some(_)) | (None, _) => None,
    }
}

fn replaced_guids(world: &World<'_>, keys: &Keys<'_>, seen: &Seen<'_>, missing: &[(&str, Origin)], draft: &mut Draft) {
    let nics = seen.system.nics.seen().into_iter().flatten();
    let mut strange: Vec<Guid> = nics.filter_map(|nic| nic.guid).collect();
    strange.retain(|guid| keys.owner(&Key::Guid(*guid)).is_none() && keys.is_own(&Key::Guid(*guid)));
    match (missing, strange.as_slice()) {
        ([], _) => {}
        ([(nic, origin)], [guid]) => {
            put(world, &seen.node.name, &format!("nics.{nic}.guid"), *origin, &guid.to_string(), draft);
        }
        _ => {
            let nics = missing.iter().map(|(nic, _)| *nic).collect::<Vec<_>>().join(", ");
            draft.note(format!(
                "{}: the GUID of {nics} is another now, and which cannot be told; write it yourself",
                seen.node.name
            ));
        }
    }
}

fn bmc_mac(world: &World<'_>, keys: &Keys<'_>, name: &str, finding: &Finding, draft: &mut Draft) {
    let service = world.observed.bmcs.get(name).and_then(BmcRecord::service);
    let mac = service.and_then(|service| super::bmcs::mac(service, keys));
    match (mac, finding.origin) {
        (Some(mac), Some(origin)) => put(world, name, "bmc.mac", origin, &mac.to_string(), draft),
        _ => draft.note(format!(
            "BMC {name}: it tells of several addresses of its own, or of another's; write the right one yourself"
        )),
    }
}

/// Puts a value in the place of the one that is stated.
fn put(world: &World<'_>, name: &str, attribute: &str, origin: Origin, value: &str, draft: &mut Draft) {
    let sources = &world.snapshot.desired().sources;
    let path = sources.path(origin.file);
    let splice = match origin.layer {
        Layer::Facts if facts::fits(value) => facts::cell_at(world.tree, path, origin.at as usize, value),
        Layer::Node | Layer::Set(_) => literal(world, origin, value),
        Layer::Facts | Layer::BuiltIn | Layer::Boot | Layer::BootArch | Layer::Defaults | Layer::Group(_) => None,
    };
    match (splice, own_set(name, attribute, origin, value)) {
        (Some(splice), _) => draft.splices.push(splice),
        (None, Some(table)) => draft.tables.push(table),
        (None, None) => {
            draft.note(format!(
                "{name}: its {attribute} is {value} now, and {} states it of several machines; take the pattern out and \
                 give each a row of a facts file",
                sources.describe(origin)
            ));
            return;
        }
    }

    let (name, attribute) = (name.to_owned(), attribute.to_owned());
    draft.adopted.push(Adopted::Value { name, attribute, value: value.to_owned() });
}

/// Writes a `[[set]]` that gives one node of a pattern an address of its own; of layer keys, only interfaces have any.
fn own_set(name: &str, attribute: &str, origin: Origin, value: &str) -> Option<String> {
    if origin.layer != Layer::Node {
        return None;
    }
    let (nic, key) = nic_of(attribute)?;
    let nic = format!("[{{ name = {}, {key} = {} }}]", tables::quoted(nic), tables::quoted(value));
    let mut table = Table::new("[[set]]");
    table.text("nodes", name);
    table.raw("nics", nic);

    Some(table.write())
}

/// Makes an edit of a quoted text in TOML that is one machine's alone.
fn literal(world: &World<'_>, origin: Origin, value: &str) -> Option<Splice> {
    let desired = world.snapshot.desired();
    let place = desired.sources.place(origin);
    let span = place.span?;
    let text = super::edits::text_of(world.tree, &place.file).ok().flatten()?.get(span.start..span.end)?;
    let is_plain =
        text.len() > 1 && text.starts_with(['"', '\'']) && !text.contains(['[', ']', '\\']) && !text.contains("\"\"\"");
    (is_plain && stated_by(world, origin) == 1).then(|| Splice {
        path: place.file.to_string(),
        span,
        text: tables::quoted(value),
    })
}

/// Counts the machines that one place in TOML states a value of.
fn stated_by(world: &World<'_>, origin: Origin) -> usize {
    let desired = world.snapshot.desired();
    let of_nodes = desired.nodes.iter().flat_map(|node| {
        let nics = node.nics.iter().flat_map(|nic| [nic.mac.map(|mac| mac.origin), nic.guid.map(|guid| guid.origin)]);
        let own = [node.serial.as_ref().map(|serial| serial.origin), node.uuid.map(|uuid| uuid.origin)];
        nics.chain(own).flatten()
    });
    let of_bmcs = desired.bmcs.iter().filter_map(|bmc| bmc.mac.map(|mac| mac.origin));
    of_nodes.chain(of_bmcs).filter(|other| *other == origin).count()
}
