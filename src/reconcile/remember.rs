//! What is served, to the store and back: inputs, and scripts by their digests.

use tracing::error;

use super::words::chain;
use crate::ipxe::Script;
use crate::model::{Revision, Tree};
use crate::snapshot::{Answer, Snapshot, StoredBoot};
use crate::store::{Accepted, BootRow, Store, StoreError};

/// Writes a Snapshot's inputs and scripts.
pub fn store(store: &Store, snapshot: &Snapshot, tree: &Tree, accepted: &Accepted) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(snapshot.nodes().len());
    let mut scripts = Vec::with_capacity(snapshot.nodes().len());
    for (at, node) in snapshot.nodes().iter().enumerate() {
        let Answer::Script(prepared) = snapshot.answer(at) else { continue };
        rows.push(BootRow {
            name: node.name.clone(),
            macs: node.nics.iter().filter_map(|nic| nic.mac.map(|mac| mac.value)).collect(),
            nid: node.nid.map(|nid| nid.value),
            xname: node.xname.as_ref().map(|xname| xname.value.as_str().into()),
            digest: prepared.digest,
        });
        scripts.push((prepared.digest, at));
    }
    scripts.sort_unstable();
    store.accept(accepted, tree, &rows, &|row| {
        let found = scripts.binary_search_by(|(digest, _)| digest.cmp(&row.digest)).map(|found| scripts[found].1);
        match found.map(|at| snapshot.answer(at)) {
            Ok(Answer::Script(prepared)) => prepared.script.marked().as_bytes().into(),
            Ok(Answer::Retired | Answer::Nothing) | Err(_) => (&[][..]).into(),
        }
    })
}

/// Reads the scripts of the last good commit, for when its inputs do not check any more.
pub fn stored_scripts(store: &Store, revision: &Revision) -> Option<Snapshot> {
    let read = || -> Result<Vec<StoredBoot>, StoreError> {
        let bodies = store.bodies()?;
        let boots = store.rows()?.into_iter().filter_map(|BootRow { name, macs, nid, xname, digest }| {
            let script = Script::from_marked(std::str::from_utf8(bodies.get(&digest)?).ok()?);
            Some(StoredBoot { name, macs, nid, xname, script, digest })
        });
        Ok(boots.collect())
    };
    match read() {
        Ok(boots) => Some(Snapshot::from_stored(revision.clone(), boots)),
        Err(error) => {
            error!(error = %chain(&error), "the stored scripts cannot be read");
            None
        }
    }
}
