//! New machines to tables and rows: equal ones share a table, and what is regular becomes a pattern.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::bmcs::{self, Ground, Reached};
use super::edits::Draft;
use super::found::{self, Keys, Machine};
use super::naming::{self, Names};
use super::nics::{Base, NewNic};
use super::tables::{self, Table};
use super::{Adopted, Unfit, World, columns, expect};
use crate::drift::{Class, Subject, Verdict};
use crate::model::{NodeSet, Pattern};
use crate::observed::Reading;

/// A new node: its machine, its name, and what its table says that is not its own.
#[derive(Clone, Copy)]
struct New<'m, 'a> {
    machine: &'m Machine<'a>,
    name: &'m str,
    nid: Option<&'m str>,
    kind: &'m Kind,
    home: &'m Home,
}

/// What all nodes of one table have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    manufacturer: Option<Box<str>>,
    model: Option<Box<str>>,
    arch: Option<&'static str>,
    ethernet: usize,
    infiniband: usize,
    has_system: bool,
    inline: Option<(Option<String>, Option<&'static str>)>,
    expect: Vec<(String, String)>,
}

/// Where a new node's BMC is declared.
#[derive(Debug, Clone)]
enum Home {
    /// In the node's own table.
    Inline(Reached),
    /// In a table of this name.
    Named(String),
}

/// A BMC that gets a table of its own.
#[derive(Debug, Clone)]
struct NewBmc {
    name: String,
    reached: Reached,
    is_node: bool,
}

/// Declares every machine and BMC that nobody declares.
pub fn machines(world: &World<'_>, draft: &mut Draft) -> Result<(), Unfit> {
    let keys = Keys::of(world);
    let mut ground = Ground::of(world);
    // What could not be read may be machines that nothing declares.
    let is_declared = |bmc: &str| world.snapshot.desired().bmcs.iter().any(|other| *other.name == *bmc);
    for record in world.observed.bmcs.values().filter(|record| !is_declared(&record.bmc)) {
        found::answering(record, draft);
    }
    let found = found::machines(world, &keys, draft);
    let mut reached: BTreeMap<&str, Option<Reached>> = BTreeMap::new();
    for machine in found.iter().filter(|machine| machine.declared_bmc.is_none()) {
        reached.entry(&machine.record.bmc).or_insert_with(|| ground.reach(machine.record, draft));
    }
    let is_reached = |machine: &Machine<'_>| {
        machine.declared_bmc.is_some() || reached.get(&*machine.record.bmc).is_some_and(Option::is_some)
    };
    let found: Vec<Machine<'_>> = found.into_iter().filter(is_reached).collect();
    let mut names = Names::of(world);
    let given = names.nodes(world, found.len())?;
    let nids = naming::nids(world, &given);
    let ips = ips(world, found.len())?;
    let mut bmcs = Vec::new();
    let homes = homes(&found, &given, &reached, &mut names, &mut bmcs);
    for bmc in &bmcs {
        own_row(&found, bmc, &keys, draft);
    }
    bmcs.extend(without_systems(world, &mut ground, &mut names, draft));
    write_bmcs(&bmcs, &ground, draft);
    unsure(&found, &given, draft);
    let kinds: Vec<Kind> = found.iter().zip(&homes).map(|(machine, home)| kind(world, machine, home)).collect();
    let base = Base::of(world);
    let mut tables: BTreeMap<&Kind, Vec<New<'_, '_>>> = BTreeMap::new();
    let mut order: Vec<&Kind> = Vec::new();
    for (at, machine) in found.iter().enumerate() {
        let nid = nids.as_ref().map(|nids| nids[at].as_str());
        let new = New { machine, name: &given[at], nid, kind: &kinds[at], home: &homes[at] };
        if !tables.contains_key(new.kind) {
            order.push(new.kind);
        }
        tables.entry(new.kind).or_default().push(new);
        row(&new, &base, &keys, draft);
        if let Some(ips) = &ips {
            draft.rows.add(new.name, vec![address(&new, &base, &ips[at])?]);
        }
    }
    for nodes in order.iter().filter_map(|kind| tables.get(kind)) {
        for run in columns::runs(nodes, &fits, &|new| new.stem()) {
            draft.tables.push(node_table(world, &run, &base, &ground));
        }
    }
    Ok(())
}

/// Says what is not known of new nodes, and what was guessed, each for all nodes that it is true of.
fn unsure(found: &[Machine<'_>], names: &[String], draft: &mut Draft) {
    let mut all: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (machine, name) in found.iter().zip(names) {
        let mut note = |text: String| all.entry(text).or_default().push(name);
        match (&machine.system.nics, &machine.system.nics_unread) {
            _ if machine.macs.is_empty() => {
                let why = match &machine.system.nics {
                    Reading::Failed(failure) => format!(": {}", failure.why),
                    Reading::Seen(_) | Reading::Absent | Reading::Unasked => String::new(),
                };
                note(format!("no Ethernet address to boot by is known{why}; add `nics` with a `mac`"));
            }
            (_, Some(failure)) => {
                note(format!("not all interfaces could be read, so some may be missing: {}", failure.why));
            }
            (_, None) => {}
        }
        if !machine.boot_is_known {
            note("which interface it boots from is a guess; check `boot = true`".into());
        }
        if machine.arch.is_none() {
            note(
                "its BMC does not report its architecture; the layers' `arch` counts (x86_64 if none states it)".into(),
            );
        }
    }
    for (text, names) in all {
        draft.note(format!("{}: {text}", NodeSet::from_names(&names)));
    }
}

/// Expands the addresses that a person names, one for each new node.
fn ips(world: &World<'_>, found: usize) -> Result<Option<Vec<String>>, Unfit> {
    let Some(text) = &world.options.ips else { return Ok(None) };
    let unfit = |why: String| Unfit::Ips { pattern: text.clone(), why };
    let pattern = Pattern::parse(text).map_err(|error| unfit(error.to_string()))?;
    if pattern.len() != found {
        return Err(Unfit::IpCount { pattern: text.clone(), given: pattern.len(), found });
    }

    let ips: Vec<String> = pattern.iter().collect();
    match ips.iter().find(|ip| ip.parse::<IpAddr>().is_err()) {
        Some(ip) => Err(unfit(format!("it stands for `{ip}`"))),
        None => Ok(Some(ips)),
    }
}

/// Gives the interface that a new node boots from an address.
fn address(new: &New<'_, '_>, base: &Base, ip: &str) -> Result<(String, String), Unfit> {
    let nics = base.name(new.machine.macs.len(), new.machine.guids.len());
    let boots = nics.iter().find(|nic| !nic.is_infiniband).ok_or_else(|| Unfit::NoNic(new.name.to_owned()))?;
    Ok((format!("nics.{}.ip", boots.name), ip.to_owned()))
}

/// Decides where each machine's BMC is declared, and names those that get a table.
fn homes(
    found: &[Machine<'_>],
    names: &[String],
    reached: &BTreeMap<&str, Option<Reached>>,
    all: &mut Names,
    bmcs: &mut Vec<NewBmc>,
) -> Vec<Home> {
    let mut named: BTreeMap<&str, String> = BTreeMap::new();
    let mut homes = Vec::with_capacity(found.len());
    for (machine, name) in found.iter().zip(names) {
        let record = &*machine.record.bmc;
        let home = match (machine.declared_bmc, reached.get(record).cloned().flatten()) {
            (Some(bmc), _) => Home::Named(bmc.to_owned()),
            (None, Some(reached)) if machine.named_system.is_none() => Home::Inline(reached),
            (None, Some(reached)) => {
                let bmc = named.entry(record).or_insert_with(|| {
                    let name = all.bmc(&format!("{name}-bmc"));
                    bmcs.push(NewBmc { name: name.clone(), reached, is_node: true });
                    name
                });
                Home::Named(bmc.clone())
            }
            (None, None) => continue,
        };
        homes.push(home);
    }
    homes
}

/// Declares BMCs that answer and have no Systems.
fn without_systems(world: &World<'_>, ground: &mut Ground<'_>, names: &mut Names, draft: &mut Draft) -> Vec<NewBmc> {
    let mut all = Vec::new();
    for finding in &world.drift.findings {
        let Subject::Bmc(bmc) = &finding.subject else { continue };
        let is_there = finding.class == Class::Presence && matches!(finding.verdict, Verdict::Drifted { .. });
        let Some(record) = world.observed.bmcs.get(bmc).filter(|_| is_there) else { continue };
        if found::answering(record, draft).is_none() {
            continue;
        }
        if let Some(reached) = ground.reach(record, draft) {
            let name = names.bmc(&bmcs::name_of(record));
            draft.adopted.push(Adopted::Bmc { name: name.clone(), bmc: bmc.to_string() });
            all.push(NewBmc { name, reached, is_node: false });
        }
    }
    all.sort_by_cached_key(|bmc| columns::natural(&bmc.reached.url));
    all
}

/// Writes the row of a BMC that has a table of its own.
fn own_row(found: &[Machine<'_>], bmc: &NewBmc, keys: &Keys<'_>, draft: &mut Draft) {
    let machine = found.iter().find(|machine| machine.record.url.trim_end_matches('/') == bmc.reached.url);
    if let Some(mac) = machine.and_then(|machine| bmcs::mac(machine.service, keys)) {
        draft.rows.add(&bmc.name, vec![("mac".into(), mac.to_string())]);
    }
}

fn write_bmcs(bmcs: &[NewBmc], ground: &Ground<'_>, draft: &mut Draft) {
    let common = |bmc: &NewBmc| (bmc.is_node, bmc.reached.network.clone(), bmc.reached.tls);
    let fits = |run: &[NewBmc]| {
        let urls: Vec<&str> = run.iter().map(|bmc| bmc.reached.url.as_str()).collect();
        let names: Vec<&str> = run.iter().map(|bmc| bmc.name.as_str()).collect();
        run.iter().all(|bmc| common(bmc) == common(&run[0]))
            && columns::pattern(&urls).is_some()
            && columns::pattern(&names).is_some()
    };
    let stem =
        |bmc: &NewBmc| format!("{:?} {} {}", common(bmc), columns::stem(&bmc.reached.url), columns::stem(&bmc.name));
    for run in columns::runs(bmcs, &fits, &stem) {
        let mut table = Table::new("[[bmc]]");
        table.column("name", &run.iter().map(|bmc| &bmc.name).collect::<Vec<_>>());
        table.column("url", &run.iter().map(|bmc| &bmc.reached.url).collect::<Vec<_>>());
        let first = &run[0];
        if let Some(network) = &first.reached.network {
            table.text("network", network);
        }
        if let Some(tls) = first.reached.tls {
            table.text("tls", tls);
        }
        if !first.is_node {
            table.text("kind", "chassis");
        }
        let text = table.write();
        draft.tables.push(if ground.lacks_credentials() { format!("{}{text}", NO_CREDENTIALS) } else { text });
    }
}

/// What stands above a table whose BMCs nobody has said how to log in to.
const NO_CREDENTIALS: &str = "# No credential is named in [defaults.bmc]: add `credentials = \"NAME\"` to the BMCs.\n";

fn kind(world: &World<'_>, machine: &Machine<'_>, home: &Home) -> Kind {
    let inline = match home {
        Home::Inline(reached) => Some((reached.network.clone(), reached.tls)),
        Home::Named(_) => None,
    };
    Kind {
        manufacturer: machine.system.facts.manufacturer.clone(),
        model: machine.system.facts.model.clone(),
        arch: machine.arch.map(crate::model::Arch::as_str),
        ethernet: machine.macs.len(),
        infiniband: machine.guids.len(),
        has_system: machine.named_system.is_some(),
        inline,
        expect: if world.options.expect { expect::wishes(world, machine) } else { Vec::new() },
    }
}

impl New<'_, '_> {
    fn bmc(&self) -> &str {
        match self.home {
            Home::Inline(reached) => &reached.url,
            Home::Named(name) => name,
        }
    }

    /// Says what nodes that are to share a table have in common, when they are too many kinds of text for one pattern.
    fn stem(&self) -> String {
        format!("{} {}", columns::stem(self.bmc()), columns::stem(self.name))
    }
}

/// Tells whether nodes can share one table: each of their columns is a pattern.
fn fits(run: &[New<'_, '_>]) -> bool {
    let is_pattern =
        |of: &dyn Fn(&New<'_, '_>) -> String| columns::pattern(&run.iter().map(of).collect::<Vec<_>>()).is_some();
    is_pattern(&|new| new.name.to_owned())
        && is_pattern(&|new| new.bmc().to_owned())
        && is_pattern(&|new| new.machine.named_system.unwrap_or_default().to_owned())
        && is_pattern(&|new| new.nid.unwrap_or_default().to_owned())
}

fn row(new: &New<'_, '_>, base: &Base, keys: &Keys<'_>, draft: &mut Draft) {
    let machine = new.machine;
    let mut facts = Vec::new();
    if matches!(new.home, Home::Inline(_))
        && let Some(mac) = bmcs::mac(machine.service, keys)
    {
        facts.push(("bmc.mac".to_owned(), mac.to_string()));
    }
    let nics = base.name(machine.macs.len(), machine.guids.len());
    let addresses = machine.macs.iter().map(ToString::to_string).chain(machine.guids.iter().map(ToString::to_string));
    for (nic, address) in nics.iter().zip(addresses) {
        let what = if nic.is_infiniband { "guid" } else { "mac" };
        facts.push((format!("nics.{}.{what}", nic.name), address));
    }
    facts.extend(machine.serial.map(|serial| ("serial".to_owned(), serial.to_owned())));
    facts.extend(machine.uuid.map(|uuid| ("uuid".to_owned(), uuid.to_string())));
    draft.rows.add(new.name, facts);
    draft.adopted.push(Adopted::Node {
        name: new.name.to_owned(),
        bmc: machine.record.bmc.to_string(),
        system: machine.system.id.to_string(),
    });
}

fn node_table(world: &World<'_>, run: &[New<'_, '_>], base: &Base, ground: &Ground<'_>) -> String {
    let kind = run[0].kind;
    let column = |of: &dyn Fn(&New<'_, '_>) -> String| run.iter().map(of).collect::<Vec<_>>();
    let mut table = Table::new("[[node]]");
    let maker = [kind.manufacturer.as_deref(), kind.model.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    if !maker.is_empty() {
        table = table.comment(&maker.join(" "));
    }
    table.column("name", &column(&|new| new.name.to_owned()));
    if run[0].nid.is_some() {
        table.column("nid", &column(&|new| new.nid.unwrap_or_default().to_owned()));
    }
    if let Some(arch) = kind.arch {
        table.text("arch", arch);
    }
    match &kind.inline {
        Some(inline) => table.raw("bmc", inline_bmc(&column(&|new| new.bmc().to_owned()), inline)),
        None => table.column("bmc", &column(&|new| new.bmc().to_owned())),
    }
    if kind.has_system {
        table.column("system", &column(&|new| new.machine.named_system.unwrap_or_default().to_owned()));
    }
    if let Some(state) = world.state {
        table.text("state", state);
    }
    if !world.options.groups.is_empty() {
        table.raw("groups", tables::list(&world.options.groups));
    }
    let nics: Vec<NewNic> = base.name(kind.ethernet, kind.infiniband);
    if !nics.is_empty() {
        table.raw("nics", tables::nics(&nics));
    }
    let mut text = table.write();
    if kind.inline.is_some() && ground.lacks_credentials() {
        text.insert_str(0, NO_CREDENTIALS);
    }
    if !kind.expect.is_empty() {
        let mut expect = Table::new("[node.expect]");
        kind.expect.iter().for_each(|(path, value)| expect.raw(path, value.as_str()));
        text.push('\n');
        text.push_str(&expect.write());
    }
    text
}

fn inline_bmc(urls: &[String], (network, tls): &(Option<String>, Option<&'static str>)) -> String {
    let mut text = format!("{{ url = {}", tables::quoted(&columns::pattern(urls).unwrap_or_default()));
    for (key, value) in [("network", network.as_deref()), ("tls", *tls)] {
        if let Some(value) = value {
            text.push_str(&format!(", {key} = {}", tables::quoted(value)));
        }
    }
    text.push_str(" }");
    text
}
