//! BMCs that were surveyed by address before somebody declared them.

use std::collections::BTreeMap;

use url::Url;

use crate::observed::Observed;
use crate::snapshot::Snapshot;

/// Gives records of BMCs that were surveyed by address the names under which the wishes declare them.
///
/// A record that bears the origin of a URL is that of the one BMC whose URL has the origin. Where the BMC has a record of
/// its own too, the one that was tried last stays, and the other goes.
#[must_use]
pub fn declared(snapshot: &Snapshot, mut observed: Observed) -> Observed {
    let mut names: BTreeMap<String, Option<&str>> = BTreeMap::new();
    let bmcs = &snapshot.desired().bmcs;
    for bmc in bmcs {
        if let Some(origin) = bmc.url.as_ref().and_then(|url| origin(&url.value)) {
            names.entry(origin).and_modify(|name| *name = None).or_insert(Some(&bmc.name));
        }
    }
    let by_address: Vec<(Box<str>, &str)> = observed
        .bmcs
        .keys()
        .filter(|key| key.contains("://"))
        .filter_map(|key| Some((key.clone(), names.get(&origin(key)?).copied().flatten()?)))
        .collect();
    for (address, name) in by_address {
        let Some(mut record) = observed.bmcs.remove(&address) else { continue };
        record.bmc = name.into();
        let own = observed.bmcs.get(name);
        if own.is_none_or(|own| own.tried < record.tried) {
            observed.bmcs.insert(name.into(), record);
        }
    }
    observed
}

/// Returns the origin of a URL in its plainest form.
pub fn origin(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}
