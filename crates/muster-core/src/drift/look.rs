//! What one observed System shows of one attribute.

use super::canonical;
use crate::desired::Free;
use crate::model::Quirk;
use crate::observed::{BootSettings, Failure, Inventory, Processor, Reading, Service, Shared, System};

/// What is seen of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// A value that applies, and one that is staged where it differs.
    Seen { applied: String, staged: Option<String> },
    /// The machine was read, and it has no such thing.
    Absent,
    /// It cannot be told, and why.
    Unknown(String),
}

/// What one attribute comes to beside its wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    AsWished,
    /// Another value applies, and the wished one is staged.
    Pending(String),
    Differs {
        /// Nothing where the machine has no such thing.
        seen: Option<String>,
        note: Option<&'static str>,
    },
    /// It cannot be told, and why.
    Unknown(String),
}

/// The place to look: one System of one service.
#[derive(Clone, Copy)]
pub struct View<'o> {
    pub service: &'o Service,
    pub system: &'o System,
    pub shared: &'o Shared,
}

impl Look {
    fn applied(value: impl Into<String>) -> Self {
        Self::Seen { applied: value.into(), staged: None }
    }

    /// What the BMC tells, or that it does not.
    fn told(value: Option<impl Into<String>>) -> Self {
        value.map_or_else(|| Self::Unknown("the BMC does not tell".into()), Self::applied)
    }
}

impl<'o> View<'o> {
    /// Looks for an attribute of the resolved expectations.
    #[must_use]
    pub fn look(self, attribute: &str) -> Look {
        let facts = &self.system.facts;
        match attribute {
            "manufacturer" => Look::told(facts.manufacturer.as_deref()),
            "model" => Look::told(facts.model.as_deref()),
            "power" => of(&self.system.power, |power| Look::applied(power.as_str())),
            "bios.version" => Look::told(self.system.bios_version.as_deref()),
            "secure_boot" => self.secure_boot(),
            "memory_gib" => self.memory(),
            "arch" => self.arch(),
            _ => match attribute.split_once('.') {
                Some(("bios", rest)) => self.bios(rest.strip_prefix("attributes.").unwrap_or(rest)),
                Some(("firmware", name)) => self.firmware(name),
                Some(("boot", key)) => of(&self.system.boot, |boot| self.boot(boot, key)),
                Some((kind, key)) => self.parts(kind, key),
                None => Look::Unknown(format!("muster does not know how to see `{attribute}`")),
            },
        }
    }

    /// Judges an attribute. What is staged counts: a right value that the next reset replaces is not right.
    #[must_use]
    pub fn judge(self, attribute: &str, wish: &Free) -> Judgement {
        let is_wished = |seen: &str| is_as_wished(attribute, wish, seen);
        match self.look(attribute) {
            Look::Unknown(why) => Judgement::Unknown(why),
            Look::Absent => Judgement::Differs { seen: None, note: Some("the machine has no such thing") },
            Look::Seen { applied, staged } => match (is_wished(&applied), staged) {
                (true, None) => Judgement::AsWished,
                (true, Some(staged)) if is_wished(&staged) => Judgement::AsWished,
                (true, Some(staged)) => {
                    let note = Some("it is staged for the next reset; what applies now is as wished");
                    Judgement::Differs { seen: Some(staged), note }
                }
                (false, Some(staged)) if is_wished(&staged) => Judgement::Pending(applied),
                (false, _) => Judgement::Differs { seen: Some(applied), note: None },
            },
        }
    }

    fn set<T>(
        self,
        digest: &Reading<crate::observed::Digest>,
        f: impl FnOnce(&'o Shared, crate::observed::Digest) -> Option<T>,
    ) -> Result<T, Look> {
        match digest {
            Reading::Seen(digest) => {
                f(self.shared, *digest).ok_or_else(|| Look::Unknown("what was seen of it is lost".into()))
            }
            other => Err(unread(other)),
        }
    }

    fn bios(self, name: &str) -> Look {
        let set = match self.set(&self.system.bios, Shared::bios) {
            Ok(set) => set,
            Err(look) => return look,
        };
        let Some(applied) = set.get(name) else {
            let is_named = self.system.bios_untold.iter().any(|untold| **untold == *name);
            return if is_named { Look::told(None::<&str>) } else { Look::Absent };
        };
        let staged = self.system.bios_pending.get(name).map(|staged| staged.to_string());
        Look::Seen { applied: applied.to_string(), staged }
    }

    fn firmware(self, name: &str) -> Look {
        let set = match self.set(&self.service.firmware, Shared::firmware) {
            Ok(set) => set,
            Err(look) => return look,
        };
        let exact = set.0.get(name);
        let found = exact
            .or_else(|| set.0.iter().find(|(other, _)| canonical::same_text(other, name)).map(|(_, version)| version));
        match (found, &self.service.firmware_unread) {
            (Some(version), _) if version.is_empty() => {
                Look::Unknown("the BMC names it and reports no version of it".into())
            }
            (Some(version), _) => Look::applied(&**version),
            (None, Some(failure)) => Look::Unknown(format!("not all firmware could be read: {}", failure.why)),
            (None, None) => Look::Absent,
        }
    }

    fn arch(self) -> Look {
        match self.set(&self.system.inventory, Shared::inventory) {
            Ok(inventory) if inventory.is_whole("processors") && !inventory.processors.is_empty() => {
                common(inventory.processors.iter().map(|cpu| cpu.arch.as_deref()))
            }
            Ok(_) => Look::Unknown("not all processors could be read".into()),
            Err(look) => look,
        }
    }

    fn secure_boot(self) -> Look {
        of(&self.system.secure_boot, |told| match (told.current, told.enable) {
            (Some(current), staged) => {
                let staged = staged.filter(|staged| *staged != current).map(|staged| staged.to_string());
                Look::Seen { applied: current.to_string(), staged }
            }
            (None, enable) => Look::told(enable.map(|on| on.to_string())),
        })
    }

    fn memory(self) -> Look {
        if let Some(gib) = self.system.summary.memory_gib {
            return Look::applied(gib.to_string());
        }
        match self.set(&self.system.inventory, Shared::inventory) {
            Ok(inventory) if inventory.is_whole("memory") && !inventory.memory.is_empty() => {
                let mib: Option<u64> = inventory.memory.iter().map(|module| module.mib).sum();
                Look::told(mib.map(|mib| (mib / 1024).to_string()))
            }
            Ok(inventory) => missing(inventory, "memory"),
            Err(look) => look,
        }
    }

    fn parts(self, kind: &str, key: &str) -> Look {
        let inventory = match self.set(&self.system.inventory, Shared::inventory) {
            Ok(inventory) => inventory,
            // A System sums up its processors even where they cannot be read one by one.
            Err(look) => return self.summed(kind, key).unwrap_or(look),
        };
        if !inventory.is_whole(kind) {
            return self.summed(kind, key).unwrap_or_else(|| missing(inventory, kind));
        }
        match kind {
            "processors" if inventory.processors.is_empty() => {
                self.summed(kind, key).unwrap_or_else(|| Look::Unknown("the BMC tells of no processors".into()))
            }
            "processors" => processors(&inventory.processors, key),
            "accelerators" => processors(&inventory.accelerators, key),
            "drives" if key == "count" => Look::applied(inventory.drives.len().to_string()),
            "drives" => common(inventory.drives.iter().map(|drive| drive.model.as_deref())),
            _ => Look::Unknown(format!("muster does not know how to see `{kind}.{key}`")),
        }
    }

    fn summed(self, kind: &str, key: &str) -> Option<Look> {
        let summary = &self.system.summary;
        match (kind, key) {
            ("processors", "count") => summary.processors.map(|count| Look::applied(count.to_string())),
            ("processors", "model") => summary.processor_model.as_deref().map(Look::applied),
            _ => None,
        }
    }

    fn boot(self, boot: &BootSettings, key: &str) -> Look {
        if self.service.quirks.contains(&Quirk::NoBootOverride) && key != "order" {
            return Look::Unknown("this BMC has no boot override".into());
        }
        let pending = boot.pending.as_deref();
        let staged = |value: Option<&Box<str>>, applied: &str| {
            value.filter(|value| ***value != *applied).map(|value| value.to_string())
        };
        let field = |applied: &Option<Box<str>>, value: Option<&Box<str>>| match applied {
            Some(applied) => Look::Seen { applied: applied.to_string(), staged: staged(value, applied) },
            None => Look::told(None::<&str>),
        };
        match key {
            "override" => field(&boot.enabled, pending.and_then(|pending| pending.enabled.as_ref())),
            "target" => field(&boot.target, pending.and_then(|pending| pending.target.as_ref())),
            "mode" => field(&boot.mode, pending.and_then(|pending| pending.mode.as_ref())),
            "order" if boot.order.is_empty() => Look::Unknown("the BMC tells no boot order".into()),
            "order" => {
                let staged = pending.and_then(|pending| pending.order.as_ref()).filter(|order| **order != boot.order);
                Look::Seen { applied: named(boot, &boot.order), staged: staged.map(|order| named(boot, order)) }
            }
            _ => Look::Unknown(format!("muster does not know how to see `boot.{key}`")),
        }
    }
}

/// Tells whether a value that was seen is as wished.
fn is_as_wished(attribute: &str, wish: &Free, seen: &str) -> bool {
    if attribute == "boot.order" {
        return begins_with(wish, seen);
    }
    match wish {
        Free::Text(text) if attribute == "bios.version" || attribute.starts_with("firmware.") => {
            canonical::same_version(text, seen)
        }
        wish => canonical::same(wish, seen),
    }
}

/// A wish for a boot order names its beginning: what comes after is not managed. Each entry names a reference or a title.
fn begins_with(wish: &Free, seen: &str) -> bool {
    let one;
    let wished = match wish {
        Free::List(items) => items.as_slice(),
        other => {
            one = [other.clone()];
            &one
        }
    };
    let mut seen = seen.split(SEPARATOR);
    wished.iter().all(|wished| {
        let (Free::Text(wished), Some(entry)) = (wished, seen.next()) else { return false };
        let (reference, title) = entry.split_once(TITLE).unwrap_or((entry, entry));
        canonical::same_text(wished, reference) || canonical::same_text(wished, title.trim_end_matches(')'))
    })
}

/// What separates the entries of a boot order that is shown.
const SEPARATOR: &str = ", ";

/// What stands between an entry's reference and its title.
const TITLE: &str = " (";

/// Writes a boot order with the titles of its entries.
fn named(boot: &BootSettings, order: &[Box<str>]) -> String {
    let entry = |reference: &str| {
        let option = boot.options.iter().find(|option| *option.reference == *reference);
        match option.and_then(|option| option.name.as_deref()) {
            Some(title) => format!("{reference}{TITLE}{})", title.replace(',', " ")),
            None => reference.to_owned(),
        }
    };
    order.iter().map(|reference| entry(reference)).collect::<Vec<_>>().join(SEPARATOR)
}

fn of<T>(reading: &Reading<T>, f: impl FnOnce(&T) -> Look) -> Look {
    match reading {
        Reading::Seen(value) => f(value),
        other => unread(other),
    }
}

/// Says why nothing was seen.
fn unread<T>(reading: &Reading<T>) -> Look {
    Look::Unknown(match reading {
        Reading::Failed(Failure { kind: _, why }) => format!("it could not be read: {why}"),
        Reading::Unasked => "no deep survey has read it yet".into(),
        Reading::Absent | Reading::Seen(_) => "the BMC does not tell".into(),
    })
}

/// Says why a part of the inventory is not known.
fn missing(inventory: &Inventory, part: &str) -> Look {
    let is_partial = inventory.partial.iter().any(|partial| **partial == *part);
    Look::Unknown(match (part, is_partial) {
        ("memory", true) => "not every memory module could be read".into(),
        ("memory", false) => "the BMC reports no memory".into(),
        (part, true) => format!("not all {part} could be read"),
        (part, false) => format!("the BMC reports no list of {part}"),
    })
}

fn processors(all: &[Processor], key: &str) -> Look {
    match key {
        "count" => Look::applied(all.len().to_string()),
        "cores" => common(all.iter().map(|one| one.cores.map(|cores| cores.to_string()))),
        _ => common(all.iter().map(|one| one.model.as_deref())),
    }
}

/// What all parts say: one value where they agree, else each value once.
fn common<T: Into<String>>(values: impl Iterator<Item = Option<T>>) -> Look {
    let values: Option<Vec<String>> = values.map(|value| value.map(Into::into)).collect();
    match values {
        Some(values) if values.is_empty() => Look::Absent,
        Some(mut values) => {
            values.sort_unstable();
            values.dedup();
            Look::applied(values.join(" + "))
        }
        None => Look::Unknown("the BMC does not tell it of every part".into()),
    }
}
