//! Converts the served commit to its stored form and back: inputs, scripts by digest, documents
//! compressed.

use std::borrow::Cow;
use std::collections::HashMap;

use tracing::{error, warn};

use super::words::chain;
use crate::ipxe::Script;
use crate::model::{Revision, Tree};
use crate::snapshot::{Answer, Folded, Reach, Snapshot, StoredBoot};
use crate::store::{Accepted, Appended, BootRow, Digest, Rendered, Store, StoreError};
use crate::story::{Happening, Stat};

/// The version of muster that renders what is stored.
pub const MUSTER: &str = env!("CARGO_PKG_VERSION");

/// Writes the inputs, scripts and documents of a snapshot, and its events.
///
/// # Errors
/// The store cannot write. Nothing was changed.
pub fn store(
    store: &Store,
    (snapshot, tree, accepted): (&Snapshot, &Tree, &Accepted),
    happened: &[Happening],
) -> Result<Appended, StoreError> {
    let mut rows = Vec::with_capacity(snapshot.nodes().len());
    let mut scripts = Vec::with_capacity(snapshot.nodes().len());
    for at in 0..snapshot.nodes().len() {
        let Some(row) = row(snapshot, at) else { continue };
        scripts.push((row.digest, at));
        rows.push(row);
    }

    scripts.sort_unstable();
    let documents = snapshot.fold_documents();
    if documents.is_none() {
        warn!("the documents of all nodes are too large to be stored; scripts are");
    }

    let Reach { cluster, own: advertise, networks } = Reach::of(snapshot);
    let documents = documents.map(|folded| folded.sheaves().to_vec());
    let rendered = Rendered { muster: Some(MUSTER.into()), cluster, advertise, networks, rows, documents };

    let body = |row: &BootRow| -> Cow<'_, [u8]> {
        let found = scripts.binary_search_by(|(digest, _)| digest.cmp(&row.digest)).map(|found| scripts[found].1);
        match found.map(|at| snapshot.answer(at)) {
            Ok(Answer::Script(prepared)) => prepared.script.marked().as_bytes().into(),
            Ok(Answer::Retired | Answer::Nothing) | Err(_) => (&[][..]).into(),
        }
    };

    store.accept(accepted, tree, &rendered, &body, happened)
}

fn row(snapshot: &Snapshot, at: usize) -> Option<BootRow> {
    let Answer::Script(prepared) = snapshot.answer(at) else { return None };
    let node = &snapshot.nodes()[at];
    Some(BootRow {
        name: node.name.clone(),
        macs: node.nics.iter().filter_map(|nic| nic.mac.map(|mac| mac.value)).collect(),
        nid: node.nid.map(|nid| nid.value),
        xname: node.xname.as_ref().map(|xname| xname.value.as_str().into()),
        serial: node.serial.as_ref().map(|serial| serial.value.clone()),
        uuid: node.uuid.map(|uuid| uuid.value),
        ips: node.nics.iter().flat_map(|nic| &nic.ips).map(|ip| ip.value).collect(),
        digest: prepared.digest,
    })
}

/// The stored form of the last good commit, without its inputs.
pub struct Stored {
    pub snapshot: Snapshot,
    /// The version of muster that rendered it, if known.
    pub muster: Option<Box<str>>,
    pub has_documents: bool,
}

/// Reads the rendered bytes of the last good commit, or `None` if the store has none.
pub fn stored(store: &Store, revision: &Revision) -> Option<Stored> {
    let read = || -> Result<Stored, StoreError> {
        let bodies = store.bodies()?;
        let Rendered { muster, cluster, advertise, networks, rows, documents } = store.rendered()?;
        let count = rows.len();
        let boots = rows.into_iter().filter_map(|row| {
            let BootRow { name, macs, nid, xname, serial, uuid, ips, digest } = row;
            let script = Script::from_marked(std::str::from_utf8(bodies.get(&digest)?).ok()?);
            Some(StoredBoot { name, macs, nid, xname, serial, uuid, ips, script, digest })
        });
        let boots: Vec<StoredBoot> = boots.collect();
        // They are in row order.
        let documents = documents.filter(|_| boots.len() == count);
        let has_documents = documents.is_some();
        let documents = Folded::from_stored(documents.unwrap_or_default());
        let reach = Reach { cluster, own: advertise, networks };
        let snapshot = Snapshot::from_stored(revision.clone(), boots, documents, reach);
        Ok(Stored { snapshot, muster, has_documents })
    };

    match read() {
        Ok(stored) => Some(stored).filter(|stored| !stored.snapshot.nodes().is_empty()),
        Err(error) => {
            error!(error = %chain(&error), "the stored scripts cannot be read");
            None
        }
    }
}

/// Counts the nodes whose scripts differ between the stored snapshot and the newly built one.
pub fn changed(stored: &Snapshot, built: &Snapshot) -> u64 {
    let Stat { added, removed, scripts } = stat(stored, built);
    u64::from(added) + u64::from(removed) + u64::from(scripts)
}

/// Counts the nodes that a snapshot adds, removes, and gives another script.
pub fn stat(before: &Snapshot, after: &Snapshot) -> Stat {
    let mut known: HashMap<&str, Digest> = scripts(before).collect();
    let mut stat = Stat::default();
    for (name, digest) in scripts(after) {
        match known.remove(name) {
            Some(known) if known == digest => {}
            Some(_) => stat.scripts += 1,
            None => stat.added += 1,
        }
    }
    stat.removed = u32::try_from(known.len()).unwrap_or(u32::MAX);
    stat
}

/// Iterates over the nodes with a script, by name.
pub fn scripts(snapshot: &Snapshot) -> impl Iterator<Item = (&str, Digest)> {
    (0..snapshot.nodes().len()).filter_map(|at| match snapshot.answer(at) {
        Answer::Script(prepared) => Some((&*snapshot.nodes()[at].name, prepared.digest)),
        Answer::Retired | Answer::Nothing => None,
    })
}
