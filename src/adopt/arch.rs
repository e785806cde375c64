//! What architecture a machine has, by its processors' models.

use crate::model::Arch;
use crate::observed::{Inventory, System};

/// Words of model names that only one architecture has.
const WORDS: [(&str, Arch); 12] = [
    ("xeon", Arch::X86_64),
    ("epyc", Arch::X86_64),
    ("opteron", Arch::X86_64),
    ("ryzen", Arch::X86_64),
    ("intel", Arch::X86_64),
    ("grace", Arch::Aarch64),
    ("neoverse", Arch::Aarch64),
    ("altra", Arch::Aarch64),
    ("ampereone", Arch::Aarch64),
    ("thunderx", Arch::Aarch64),
    ("a64fx", Arch::Aarch64),
    ("kunpeng", Arch::Aarch64),
];

/// Tells the architecture where every model that is told says the same.
pub fn of(system: &System, inventory: Option<&Inventory>) -> Option<Arch> {
    let parts = inventory.into_iter().flat_map(|inventory| &inventory.processors);
    let models = parts.filter_map(|cpu| cpu.model.as_deref()).chain(system.summary.processor_model.as_deref());
    let mut told = models.map(|model| {
        let model = model.to_ascii_lowercase();
        WORDS.iter().find(|(word, _)| model.contains(word)).map(|(_, arch)| *arch)
    });
    let first = told.next()??;
    told.all(|other| other == Some(first)).then_some(first)
}
