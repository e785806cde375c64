//! Names for what is new: those that a person gave, or the cluster's own, continued.

use std::collections::{BTreeMap, BTreeSet};

use super::{Unfit, World};
use crate::model::{Pattern, Xname};

/// Every name that means a machine already, and those that were given since.
pub struct Names {
    taken: BTreeSet<String>,
}

/// A beginning of names, and the number of digits after it where they are padded.
struct Series {
    prefix: String,
    width: usize,
    next: u64,
}

impl Names {
    /// Notes the names and xnames of all nodes and BMCs.
    pub fn of(world: &World<'_>) -> Self {
        let desired = world.snapshot.desired();
        let nodes = desired.nodes.iter();
        let mut taken: BTreeSet<String> = nodes.clone().map(|node| node.name.to_string()).collect();
        taken.extend(nodes.filter_map(|node| node.xname.as_ref().map(|xname| xname.value.as_str().to_owned())));
        taken.extend(desired.bmcs.iter().map(|bmc| bmc.name.to_string()));
        Self { taken }
    }

    /// Names so many new nodes.
    pub fn nodes(&mut self, world: &World<'_>, count: usize) -> Result<Vec<String>, Unfit> {
        let Some(pattern) = &world.options.names else {
            return Ok(self.continued(world, count));
        };
        let unfit = |why: String| Unfit::Names { pattern: pattern.clone(), why };
        let names = Pattern::parse(pattern).map_err(|error| unfit(error.to_string()))?;
        if names.len() != count {
            return Err(Unfit::NameCount { pattern: pattern.clone(), named: names.len(), found: count });
        }
        let names: Vec<String> = names.iter().collect();
        match names.iter().find(|name| !self.taken.insert((*name).clone())) {
            Some(name) => Err(Unfit::NameTaken(name.clone())),
            None => Ok(names),
        }
    }

    fn continued(&mut self, world: &World<'_>, count: usize) -> Vec<String> {
        let Series { prefix, width, mut next } = series(world);
        let mut names = Vec::with_capacity(count);
        while names.len() < count {
            let name = format!("{prefix}{next:0width$}");
            if self.taken.insert(name.clone()) {
                names.push(name);
            }
            next += 1;
        }
        names
    }

    /// Names a BMC after a text; with a number behind it where that is taken.
    pub fn bmc(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 2;
        while !self.taken.insert(name.clone()) {
            name = format!("{wanted}-{number}");
            number += 1;
        }
        name
    }
}

/// Returns the number that a name ends in, and what stands before it.
pub fn numbered(name: &str) -> Option<(&str, &str)> {
    let prefix = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let digits = &name[prefix.len()..];
    (!prefix.is_empty() && !digits.is_empty() && digits.len() <= 15).then_some((prefix, digits))
}

/// Finds the beginning that most names have. Names that are places are continued by nobody who has not been there.
fn series(world: &World<'_>) -> Series {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let nodes = world.snapshot.nodes().iter().filter(|node| Xname::parse(&node.name).is_err());
    for (prefix, digits) in nodes.filter_map(|node| numbered(&node.name)) {
        all.entry(prefix).or_default().push(digits);
    }
    let most = all.into_iter().max_by_key(|(prefix, names)| (names.len(), std::cmp::Reverse(*prefix)));
    let Some((prefix, names)) = most else {
        return Series { prefix: "node".into(), width: 4, next: 1 };
    };
    let is_padded = |digits: &&&str| digits.len() > 1 && digits.starts_with('0');
    let width = names.iter().find(is_padded).map_or(1, |digits| digits.len());
    let greatest = names.iter().filter_map(|digits| digits.parse::<u64>().ok()).max().unwrap_or(0);
    Series { prefix: prefix.to_owned(), width, next: greatest + 1 }
}

/// Returns the nids of new nodes, where every node that has one has the number that its name ends in.
pub fn nids(world: &World<'_>, names: &[String]) -> Option<Vec<String>> {
    let number = |name: &str| numbered(name).and_then(|(_, digits)| digits.parse::<u32>().ok());
    let mut known = BTreeSet::new();
    for node in world.snapshot.nodes() {
        if let Some(nid) = node.nid {
            if number(&node.name) != Some(nid.value) {
                return None;
            }
            known.insert(nid.value);
        }
    }
    if known.is_empty() {
        return None;
    }
    let nids: Option<Vec<u32>> = names.iter().map(|name| number(name).filter(|nid| known.insert(*nid))).collect();
    Some(nids?.iter().map(ToString::to_string).collect())
}
