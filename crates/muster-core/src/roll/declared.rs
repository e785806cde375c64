//! Which records of BMCs count under a commit, and by which names: BMCs are surveyed by address before they are declared,
//! get other names, and go from git.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::observed::Observed;
use crate::snapshot::Snapshot;

/// Keeps the records that count under a commit: of BMCs that it declares, by the names that it gives them, and of those that
/// were surveyed by address.
///
/// A BMC that was declared once, and is not any more, is asked by nobody: what its record says grows old, and would count
/// the machine twice once it is surveyed by address. `muster forget` takes such records out of the store.
#[must_use]
pub fn declared(snapshot: &Snapshot, observed: Observed) -> Observed {
    let mut observed = named(snapshot, observed);
    let names: BTreeSet<&str> = snapshot.desired().bmcs.iter().map(|bmc| &*bmc.name).collect();
    observed.bmcs.retain(|name, _| is_address(name) || names.contains(&**name));
    observed
}

/// Gives the records of BMCs the names under which a commit declares them.
///
/// A record that bears the origin of a URL, or a name that the commit does not declare, is that of the one BMC whose URL has
/// the record's origin. Of several records of one BMC, the one that was tried last stays.
#[must_use]
pub fn named(snapshot: &Snapshot, mut observed: Observed) -> Observed {
    let mut names: BTreeMap<String, Option<&str>> = BTreeMap::new();
    let bmcs = &snapshot.desired().bmcs;
    for bmc in bmcs {
        if let Some(origin) = bmc.url.as_ref().and_then(|url| origin(&url.value)) {
            names.entry(origin).and_modify(|name| *name = None).or_insert(Some(&bmc.name));
        }
    }
    let own: BTreeSet<&str> = bmcs.iter().map(|bmc| &*bmc.name).collect();
    let strangers = observed.bmcs.iter().filter(|(name, _)| !own.contains(&***name));
    let strangers: Vec<(Box<str>, &str)> = strangers
        .filter_map(|(key, record)| {
            let address = if is_address(key) { key } else { &record.url };
            Some((key.clone(), names.get(&origin(address)?).copied().flatten()?))
        })
        .collect();
    for (stranger, name) in strangers {
        let Some(mut record) = observed.bmcs.remove(&stranger) else { continue };
        record.bmc = name.into();
        let own = observed.bmcs.get(name);
        if own.is_none_or(|own| own.tried < record.tried) {
            observed.bmcs.insert(name.into(), record);
        }
    }
    observed
}

/// Tells whether a record goes by the address of its BMC, since nobody declared it as it was surveyed.
pub fn is_address(name: &str) -> bool {
    name.contains("://")
}

/// Returns the origin of a URL in its plainest form.
pub fn origin(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}
