//! Which machines come to boot by what wipes disks.
//!
//! Machines are judged, not names: every key by which the base serves a machine is asked what the head would serve it, as
//! an unknown machine if it finds nothing.

use std::collections::BTreeSet;

use super::{Change, Fate, KeyChange, MachineChange, Subject};
use crate::desired::{BootConfiguration, BootKind, MacSource, Unknown};
use crate::model::Arch;
use crate::snapshot::{Answer, Snapshot};

/// Which boots wipe disks: those of kind `install`, those of some names, and copies of these under other names.
pub struct Installers<'c> {
    names: BTreeSet<&'c str>,
    images: Vec<Image<'c>>,
}

/// What a boot configuration boots, as it is written.
#[derive(Clone, PartialEq, Eq)]
struct Image<'c> {
    arch: Arch,
    kernel: &'c str,
    initrd: Vec<&'c str>,
    /// Of an installer, those that tell it from what else boots the same kernel; not all if nothing else does.
    params: Vec<&'c str>,
}

impl<'c> Installers<'c> {
    /// Finds the installers of both sides.
    pub fn new(change: &'c Change, names: BTreeSet<&'c str>) -> Self {
        let mut installers = Self { names, images: Vec::new() };
        let sides = [&change.base, &change.head];
        let all = sides.into_iter().flat_map(|side| &side.desired().boots);
        let named: Vec<Image<'c>> = all.filter(|boot| installers.is_named(boot)).flat_map(images).collect();
        let others = installers.others(&change.base);

        for mut image in named {
            let alike = others.iter().filter(|other| other.boots_as(&image));
            let shared: BTreeSet<&str> = alike.clone().flat_map(|other| other.params.iter().copied()).collect();
            let is_shared = alike.count() > 0;
            if !is_shared {
                image.params.clear();
            }
            image.params.retain(|param| !shared.contains(param));
            // What a live image boots to the last parameter tells nothing.
            if (!is_shared || !image.params.is_empty()) && !installers.images.contains(&image) {
                installers.images.push(image);
            }
        }
        installers
    }

    /// Lists what machines boot in a side that is no installer.
    fn others(&self, side: &'c Snapshot) -> Vec<Image<'c>> {
        let boots = &side.desired().boots;
        let of_nodes = (0..side.nodes().len()).filter(|node| matches!(side.answer(*node), Answer::Script(_)));
        let mut used: BTreeSet<u16> =
            of_nodes.filter_map(|node| side.resolved().class(node).boot).map(|boot| boot.value).collect();
        if let Unknown::Boot(boot) = side.desired().cluster.unknown {
            used.insert(boot.value);
        }
        let others = used.into_iter().map(|boot| &boots[usize::from(boot)]).filter(|boot| !self.is_named(boot));
        others.flat_map(images).collect()
    }

    fn is_named(&self, boot: &BootConfiguration) -> bool {
        boot.kind != BootKind::Local && (boot.kind == BootKind::Install || self.names.contains(&*boot.name))
    }

    /// Tells whether a machine boots by an installer that did not, or that another machine than before does.
    pub fn come_to(&self, change: &Change, machine: &MachineChange) -> bool {
        let (old, new) = (&change.base, &change.head);
        match machine.subject {
            Subject::Node => {
                let was = machine.base.is_some_and(|at| self.has(old, at));
                let is = machine.head.is_some_and(|at| self.has(new, at));
                (is && (!was || may_be_another(new, machine)))
                    || machine.keys.iter().any(|key| self.key_comes_to(change, machine, key))
            }
            Subject::Bmc => false,
            // No machine boots before it has said its architecture.
            Subject::Unknown => {
                let arch = Arch::from_ipxe(&machine.name);
                arch.is_some() && self.has_unknown(new, arch) && !self.has_unknown(old, arch)
            }
        }
    }

    /// Tells whether what asks by a key boots by an installer on the side of the head alone. Keys that find another node
    /// there are judged with that node.
    fn key_comes_to(&self, change: &Change, machine: &MachineChange, key: &KeyChange) -> bool {
        let is_hardware = matches!(key.what, "mac" | "uuid" | "serial");
        if !(is_hardware || (key.what == "name" && machine.fate == Fate::Removed)) {
            return false;
        }

        let side_arch = |side: &Snapshot, node: Option<usize>| node.map(|node| side.resolved().class(node).arch.value);
        let arch = side_arch(&change.base, machine.base).or(side_arch(&change.head, machine.head));
        let answers = |side: &Snapshot, found: Option<usize>| match found {
            Some(node) => self.has(side, node),
            None => self.has_unknown(side, arch),
        };
        let is_own = key.head.is_none() || key.head == machine.head;
        is_own && answers(&change.head, key.head) && !answers(&change.base, key.base)
    }

    fn has(&self, side: &Snapshot, node: usize) -> bool {
        let class = side.resolved().class(node);
        match (side.answer(node), class.boot) {
            // Without a kernel a node boots from its disk.
            (Answer::Script(_), Some(boot)) if class.kernel.is_some() => {
                let params = || {
                    // A Snapshot that was built expands for every node.
                    let boot = side.resolved().boot(node).ok().flatten();
                    boot.map(|boot| boot.params.iter().map(|param| param.text.to_string()).collect())
                        .unwrap_or_default()
                };
                self.is_one(&side.desired().boots[usize::from(boot.value)], class.arch.value, params)
            }
            (Answer::Script(_) | Answer::Retired | Answer::Nothing, _) => false,
        }
    }

    /// Tells whether unknown machines of an architecture, or of any, boot by an installer.
    fn has_unknown(&self, side: &Snapshot, arch: Option<Arch>) -> bool {
        let Unknown::Boot(boot) = side.desired().cluster.unknown else { return false };
        let boot = &side.desired().boots[usize::from(boot.value)];
        let classes = side.resolved().unknown.iter();
        let mut bootable =
            classes.filter(|(own, class)| arch.is_none_or(|arch| arch == *own) && class.kernel.is_some());
        bootable.any(|(arch, _)| {
            let params = || {
                let boot = side.resolved().unknown_boot(*arch).ok().flatten();
                boot.map(|boot| boot.params.iter().map(|param| param.text.to_string()).collect()).unwrap_or_default()
            };
            self.is_one(boot, *arch, params)
        })
    }

    /// Tells whether a boot configuration is an installer, or boots what one does with these parameters.
    fn is_one(&self, boot: &BootConfiguration, arch: Arch, params: impl Fn() -> Vec<String>) -> bool {
        if boot.kind == BootKind::Local {
            return false;
        }
        if self.is_named(boot) {
            return true;
        }
        let own = images(boot).into_iter().filter(|image| image.arch == arch);
        own.into_iter().any(|own| {
            let mut alike = self.images.iter().filter(|image| own.boots_as(image));
            alike.any(|image| {
                let is_written = |param: &&&str| !own.params.contains(*param);
                let missing: Vec<&&str> = image.params.iter().filter(is_written).collect();
                let merged = if missing.is_empty() { Vec::new() } else { params() };
                missing.iter().all(|param| merged.iter().any(|own| own == **param))
            })
        })
    }
}

impl Image<'_> {
    /// Tells whether two boot the same, whatever their parameters.
    fn boots_as(&self, other: &Image<'_>) -> bool {
        self.arch == other.arch && self.kernel == other.kernel && self.initrd == other.initrd
    }
}

/// Lists what a boot configuration boots, for each architecture that it has a kernel for.
fn images(boot: &BootConfiguration) -> Vec<Image<'_>> {
    let of_arch = |arch: Arch| {
        let own = boot.for_arch(arch);
        let kernel = own.and_then(|image| image.kernel.as_ref()).or(boot.base.kernel.as_ref())?;
        let initrd = own.and_then(|image| image.initrd.as_ref()).or(boot.base.initrd.as_ref());
        let params = boot.base.params.iter().chain(own.map(|image| &image.params[..]).unwrap_or_default());
        Some(Image {
            arch,
            kernel: &kernel.value,
            initrd: initrd.into_iter().flatten().map(|text| text.value.as_str()).collect(),
            params: params.map(|text| text.value.trim_start_matches(['+', '='])).collect(),
        })
    };
    if boot.kind == BootKind::Local { Vec::new() } else { Arch::ALL.into_iter().filter_map(of_arch).collect() }
}

/// Tells whether another machine than before may boot as a node whose MAC addresses its BMC says.
fn may_be_another(head: &Snapshot, machine: &MachineChange) -> bool {
    let is_from_bmc = machine.head.is_some_and(|at| head.resolved().class(at).macs.value == MacSource::FromBmc);
    is_from_bmc && machine.values.iter().any(|change| matches!(&*change.key, "macs" | "bmc" | "bmc.url" | "system"))
}
