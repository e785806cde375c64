//! The interfaces of new nodes: what they are called, and which they boot from.

use super::World;
use crate::desired::{NicKind, Source};
use crate::model::MacAddr;
use crate::observed::System;

/// One interface of a new table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewNic {
    pub name: String,
    pub is_infiniband: bool,
    /// Whether the table says that the node boots from it.
    pub boot: bool,
}

/// What the layers say already of the interfaces of every new node.
#[derive(Debug, Clone, Default)]
pub struct Base {
    nics: Vec<(String, NicKind, bool)>,
}

/// Puts the address first that a machine boots from, as far as that can be told: the one that asked to boot, else the one
/// that its boot order names first. The second value tells whether it could be; one address alone is the one.
pub fn boot_first(world: &World<'_>, system: &System, mut macs: Vec<MacAddr>) -> (Vec<MacAddr>, bool) {
    let asked = |mac: &MacAddr| world.observed.unknown.iter().any(|unknown| unknown.mac == *mac);
    let mut ordered = system.boot.seen().into_iter().flat_map(|boot| {
        let options = boot.order.iter().map(|reference| boot.options.iter().find(|it| it.reference == *reference));
        options.filter_map(|option| option?.mac)
    });
    let ordered = ordered.find_map(|mac| macs.iter().position(|other| *other == mac));
    let known = macs.iter().position(asked).or(ordered);
    if let Some(at) = known {
        let boot = macs.remove(at);
        macs.insert(0, boot);
    }
    let is_known = known.is_some() || macs.len() < 2;
    (macs, is_known)
}

impl Base {
    /// Merges what the defaults and the groups of new nodes say.
    pub fn of(world: &World<'_>) -> Self {
        let desired = world.snapshot.desired();
        let mut groups: Vec<_> = world.options.groups.iter().filter_map(|name| desired.group(name)).collect();
        groups.sort_by_key(|group| group.rank);
        let mut base = Self::default();
        base.lay(&desired.defaults);
        groups.iter().for_each(|group| base.lay(&group.source));
        base
    }

    fn lay(&mut self, layer: &Source) {
        for path in &layer.table.unset {
            self.nics.retain(|(name, ..)| path.value.strip_prefix("nics.") != Some(name));
        }
        for nic in layer.table.nics.iter().map(|nic| &nic.value) {
            let Some(name) = &nic.name else { continue };
            let known = self.nics.iter().position(|(other, ..)| *other == name.value).unwrap_or_else(|| {
                self.nics.push((name.value.clone(), NicKind::Ethernet, false));
                self.nics.len() - 1
            });
            let (_, kind, boot) = &mut self.nics[known];
            *kind = nic.kind.as_ref().map_or(*kind, |stated| stated.value);
            *boot = nic.boot.as_ref().map_or(*boot, |stated| stated.value);
        }
    }

    /// Names so many Ethernet interfaces, the one to boot from first, and so many of InfiniBand.
    pub fn name(&self, ethernet: usize, infiniband: usize) -> Vec<NewNic> {
        let says_boot = self.nics.iter().any(|(.., boot)| *boot);
        let mut all: Vec<NewNic> = self
            .names(NicKind::Ethernet, "eth", ethernet)
            .into_iter()
            .enumerate()
            .map(|(at, name)| NewNic { name, is_infiniband: false, boot: at == 0 && !says_boot })
            .collect();
        let infiniband = self.names(NicKind::Infiniband, "ib", infiniband).into_iter();
        all.extend(infiniband.map(|name| NewNic { name, is_infiniband: true, boot: false }));
        all
    }

    fn names(&self, kind: NicKind, prefix: &str, count: usize) -> Vec<String> {
        let mut known: Vec<&(String, NicKind, bool)> =
            self.nics.iter().filter(|(_, other, _)| *other == kind).collect();
        known.sort_by_key(|(.., boot)| !*boot);
        let mut names: Vec<String> = known.into_iter().take(count).map(|(name, ..)| name.clone()).collect();
        let mut number = 0;
        while names.len() < count {
            let name = format!("{prefix}{number}");
            if !self.nics.iter().any(|(other, ..)| *other == name) {
                names.push(name);
            }
            number += 1;
        }
        names
    }
}
