//! What groups without nodes take back: no class of nodes shows whether it is there.

use std::collections::BTreeSet;

use super::merge::Merge;
use super::nothing_below;
use super::unset::{Taken, no_such_key};
use crate::desired::{Desired, Findings, Group, Source};
use crate::model::{Code, Origin};

/// Finds elements of `unset` in groups without nodes that take back what no weaker layer states.
///
/// A node that joins such a group may be in any of the weaker groups, so an element is right if one of them states what it
/// takes back, whatever others take back in between.
pub fn unsets(desired: &Desired) -> Findings {
    let mut groups: Vec<&Group> = desired.groups.iter().filter(|group| group.rank.is_some()).collect();
    groups.sort_by_key(|group| group.rank);
    let mut findings = Findings::new();
    let mut weaker = Weaker { desired, merge: Merge::new(desired), nics: BTreeSet::new() };

    weaker.lay(&desired.defaults);
    for group in groups {
        if group.members.is_empty() {
            weaker.check(&group.source, &mut findings);
        }
        weaker.lay(&group.source);
    }

    findings
}

/// All that the layers below a group state.
struct Weaker<'d> {
    desired: &'d Desired,
    merge: Merge<'d>,
    /// The names of interfaces, and their keys behind them.
    nics: BTreeSet<String>,
}

impl<'d> Weaker<'d> {
    fn lay(&mut self, source: &'d Source) {
        self.merge.lay_table(source);
        for nic in &source.table.nics {
            let Some(name) = nic.value.name.as_ref().map(|name| &name.value) else { continue };
            self.nics.insert(name.clone());
            for (key, ..) in nic.value.stated() {
                self.nics.extend([format!("{name}.{key}"), format!("{name}.{}", key.split('.').next().unwrap_or(key))]);
            }
        }
    }

    fn check(&self, source: &Source, findings: &mut Findings) {
        for path in &source.table.unset {
            let origin = Origin { file: source.file, at: path.span.start as u32, layer: source.layer };
            let is_stated = match Taken::parse(&path.value) {
                None => {
                    findings.push(no_such_key(self.desired, &path.value, origin));
                    continue;
                }
                // Which parameters there are depends on the boot configuration of the nodes.
                Some(Taken::Params) => true,
                Some(Taken::Nic(name)) => self.nics.contains(name),
                Some(taken) => self.merge.merged.states(taken),
            };
            if !is_stated {
                findings.push(nothing_below(self.desired, Code::UnsetNothing, origin));
            }
        }
    }
}
