//! A Snapshot from stored scripts, for when the inputs that they came from cannot be read any more.
//!
//! After an upgrade whose rules refuse the last good commit, and with git away, nodes still boot by what was stored: the
//! scripts, and by what each node is found. Documents and layers are gone with the inputs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::index::Index;
use super::{Answer, Prepared, Snapshot};
use crate::desired::{
    Class, Cluster, Desired, LayerTable, Nic, NicKind, NicSpec, Node, NodeState, Policy, Source, Sources, Unknown,
};
use crate::ipxe::{self, Script};
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
    pub script: Script,
    pub digest: [u8; 32],
}

impl Snapshot {
    /// Serves stored scripts. Machines that are not among them are asked to wait.
    #[must_use]
    pub fn from_stored(revision: Revision, boots: Vec<StoredBoot>) -> Self {
        let mut classes: Vec<Class> = Vec::new();
        let mut by_nics: HashMap<usize, u32> = HashMap::new();
        let mut nodes = Vec::with_capacity(boots.len());
        let mut answers = Vec::with_capacity(boots.len());
        for StoredBoot { name, macs, nid, xname, script, digest } in boots {
            let class = *by_nics.entry(macs.len()).or_insert_with(|| {
                classes.push(class(macs.len()));
                (classes.len() - 1) as u32
            });
            nodes.push(Node {
                name,
                origin: NOWHERE,
                class,
                state: NodeState::Active,
                xname: xname.and_then(|text| Xname::parse(&text).ok()).map(|xname| Stated::new(xname, NOWHERE)),
                nid: nid.map(|nid| Stated::new(nid, NOWHERE)),
                serial: None,
                uuid: None,
                bmc: None,
                system: None,
                nics: macs
                    .into_iter()
                    .map(|mac| Nic { mac: Some(Stated::new(mac, NOWHERE)), ..Nic::default() })
                    .collect(),
            });
            answers.push(Answer::Script(Prepared { script, digest }));
        }
        let (resolved, _) = resolve::resolve(Arc::new(desired(classes, nodes)));
        Self {
            revision,
            index: Index::new(&resolved.desired.nodes),
            answers,
            unknown: Vec::new(),
            again: ipxe::ask_again(Some(super::build::UNKNOWN_DELAY)),
            again_now: ipxe::ask_again(None),
            resolved,
            is_stored: true,
        }
    }
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
        origin: NOWHERE,
    };
    Class { table: 0, groups: Vec::new(), nics: (0..nics).map(spec).collect() }
}

fn desired(classes: Vec<Class>, nodes: Vec<Node>) -> Desired {
    let mut sources = Sources::default();
    // What has no file any more still has a place.
    sources.add("stored", &Arc::from(*b""));
    let source = || Source { file: NOWHERE.file, layer: Layer::BuiltIn, table: LayerTable::default() };
    Desired {
        sources,
        cluster: Cluster {
            name: Box::default(),
            advertise: None,
            retry_delay: 0,
            credentials: Vec::new(),
            unknown: Unknown::Retry,
        },
        defaults: source(),
        groups: Vec::new(),
        boots: Vec::new(),
        networks: Arc::default(),
        templates: BTreeMap::new(),
        tables: vec![source()],
        classes,
        nodes,
        bmcs: Vec::new(),
        policy: Policy::default(),
        exceptions: Vec::new(),
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
            digest: script.digest(),
            script,
        };
        let snapshot = Snapshot::from_stored(Revision::commit("abc"), vec![boot]);
        let found =
            [snapshot.by_mac(mac), snapshot.by_nid(7), snapshot.by_name("n1"), snapshot.by_name("x1000c0s0b0n0")];
        assert_eq!(found, [Some(0); 4]);
        assert!(snapshot.is_stored());
        assert_eq!(snapshot.first_mac(0), Some(mac));
        let Answer::Script(prepared) = snapshot.answer(0) else { panic!("a script") };
        assert_eq!(prepared.script.marked(), "#!ipxe\nexit 0\n");
    }
}
