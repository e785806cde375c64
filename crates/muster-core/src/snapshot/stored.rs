//! A Snapshot from stored bytes: for the first moments of a start, and for when the inputs that they came from do not
//! check any more.
//!
//! After an upgrade whose rules refuse the last good commit, and with git away, nodes still boot by what was stored:
//! scripts, documents, and by what each node is found. Layers and BMCs are gone with the inputs.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::folded::Folded;
use super::index::Index;
use super::{Answer, Prepared, Snapshot};
use crate::desired::{
    Class, Cluster, Desired, LayerTable, Network, Nic, NicKind, NicSettings, NicSpec, Node, NodeState, Policy, Source,
    Sources, Unknown,
};
use crate::ipxe::{self, Script};
use crate::model::clear_secret::SecretMask;
use crate::model::{FileId, Layer, MacAddr, Origin, Revision, Stated, Xname};
use crate::resolve;

/// Where values stand that no file states any more.
const NOWHERE: Origin = Origin { file: FileId(0), at: 0, layer: Layer::BuiltIn };

/// One node as it was stored.
#[derive(Debug, Clone)]
pub struct StoredBoot {
    pub name: Box<str>,
    pub macs: Vec<MacAddr>,
    pub nid: Option<u32>,
    pub xname: Option<Box<str>>,
    pub serial: Option<Box<str>>,
    pub uuid: Option<Uuid>,
    pub ips: Vec<IpAddr>,
    pub script: Script,
    pub digest: [u8; 32],
}

/// By which URLs machines reach muster, as the stored commit says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The cluster's name.
    pub cluster: Box<str>,
    /// The cluster's own URL.
    pub own: Option<Box<str>>,
    /// The networks that have one, in their order.
    pub networks: Vec<(Vec<IpNet>, Box<str>)>,
}

impl Reach {
    /// Takes it out of a Snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let desired = snapshot.desired();
        let with_url =
            desired.networks.iter().filter_map(|network| Some((network.cidrs.clone(), network.advertise.clone()?)));
        Self {
            cluster: desired.cluster.name.clone(),
            own: desired.cluster.advertise.as_ref().map(|url| url.value.clone()),
            networks: with_url.collect(),
        }
    }
}

impl Snapshot {
    /// Serves stored bytes; `documents` are in the order of `boots`. Machines that are not among them are asked to wait.
    #[must_use]
    pub fn from_stored(revision: Revision, boots: Vec<StoredBoot>, documents: Folded, reach: Reach) -> Self {
        let mut classes: Vec<Class> = Vec::new();
        let mut by_nics: HashMap<usize, u32> = HashMap::new();
        let mut nodes = Vec::with_capacity(boots.len());
        let mut answers = Vec::with_capacity(boots.len());
        for StoredBoot { name, macs, nid, xname, serial, uuid, ips, script, digest } in boots {
            // An address needs an interface to stand at.
            let nics = macs.len().max(usize::from(!ips.is_empty()));
            let class = *by_nics.entry(nics).or_insert_with(|| {
                classes.push(class(nics));
                (classes.len() - 1) as u32
            });
            nodes.push(Node {
                name,
                origin: NOWHERE,
                class,
                state: Stated::new(NodeState::Active, NOWHERE),
                xname: xname.and_then(|text| Xname::parse(&text).ok()).map(|xname| Stated::new(xname, NOWHERE)),
                nid: nid.map(|nid| Stated::new(nid, NOWHERE)),
                serial: serial.map(|serial| Stated::new(serial, NOWHERE)),
                uuid: uuid.map(|uuid| Stated::new(uuid, NOWHERE)),
                bmc: None,
                system: None,
                nics: interfaces(nics, &macs, ips).into(),
                own: Box::default(),
            });
            answers.push(Answer::Script(Prepared { script, digest }));
        }
        let (resolved, _) = resolve::resolve(Arc::new(desired(classes, nodes, reach)));
        Self {
            revision,
            index: Index::new(&resolved.desired.nodes),
            answers,
            documents: Vec::new(),
            unknown: Vec::new(),
            again: ipxe::ask_again(Some(super::build::UNKNOWN_DELAY)),
            again_now: ipxe::ask_again(None),
            resolved,
            stored: Some(documents),
        }
    }
}

/// The interfaces of a node, the first with all of its addresses: which of them has which is not told of.
fn interfaces(count: usize, macs: &[MacAddr], ips: Vec<IpAddr>) -> Vec<Nic> {
    let mut nics: Vec<Nic> = (0..count)
        .map(|at| Nic { mac: macs.get(at).map(|mac| Stated::new(*mac, NOWHERE)), ..Nic::default() })
        .collect();
    if let Some(first) = nics.first_mut() {
        first.ips = ips.into_iter().map(|ip| Stated::new(ip, NOWHERE)).collect();
    }
    nics
}

fn class(nics: usize) -> Class {
    let spec = |number| NicSpec {
        name: format!("nic{number}").into(),
        kind: NicKind::Ethernet,
        network: None,
        boot: false,
        members: Vec::new(),
        link: None,
        mtu: None,
        settings: NicSettings::default(),
        origin: NOWHERE,
    };
    Class { table: 0, groups: Vec::new(), sets: Vec::new(), nics: (0..nics).map(spec).collect() }
}

fn desired(classes: Vec<Class>, nodes: Vec<Node>, reach: Reach) -> Desired {
    let mut sources = Sources::default();
    // What has no file any more still has a place.
    sources.add("stored", &Arc::from(*b""));
    let source = || Source { file: NOWHERE.file, layer: Layer::BuiltIn, table: LayerTable::default() };
    Desired {
        sources,
        cluster: Cluster {
            name: reach.cluster,
            advertise: reach.own.map(|url| Stated::new(url, NOWHERE)),
            retry_delay: 0,
            credentials: Vec::new(),
            unknown: Unknown::Retry,
        },
        defaults: source(),
        groups: Vec::new(),
        boots: Vec::new(),
        networks: reach.networks.into_iter().map(|(cidrs, url)| network(cidrs, url)).collect(),
        templates: BTreeMap::new(),
        tables: vec![source()],
        classes,
        nodes,
        bmcs: Vec::new(),
        sets: Vec::new(),
        policy: Policy::default(),
        exceptions: Vec::new(),
        secrets: SecretMask::default(),
    }
}

fn network(cidrs: Vec<IpNet>, url: Box<str>) -> Network {
    Network {
        name: Box::default(),
        cidrs,
        gateways: Vec::new(),
        dns: Vec::new(),
        domain: None,
        vlan: None,
        mtu: None,
        advertise: Some(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_scripts_answer_by_every_key() {
        let mac = MacAddr::parse("02:00:00:00:00:01").unwrap();
        let script = Script::from_marked("#!ipxe\nexit 0\n");
        let boot = StoredBoot {
            name: "n1".into(),
            macs: vec![mac],
            nid: Some(7),
            xname: Some("x1000c0s0b0n0".into()),
            serial: None,
            uuid: None,
            ips: vec!["10.0.0.1".parse().unwrap()],
            digest: script.digest(),
            script,
        };
        let snapshot = Snapshot::from_stored(Revision::commit("abc"), vec![boot], Folded::default(), Reach::default());
        let found = [
            snapshot.by_mac(mac),
            snapshot.by_nid(7),
            snapshot.by_name("n1"),
            snapshot.by_name("x1000c0s0b0n0"),
            snapshot.by_ip("10.0.0.1".parse().unwrap()),
        ];
        assert_eq!(found, [Some(0); 5]);
        assert!(snapshot.is_stored() && !snapshot.knows_documents(0));
        assert_eq!(snapshot.first_mac(0), Some(mac));
        let Answer::Script(prepared) = snapshot.answer(0) else { panic!("a script") };
        assert_eq!(prepared.script.marked(), "#!ipxe\nexit 0\n");
    }
}
