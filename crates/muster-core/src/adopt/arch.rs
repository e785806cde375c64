//! What architecture a machine has: as its processors report it, else by their models.

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

/// Finds the architecture that all processors have: what each reports, else what every model that is reported says.
pub fn of(system: &System, inventory: Option<&Inventory>) -> Option<Arch> {
    let reported: Vec<&str> = inventory
        .into_iter()
        .flat_map(|inventory| &inventory.processors)
        .filter_map(|cpu| cpu.arch.as_deref())
        .collect();
    if let Some(first) = reported.first() {
        let agree = reported.iter().all(|other| other == first);
        return Arch::parse(first).filter(|_| agree);
    }
    let parts = inventory.into_iter().flat_map(|inventory| &inventory.processors);
    let models = parts.filter_map(|cpu| cpu.model.as_deref()).chain(system.summary.processor_model.as_deref());
    let mut told = models.map(|model| {
        let model = model.to_ascii_lowercase();
        WORDS.iter().find(|(word, _)| model.contains(word)).map(|(_, arch)| *arch)
    });
    let first = told.next()??;
    told.all(|other| other == Some(first)).then_some(first)
}
