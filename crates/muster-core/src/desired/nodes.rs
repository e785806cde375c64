//! Converts `[[node]]` tables to [`Node`]s: names first, then everything that differs by node.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::OnceLock;

use minijinja::{Environment, Value};

use super::at::{At, Text};
use super::columns::Column;
use super::facts::{BmcFact, Fact, FactCell, Facts, NicFact};
use super::file::{NodeBmc, NodeState, NodeTable};
use super::identity::{address, nid, stated_twice, uuid, xname};
use super::nics::{Identity, MergedNics};
use super::sources::{Findings, Here};
use super::suggest::{did_you_mean, did_you_mean_sorted};
use super::var_columns::VarColumns;
use super::{LayerTable, Nic, Node, OwnLayer, own_facts, template, values};
use crate::model::{Code, Diagnostic, Guid, Layer, MacAddr, Origin, Pattern, Place, Span, Stated};

/// A `[[node]]` table with its names expanded, and its columns.
#[derive(Debug)]
pub struct TablePlan<'t> {
    pub here: Here<'t>,
    /// The names that `except` does not leave out.
    pub names: Vec<Box<str>>,
    /// For each name, its index in the patterns of the table.
    pub places: Vec<u32>,
    /// The number of items in the patterns of the table.
    pub count: usize,
    pub name_span: Span,
    /// The index of the table's first node.
    pub first: u32,
    pub groups: Vec<u16>,
    pub bmc: Option<At<NodeBmc>>,
    bmc_names: Option<Column>,
    xname: Option<Column>,
    nid: Option<Column>,
    serial: Option<Column>,
    uuid: Option<Column>,
    system: Option<Column>,
    vars: VarColumns,
    /// Whether keys of the table could not be read and are missing here.
    pub has_mistakes: bool,
}

impl<'t> TablePlan<'t> {
    /// Expands the names and reads the columns of one table.
    pub fn new(
        here: Here<'t>,
        table: &At<NodeTable>,
        first: u32,
        groups: Vec<u16>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let node = &table.value;
        let Some(name) = &node.name else {
            findings.push(Diagnostic::new(Code::MissingKey, here.place(table.span), "a [[node]] table needs `name`"));
            return None;
        };

        let names = Column::names(&here, name, findings)?;
        let count = names.len();
        let places = names.kept(&here, node.except.as_ref(), findings);
        let nid = node.nid.as_ref().map(|At { value: Text(text), span }| At { value: text.clone(), span: *span });
        let bmc_name = node.bmc.as_ref().and_then(|bmc| match &bmc.value {
            NodeBmc::Named(name) => Some(At { value: name.clone(), span: bmc.span }),
            NodeBmc::Inline(_) => None,
        });

        let mut column = |text: Option<&At<String>>| Column::of(&here, text, count, findings);
        Some(Self {
            here,
            name_span: name.span,
            first,
            groups,
            bmc: node.bmc.clone(),
            bmc_names: column(bmc_name.as_ref()),
            xname: column(node.xname.as_ref()),
            nid: column(nid.as_ref()),
            serial: column(node.serial.as_ref()),
            uuid: column(node.uuid.as_ref()),
            system: column(node.system.as_ref()),
            vars: VarColumns::default(),
            has_mistakes: false,
            names: places.iter().map(|place| names.get(*place as usize).into()).collect(),
            places,
            count,
        })
    }

    /// Moves the variables that differ by node out of the table's layer.
    pub fn take_vars(&mut self, layer: &mut LayerTable, findings: &mut Findings) {
        if let Some(vars) = &mut layer.vars {
            self.vars = VarColumns::take(self.here.path, &mut vars.value, self.count, findings);
        }
    }

    fn stated(&self, column: Option<&Column>, item: usize) -> Option<(Stated<String>, Place)> {
        let column = column?;
        let text = Stated::new(column.get(item), self.here.origin(column.span));
        Some((text, self.here.place(column.span)))
    }
}

/// The interfaces of a class with their texts parsed as columns or templates.
#[derive(Debug)]
pub struct ClassNics {
    nics: Vec<NicColumns>,
    /// The interfaces that `[[set]]` tables unset, with the places.
    dropped: Vec<(Box<str>, Place)>,
}

#[derive(Debug)]
struct NicColumns {
    name: Box<str>,
    /// Whether the interface is a bond, VLAN or bridge, so that its MAC address is assigned.
    is_made: bool,
    mac: Option<(Column, Identity)>,
    guid: Option<(Column, Identity)>,
    ips: Vec<(IpText, Identity)>,
    /// The keys that `[[set]]` tables unset, with the places.
    taken_back: Vec<(Box<str>, Place)>,
}

#[derive(Debug)]
enum IpText {
    Column(Column),
    /// The name of a template of the identity engine.
    Template(String),
}

impl ClassNics {
    /// Parses the texts of a class's interfaces, and adds the templates among them to the engine.
    pub fn new(merged: &MergedNics, count: usize, engine: &mut Environment<'static>, findings: &mut Findings) -> Self {
        let mut nics = Vec::with_capacity(merged.nics.len());
        for nic in &merged.nics {
            let mut column = |text: &Identity| column_of(text, count, findings);
            let mac = nic.mac.as_ref().and_then(|text| Some((column(text)?, text.clone())));
            let guid = nic.guid.as_ref().and_then(|text| Some((column(text)?, text.clone())));
            let mut ips = Vec::new();
            for text in &nic.ips {
                let read = if template::is_template(&text.text) {
                    add_template(engine, text, findings).map(IpText::Template)
                } else {
                    column_of(text, count, findings).map(IpText::Column)
                };
                ips.extend(read.map(|read| (read, text.clone())));
            }
            let is_made = nic.spec.kind.is_made_of_others();
            let taken_back = nic.taken_back.clone();
            nics.push(NicColumns { name: nic.spec.name.clone(), is_made, mac, guid, ips, taken_back });
        }

        Self { nics, dropped: merged.dropped.clone() }
    }
}

impl ClassNics {
    /// Returns the element of a set's `unset` that unsets a fact of an interface.
    fn taken_back(&self, name: &str, fact: NicFact) -> Option<&Place> {
        let key = match fact {
            NicFact::Mac => "mac",
            NicFact::Guid => "guid",
            NicFact::Ip => "ip",
        };
        let find = |all: &'_ [(Box<str>, Place)], wanted: &str| all.iter().position(|(taken, _)| &**taken == wanted);
        if let Some(at) = find(&self.dropped, name) {
            return Some(&self.dropped[at].1);
        }
        let nic = self.nics.iter().find(|nic| &*nic.name == name)?;
        find(&nic.taken_back, key).map(|at| &nic.taken_back[at].1)
    }
}

/// Parses a text as a column of a table of `count` machines. A `[[set]]` selects nodes of any
/// tables, so it has no patterns.
fn column_of(text: &Identity, count: usize, findings: &mut Findings) -> Option<Column> {
    let at = At { value: text.text.clone(), span: text.place.span.unwrap_or(Span { start: 0, end: 0 }) };
    let is_of_set = matches!(text.origin.layer, Layer::Set(_));
    if is_of_set && Pattern::parse(&text.text).is_ok_and(|pattern| !pattern.is_plain()) {
        let finding = Diagnostic::new(Code::PatternLength, text.place.clone(), "a [[set]] has no patterns");
        findings.push(finding.hint("write one [[set]] for each node, or use a template such as {{ nid }}"));
        return None;
    }
    Column::fitting(&text.place.file, &at, count, findings)
}

fn add_template(engine: &mut Environment<'static>, text: &Identity, findings: &mut Findings) -> Option<String> {
    let name = format!("{}:{}", text.place.file, text.origin.at);
    match template::add(engine, name.clone(), &text.text) {
        Ok(()) => Some(name),
        Err(rejection) => {
            let error = rejection.into();
            findings.push(Diagnostic::new(Code::Template, text.place.clone(), template::reason(&error)));
            None
        }
    }
}

/// The inputs for expanding the nodes of a commit.
#[derive(Debug)]
pub struct Ground<'a, 't> {
    pub facts: &'a Facts<'t>,
    pub engine: &'a Environment<'static>,
    /// The index of each `[[bmc]]` and inline BMC by its name.
    pub bmcs: &'a HashMap<Box<str>, u32>,
    /// The sorted names of all BMCs, computed when a missing one is looked up.
    pub sorted: &'a OnceLock<Vec<&'a str>>,
}

/// The parts of a node's class that expanding the node needs.
#[derive(Debug, Clone, Copy)]
pub struct ClassView<'a> {
    /// The index of the class.
    pub index: u32,
    pub nics: &'a ClassNics,
    /// The layer of the `[[node]]` table.
    pub table: &'a LayerTable,
    pub state: ClassState,
}

/// The node states that the layers of a class set.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClassState {
    /// Set by groups or the table.
    pub weak: Option<Stated<NodeState>>,
    /// Set by sets, which are stronger than facts.
    pub strong: Option<Stated<NodeState>>,
}

/// A fact of a node's BMC, to be applied to the BMC once all nodes are expanded.
pub type BmcFactOf<'f, 't> = (u32, BmcFact, FactCell<'f, 't>);

/// One node, and those of its facts that concern other items.
pub struct ExpandedNode<'f, 't> {
    pub node: Node,
    pub of_bmc: Vec<BmcFactOf<'f, 't>>,
    /// The elements of `unset` that unset a fact.
    pub taken: Vec<Place>,
}

/// Expands one node.
pub fn node<'a, 't>(
    plan: &TablePlan<'t>,
    item: usize,
    class: ClassView<'_>,
    ground: &Ground<'a, 't>,
    findings: &mut Findings,
) -> ExpandedNode<'a, 't> {
    let name = plan.names[item].clone();
    let item = plan.places[item] as usize;
    let ClassView { nics, .. } = class;
    let origin = plan.here.origin(plan.name_span);

    let mut node = Node {
        origin,
        class: class.index,
        state: Stated::new(NodeState::Active, origin),
        xname: plan.stated(plan.xname.as_ref(), item).and_then(|(text, at)| xname(at, text, findings)),
        nid: plan.stated(plan.nid.as_ref(), item).and_then(|(text, at)| nid(at, text, findings)),
        serial: plan.stated(plan.serial.as_ref(), item).map(|(text, _)| text.map(Into::into)),
        uuid: plan.stated(plan.uuid.as_ref(), item).and_then(|(text, at)| uuid(at, text, findings)),
        bmc: bmc(plan, &name, item, ground, findings),
        system: plan.stated(plan.system.as_ref(), item).map(|(text, _)| text.value.into()),
        nics: vec![Nic::default(); nics.nics.len()].into(),
        own: Box::default(),
        name,
    };

    let mut own = Vec::new();
    if !plan.vars.is_empty() {
        let Here { file, layer, .. } = plan.here;
        own.push(OwnLayer { file, layer, state: None, vars: plan.vars.get(item) });
    }

    for (nic, columns) in node.nics.iter_mut().zip(&nics.nics) {
        state_addresses(nic, columns, item, findings);
    }
    let mut taken = Vec::new();
    let of_bmc = take_facts(&mut node, &mut own, &mut taken, class, ground, findings);

    let of_facts = own.iter().find_map(|layer| {
        layer.state.as_ref().map(|at| {
            let origin = Origin { file: layer.file, at: at.span.start as u32, layer: layer.layer };
            Stated::new(at.value, origin)
        })
    });

    let ClassState { weak, strong } = class.state;
    node.state = strong.or(of_facts).or(weak).unwrap_or(node.state);
    node.own = own.into();
    compute_ips(&mut node, nics, item, ground, findings);
    ExpandedNode { node, of_bmc, taken }
}

fn bmc(
    plan: &TablePlan<'_>,
    name: &str,
    item: usize,
    ground: &Ground<'_, '_>,
    findings: &mut Findings,
) -> Option<Stated<u32>> {
    let bmc = plan.bmc.as_ref()?;
    let origin = plan.here.origin(bmc.span);
    let wanted = match (&bmc.value, &plan.bmc_names) {
        (NodeBmc::Inline(_), _) => name.to_owned(),
        (NodeBmc::Named(_), Some(column)) => column.get(item),
        (NodeBmc::Named(_), None) => return None,
    };

    if let Some(index) = ground.bmcs.get(wanted.as_str()) {
        return Some(Stated::new(*index, origin));
    }

    let known = ground.sorted.get_or_init(|| {
        let mut known: Vec<&str> = ground.bmcs.keys().map(|name| &**name).collect();
        known.sort_unstable();
        known
    });

    let hint =
        did_you_mean_sorted(&wanted, known, |name| name).unwrap_or_else(|| "declare it in a [[bmc]] table".into());
    let message = format!("there is no BMC `{wanted}`");
    findings.push(Diagnostic::new(Code::NoSuchBmc, plan.here.place(bmc.span), message).hint(hint));
    None
}

/// Returns the field for an interface's MAC address: an adapter is identified by its own, a bond,
/// VLAN or bridge is assigned one.
fn mac_of(nic: &mut Nic, is_made: bool) -> &mut Option<Stated<MacAddr>> {
    if is_made { &mut nic.given_mac } else { &mut nic.mac }
}

fn state_addresses(nic: &mut Nic, columns: &NicColumns, item: usize, findings: &mut Findings) {
    if let Some((column, text)) = &columns.mac {
        let value = Stated::new(column.get(item), text.origin);
        *mac_of(nic, columns.is_made) = address(text.place.clone(), value, "MAC address", MacAddr::parse, findings);
    }
    if let Some((column, text)) = &columns.guid {
        let value = Stated::new(column.get(item), text.origin);
        nic.guid = address(text.place.clone(), value, "GUID", Guid::parse, findings);
    }
}

fn compute_ips(node: &mut Node, nics: &ClassNics, item: usize, ground: &Ground<'_, '_>, findings: &mut Findings) {
    if nics.nics.iter().all(|columns| columns.ips.is_empty()) {
        return;
    }
    let context = std::cell::OnceCell::new();

    for (at, columns) in nics.nics.iter().enumerate() {
        for (text, identity) in &columns.ips {
            let value = match text {
                IpText::Column(column) => Ok(column.get(item)),
                IpText::Template(name) => {
                    let context = context.get_or_init(|| identity_context(node));
                    ground.engine.get_template(name).and_then(|template| template.render(context))
                }
            };
            let ip = match value {
                Ok(value) => values::ip(&|| identity.place.clone(), value.trim(), findings),
                Err(error) => {
                    let message = format!("{}: {}", node.name, template::reason(&error));
                    let is_undefined = message.contains(template::IS_UNDEFINED);
                    let hint = is_undefined.then(|| "an address may use name, nid, xname and net() only".to_owned());
                    let finding = Diagnostic::new(Code::Template, identity.place.clone(), message);
                    findings.push(finding.maybe_hint(hint));
                    None
                }
            };
            node.nics[at].ips.extend(ip.map(|ip: IpAddr| Stated::new(ip, identity.origin)));
        }
    }
}

/// Returns the scope for the templates of identity fields.
fn identity_context(node: &Node) -> Value {
    let mut entries: Vec<(&str, Value)> = vec![("name", Value::from(&*node.name))];
    entries.extend(node.nid.map(|nid| ("nid", Value::from(nid.value))));
    entries.extend(node.xname.as_ref().map(|xname| ("xname", Value::from(xname.value.as_str()))));
    Value::from_pairs(entries)
}

fn take_facts<'a, 't>(
    node: &mut Node,
    own: &mut Vec<OwnLayer>,
    taken: &mut Vec<Place>,
    class: ClassView<'_>,
    ground: &Ground<'a, 't>,
    findings: &mut Findings,
) -> Vec<BmcFactOf<'a, 't>> {
    let mut of_bmc = Vec::new();
    let name = node.name.clone();
    for cell in ground.facts.of(&name) {
        let text = || Stated::new(cell.text.to_owned(), cell.origin);
        match cell.fact {
            Fact::Xname if node.xname.is_none() => node.xname = xname(cell.place(), text(), findings),
            Fact::Nid if node.nid.is_none() => node.nid = nid(cell.place(), text(), findings),
            Fact::Serial if node.serial.is_none() => node.serial = Some(text().map(Into::into)),
            Fact::Uuid if node.uuid.is_none() => node.uuid = uuid(cell.place(), text(), findings),
            Fact::Xname => findings.push(stated_twice(&cell, "xname")),
            Fact::Nid => findings.push(stated_twice(&cell, "nid")),
            Fact::Serial => findings.push(stated_twice(&cell, "serial number")),
            Fact::Uuid => findings.push(stated_twice(&cell, "UUID")),
            Fact::Bmc(fact) => match node.bmc {
                Some(bmc) => of_bmc.push((bmc.value, *fact, cell)),
                None => {
                    let message = format!("`{}` has no BMC for this fact", node.name);
                    findings.push(Diagnostic::new(Code::NoSuchBmc, cell.place(), message));
                }
            },
            Fact::Mac | Fact::Ip | Fact::TlsPin => {
                let message = format!("`{}` is a node, and this column is for BMCs", node.name);
                let finding = Diagnostic::new(Code::FactsColumn, cell.place(), message);
                findings.push(finding.hint("an interface's column is nics.NAME.mac, a node's BMC's is bmc.mac"));
            }
            Fact::Nic(nic, fact) => match class.nics.taken_back(nic, *fact) {
                Some(place) => taken.push(place.clone()),
                None => take_nic_fact(node, class.nics, nic, *fact, &cell, findings),
            },
            Fact::State => own_facts::take_state(own, class.table, &cell, findings),
            Fact::Var(path) => own_facts::take_var(own, class.table, path, &cell, findings),
        }
    }

    of_bmc
}

fn take_nic_fact(
    node: &mut Node,
    nics: &ClassNics,
    name: &str,
    fact: NicFact,
    cell: &FactCell<'_, '_>,
    findings: &mut Findings,
) {
    let Some(at) = nics.nics.iter().position(|columns| &*columns.name == name) else {
        let message = format!("`{}` has no interface `{name}`", node.name);
        let hint = did_you_mean(name, nics.nics.iter().map(|columns| &*columns.name))
            .unwrap_or_else(|| format!("add {{ name = \"{name}\" }} to the `nics` of its table or group"));
        findings.push(Diagnostic::new(Code::NoSuchNic, cell.place(), message).hint(hint));
        return;
    };

    let nic = &mut node.nics[at];
    let is_made = nics.nics[at].is_made;
    let text = || Stated::new(cell.text.to_owned(), cell.origin);

    match fact {
        NicFact::Mac if mac_of(nic, is_made).is_some() => findings.push(stated_twice(cell, "MAC address")),
        NicFact::Mac => {
            *mac_of(nic, is_made) = address(cell.place(), text(), "MAC address", MacAddr::parse, findings);
        }
        NicFact::Guid if nic.guid.is_some() => findings.push(stated_twice(cell, "GUID")),
        NicFact::Guid => nic.guid = address(cell.place(), text(), "GUID", Guid::parse, findings),
        // A set is stronger than facts.
        NicFact::Ip if nics.nics[at].ips.iter().any(|(_, text)| matches!(text.origin.layer, Layer::Set(_))) => {}
        NicFact::Ip if !nics.nics[at].ips.is_empty() || !nic.ips.is_empty() => {
            findings.push(stated_twice(cell, "IP address"));
        }
        NicFact::Ip => {
            let ip = values::ip(&|| cell.place(), cell.text, findings);
            nic.ips.extend(ip.map(|ip| Stated::new(ip, cell.origin)));
        }
    }
}
