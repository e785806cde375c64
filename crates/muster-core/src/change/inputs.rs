//! What two Snapshots are made from, compared once for all machines that have it in common.
//!
//! It explains why bytes differ. Whether they do, bytes alone decide.

use std::collections::HashMap;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use super::values::{self, Spot, Value, ValueChange};
use crate::desired::CloudInitFile;
use crate::snapshot::Snapshot;

/// What the two sides as wholes have in common, and each pair of classes once.
pub struct Inputs<'s> {
    base: &'s Snapshot,
    head: &'s Snapshot,
    /// What differs of the cluster and its networks.
    pub cluster: Vec<ValueChange>,
    /// The files under `cloud-init/` that differ.
    pub files: Vec<ValueChange>,
    classes: Mutex<HashMap<(u32, u32), ClassPair>>,
}

/// What two classes have in common.
#[derive(Clone)]
pub struct ClassPair {
    /// What differs and matters by itself.
    pub values: std::sync::Arc<[ValueChange]>,
    /// What differs and matters only if it reaches a text.
    pub of_documents: std::sync::Arc<[ValueChange]>,
}

impl<'s> Inputs<'s> {
    /// Compares what is not about one node.
    pub fn new(base: &'s Snapshot, head: &'s Snapshot) -> Self {
        let old = values::of_cluster(base.desired(), base);
        let cluster = values::differences(old, values::of_cluster(head.desired(), head));
        Self { base, head, cluster, files: files(base, head), classes: Mutex::default() }
    }

    /// Compares two classes.
    ///
    /// # Panics
    /// Never: nothing under the lock does.
    pub fn classes(&self, base: u32, head: u32) -> ClassPair {
        let known = self.classes.lock().expect("nobody panics with it").get(&(base, head)).cloned();
        known.unwrap_or_else(|| {
            let pair = self.compare(base, head);
            self.classes.lock().expect("nobody panics with it").insert((base, head), pair.clone());
            pair
        })
    }

    fn compare(&self, old: u32, new: u32) -> ClassPair {
        let (base, head) = (self.base, self.head);
        let values = values::differences(values::of_class(base, old), values::of_class(head, new));
        let mut of_documents = values::differences(values::of_documents(base, old), values::of_documents(head, new));
        of_documents.extend(values::reordered((base, old), (head, new)));
        ClassPair { values: values.into(), of_documents: of_documents.into() }
    }
}

/// Lists the files under `cloud-init/` whose texts differ, each with the first line that does.
fn files(base: &Snapshot, head: &Snapshot) -> Vec<ValueChange> {
    let (old, new) = (&base.desired().templates, &head.desired().templates);
    let names: std::collections::BTreeSet<&str> = old.keys().chain(new.keys()).map(|name| &**name).collect();
    let mut changes = Vec::new();
    for name in names {
        let (one, other) = (old.get(name), new.get(name));
        if let (Some(one), Some(other)) = (one, other)
            && one.text == other.text
            && one.is_template == other.is_template
        {
            continue;
        }
        let text = |file: Option<&CloudInitFile>| file.map(|file| &*file.text).unwrap_or_default().to_owned();
        let (was, is) = (text(one), text(other));
        let line = was.lines().zip(is.lines()).take_while(|(a, b)| a == b).count() + 1;
        let value = |file: &CloudInitFile| {
            let digest = Sha256::digest(file.text.as_bytes());
            let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            let path = format!("cloud-init/{name}").into();
            Value { text: hex.into(), spot: Some(Spot { path, line: line as u32, layer: "file".into() }) }
        };
        changes.push(ValueChange {
            key: format!("cloud-init/{name}").into(),
            old: one.map(value),
            new: other.map(value),
        });
    }
    changes
}
