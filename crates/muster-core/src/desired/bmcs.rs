//! Converts `[[bmc]]` tables and the inline BMCs of nodes to [`Bmc`].

use super::at::At;
use super::columns::Column;
use super::facts::{BmcFact, Fact, FactCell, Facts};
use super::file::{BmcDefaults, BmcKind, BmcTable, InlineBmc, Protocol, Tls};
use super::files::TableSource;
use super::identity::{address, stated_twice};
use super::nodes::TablePlan;
use super::sources::{Findings, Here};
use super::suggest::did_you_mean_sorted;
use super::values;
use super::{Bmc, Network};
use crate::model::{Code, Diagnostic, MacAddr, Origin, Place, Span, Stated, Xname, XnameKind};

/// The context for checking the BMCs of a commit.
#[derive(Debug)]
pub struct Ground<'a> {
    pub networks: &'a [Network],
    /// The names of accounts, sorted.
    credentials: Vec<&'a str>,
    defaults: Common,
}

impl<'a> Ground<'a> {
    /// Reads `[defaults.bmc]`.
    pub fn new(
        here: &Here<'_>,
        defaults: &BmcDefaults,
        networks: &'a [Network],
        credentials: &'a [Box<str>],
        findings: &mut Findings,
    ) -> Self {
        let BmcDefaults { credentials: name, tls, network, protocol } = defaults.clone();
        let table = BmcTable { credentials: name, tls, network, protocol, ..BmcTable::default() };
        let base = Common {
            network: None,
            kind: BmcKind::Node,
            protocol: Protocol::Redfish,
            credentials: None,
            tls: Tls::Verify,
            origin: here.origin(Span { start: 0, end: 0 }),
        };

        let mut credentials: Vec<&str> = credentials.iter().map(|name| &**name).collect();
        credentials.sort_unstable();
        let mut ground = Ground { networks, credentials, defaults: base };
        ground.defaults = Common::of(here, &table, &ground, findings);
        ground
    }
}

/// Expands one `[[bmc]]` table.
pub fn lower(source: &TableSource<'_, BmcTable>, ground: &Ground<'_>, findings: &mut Findings) -> Vec<Bmc> {
    let TableSource { here, table, has_mistakes } = source;
    let bmc = &table.value;
    let Some(name) = &bmc.name else {
        findings.push(Diagnostic::new(Code::MissingKey, here.place(table.span), "a [[bmc]] table needs `name`"));
        return Vec::new();
    };

    let Some(names) = Column::names(here, name, findings) else { return Vec::new() };
    let count = names.len();
    let kept = names.kept(here, bmc.except.as_ref(), findings);
    let mut column = |text: &Option<At<String>>| Column::of(here, text.as_ref(), count, findings);
    let columns = (column(&bmc.xname), column(&bmc.url), column(&bmc.mac), column(&bmc.ip), column(&bmc.tls_pin));
    let common = Common::of(here, bmc, ground, findings);
    let mut all = Vec::with_capacity(kept.len());

    for item in kept.into_iter().map(|item| item as usize) {
        let name = names.get(item);
        let xname = columns.0.as_ref().map(|column| column.get(item));
        let xname = match xname {
            Some(text) => xname_of(here.place(columns.0.as_ref().map_or(table.span, |c| c.span)), &text, findings),
            None => Xname::parse(&name).ok(),
        };
        let place = |column: &Option<Column>| here.place(column.as_ref().map_or(table.span, |column| column.span));
        let stated = |column: &Option<Column>| {
            column.as_ref().map(|column| Stated::new(column.get(item), here.origin(column.span)))
        };
        let mac = stated(&columns.2)
            .and_then(|text| address(place(&columns.2), text, "MAC address", MacAddr::parse, findings));
        let ip = stated(&columns.3).and_then(|text| {
            values::ip(&|| place(&columns.3), &text.value, findings).map(|ip| Stated::new(ip, text.origin))
        });
        let mut made = Bmc {
            name: name.into(),
            origin: here.origin(names.span),
            xname,
            url: stated(&columns.1).map(|url| url.map(Into::into)),
            tls_pin: stated(&columns.4).map(|pin| pin.map(Into::into)),
            mac,
            ip,
            ..common.bmc()
        };
        check_url(&mut made, || place(&columns.1), findings);
        if bmc.url.is_none() && !has_mistakes {
            needs_url(&made, here.place(table.span), findings);
        }
        check_network(&made, ground.networks, &|| place(&columns.1), findings);
        all.push(made);
    }

    all
}

/// Expands the BMC that a `[[node]]` table declares inline: one for each node, with the node's
/// name.
pub fn inline(
    plan: &TablePlan<'_>,
    span: Span,
    table: &InlineBmc,
    ground: &Ground<'_>,
    findings: &mut Findings,
) -> Vec<Bmc> {
    let here = &plan.here;
    let InlineBmc { url, network, mac, protocol, credentials, tls, tls_pin } = table.clone();
    let full = BmcTable { network, protocol, credentials, tls, ..BmcTable::default() };
    let common = Common::of(here, &full, ground, findings);
    let mut column = |text: &Option<At<String>>| Column::of(here, text.as_ref(), plan.count, findings);
    let (url, mac, pin) = (column(&url), column(&mac), column(&tls_pin));
    let mut all = Vec::with_capacity(plan.names.len());

    for (name, item) in plan.names.iter().zip(&plan.places) {
        let item = *item as usize;
        let place = |column: &Option<Column>| here.place(column.as_ref().map_or(span, |column| column.span));
        let stated = |column: &Option<Column>| {
            column.as_ref().map(|column| Stated::new(column.get(item), here.origin(column.span)))
        };
        let mut made = Bmc {
            name: name.clone(),
            origin: here.origin(span),
            url: stated(&url).map(|url| url.map(Into::into)),
            tls_pin: stated(&pin).map(|pin| pin.map(Into::into)),
            mac: stated(&mac).and_then(|text| address(place(&mac), text, "MAC address", MacAddr::parse, findings)),
            ..common.bmc()
        };
        check_url(&mut made, || place(&url), findings);
        if table.url.is_none() && !plan.has_mistakes {
            needs_url(&made, here.place(span), findings);
        }
        check_network(&made, ground.networks, &|| place(&url), findings);
        all.push(made);
    }

    all
}

/// The properties that all BMCs of one table share.
#[derive(Debug, Clone)]
struct Common {
    network: Option<u16>,
    kind: BmcKind,
    protocol: Protocol,
    credentials: Option<Stated<Box<str>>>,
    tls: Tls,
    origin: Origin,
}

impl Common {
    fn of(here: &Here<'_>, table: &BmcTable, ground: &Ground<'_>, findings: &mut Findings) -> Self {
        let weaker = &ground.defaults;
        let network = table.network.as_ref();
        let network = network.and_then(|name| super::networks::find(here, name, ground.networks, findings));
        let credentials = table.credentials.as_ref();
        let credentials = credentials.and_then(|name| credential(here, name, &ground.credentials, findings));

        Self {
            network: network.map(|network| network.value).or(weaker.network),
            kind: table.kind.as_ref().map_or(weaker.kind, |kind| kind.value),
            protocol: table.protocol.as_ref().map_or(weaker.protocol, |protocol| protocol.value),
            credentials: credentials.or_else(|| weaker.credentials.clone()),
            tls: table.tls.as_ref().map_or(weaker.tls, |tls| tls.value),
            origin: here.origin(Span { start: 0, end: 0 }),
        }
    }

    fn bmc(&self) -> Bmc {
        Bmc {
            name: Box::default(),
            origin: self.origin,
            xname: None,
            url: None,
            network: self.network,
            kind: self.kind,
            protocol: self.protocol,
            credentials: self.credentials.clone(),
            tls: self.tls,
            tls_pin: None,
            mac: None,
            ip: None,
        }
    }
}

/// Finds a credential name in the list of cluster.toml.
fn credential(here: &Here<'_>, name: &At<String>, known: &[&str], findings: &mut Findings) -> Option<Stated<Box<str>>> {
    if known.binary_search(&name.value.as_str()).is_ok() {
        return Some(Stated::new(name.value.as_str().into(), here.origin(name.span)));
    }
    let hint = did_you_mean_sorted(&name.value, known, |name| name)
        .unwrap_or_else(|| "list it under `credentials` in cluster.toml".into());
    let message = format!("there is no credential name `{}`", name.value);
    findings.push(Diagnostic::new(Code::NoSuchCredential, here.place(name.span), message).hint(hint));
    None
}

fn xname_of(place: Place, text: &str, findings: &mut Findings) -> Option<Xname> {
    match Xname::parse(text) {
        Ok(xname) if xname.kind() != XnameKind::Node => Some(xname),
        Ok(xname) => {
            let message = format!("`{xname}` is the place of a node, not of a BMC");
            findings.push(Diagnostic::new(Code::BadXname, place, message));
            None
        }
        Err(error) => {
            findings.push(Diagnostic::new(Code::BadXname, place, format!("`{text}`: {error}")));
            None
        }
    }
}

fn check_url(bmc: &mut Bmc, place: impl Fn() -> Place, findings: &mut Findings) {
    let Some(url) = &bmc.url else { return };
    if let Some(fault) = values::url_fault(&url.value, &["https", "http"]) {
        findings.push(Diagnostic::new(Code::BadUrl, place(), format!("`{}`: {fault}", url.value)));
        bmc.url = None;
    }
}

/// Reports a BMC whose table states no URL.
fn needs_url(bmc: &Bmc, table: Place, findings: &mut Findings) {
    if bmc.protocol != Protocol::None {
        let finding = Diagnostic::new(Code::MissingKey, table, "a BMC needs `url`");
        findings.push(finding.hint("say where Redfish answers, or `protocol = \"none\"` if it cannot be observed"));
    }
}

/// Checks that an address in the URL or the table lies in the BMC's network.
fn check_network(bmc: &Bmc, networks: &[Network], place: &dyn Fn() -> Place, findings: &mut Findings) {
    let Some(network) = bmc.network.map(|at| &networks[usize::from(at)]) else { return };
    let in_url = bmc.url.as_ref().and_then(|url| values::host_of(&url.value)?.parse().ok());
    for address in in_url.into_iter().chain(bmc.ip.map(|ip| ip.value)) {
        if !network.cidrs.is_empty() && !network.cidrs.iter().any(|cidr| cidr.contains(&address)) {
            let message = format!("{address} of BMC `{}` is not in network `{}`", bmc.name, network.name);
            findings.push(Diagnostic::new(Code::IpOutsideNetwork, place(), message));
        }
    }
}

/// Applies the facts of the rows with a BMC's own name.
pub fn take_own_facts(bmc: &mut Bmc, facts: &Facts<'_>, findings: &mut Findings) {
    let name = bmc.name.clone();
    for cell in facts.of(&name) {
        match cell.fact {
            Fact::Mac => take_fact(bmc, BmcFact::Mac, &cell, findings),
            Fact::Ip => take_fact(bmc, BmcFact::Ip, &cell, findings),
            Fact::TlsPin => take_fact(bmc, BmcFact::TlsPin, &cell, findings),
            Fact::Xname if bmc.xname.is_none() => bmc.xname = xname_of(cell.place(), cell.text, findings),
            Fact::Xname => findings.push(stated_twice(&cell, "xname")),
            Fact::Nid | Fact::Serial | Fact::Uuid | Fact::State | Fact::Var(_) | Fact::Bmc(_) | Fact::Nic(..) => {
                let message = format!("`{}` is a BMC, and this column is for nodes", bmc.name);
                findings.push(Diagnostic::new(Code::FactsColumn, cell.place(), message));
            }
        }
    }
}

/// Applies one fact of a BMC, from its own row or from its node's.
pub fn take_fact(bmc: &mut Bmc, fact: BmcFact, cell: &FactCell<'_, '_>, findings: &mut Findings) {
    let text = Stated::new(cell.text.to_owned(), cell.origin);
    match fact {
        BmcFact::Mac if bmc.mac.is_some() => findings.push(stated_twice(cell, "MAC address of its BMC")),
        BmcFact::Mac => bmc.mac = address(cell.place(), text, "MAC address", MacAddr::parse, findings),
        BmcFact::Ip if bmc.ip.is_some() => findings.push(stated_twice(cell, "IP address of its BMC")),
        BmcFact::Ip => {
            let ip = values::ip(&|| cell.place(), cell.text, findings);
            bmc.ip = ip.map(|ip| Stated::new(ip, cell.origin));
        }
        BmcFact::TlsPin if bmc.tls_pin.is_some() => findings.push(stated_twice(cell, "TLS pin of its BMC")),
        BmcFact::TlsPin => bmc.tls_pin = Some(text.map(Into::into)),
    }
}
