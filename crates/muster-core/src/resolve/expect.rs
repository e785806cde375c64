//! What machines should look like, as one flat list of attribute paths.

use std::collections::BTreeMap;

use crate::desired::file::{Expect, ExpectBios, ExpectBoot, ExpectDrives, ExpectParts};
use crate::desired::{At, Free};
use crate::model::{Origin, Span, Stated};

/// Lays a stronger layer's expectations over the weaker ones, attribute by attribute.
pub fn lay(all: &mut BTreeMap<String, Stated<Free>>, expect: &Expect, origin: &dyn Fn(Span) -> Origin) {
    let Expect {
        manufacturer,
        model,
        memory_gib,
        processors,
        accelerators,
        drives,
        bios,
        firmware,
        secure_boot,
        power,
        boot,
    } = expect;
    let mut put = |path: String, value: Free, span: Span| {
        all.insert(path, Stated::new(value, origin(span)));
    };
    let mut text = |path: &str, at: &Option<At<String>>| {
        if let Some(at) = at {
            put(path.into(), Free::Text(at.value.clone()), at.span);
        }
    };
    text("manufacturer", manufacturer);
    text("model", model);
    if let Some(at) = memory_gib {
        put("memory_gib".into(), Free::Integer(i64::try_from(at.value).unwrap_or(i64::MAX)), at.span);
    }
    let of_drives = |at: &At<ExpectDrives>| {
        let ExpectDrives { count, model } = at.value.clone();
        ExpectParts { count, model, cores: None }
    };
    let drives = drives.as_ref().map(of_drives);
    let parts = |at: &Option<At<ExpectParts>>| at.as_ref().map(|at| at.value.clone());
    for (name, parts) in [("processors", parts(processors)), ("accelerators", parts(accelerators)), ("drives", drives)]
    {
        let Some(ExpectParts { count, model, cores }) = parts else { continue };
        for (key, number) in [("count", count), ("cores", cores)] {
            if let Some(at) = number {
                put(format!("{name}.{key}"), Free::Integer(at.value.into()), at.span);
            }
        }
        if let Some(at) = model {
            put(format!("{name}.model"), Free::Text(at.value.clone()), at.span);
        }
    }
    if let Some(At { value: ExpectBios { version, attributes }, .. }) = bios {
        if let Some(at) = version {
            put("bios.version".into(), Free::Text(at.value.clone()), at.span);
        }
        for (key, at) in attributes.iter().flat_map(|table| &table.value) {
            put(format!("bios.attributes.{key}"), at.value.clone(), at.span);
        }
    }
    for (key, at) in firmware.iter().flat_map(|table| &table.value) {
        put(format!("firmware.{key}"), Free::Text(at.value.clone()), at.span);
    }
    if let Some(at) = secure_boot {
        put("secure_boot".into(), Free::Boolean(at.value), at.span);
    }
    if let Some(at) = power {
        put("power".into(), Free::Text(at.value.as_str().into()), at.span);
    }
    if let Some(boot) = boot {
        lay_boot(&boot.value, &mut put);
    }
}

fn lay_boot(boot: &ExpectBoot, put: &mut dyn FnMut(String, Free, Span)) {
    let ExpectBoot { order, r#override, target, mode } = boot;
    if let Some(at) = order {
        let items = at.value.iter().cloned().map(Free::Text).collect();
        put("boot.order".into(), Free::List(items), at.span);
    }
    let mut word = |path: &str, word: Option<(&str, Span)>| {
        if let Some((word, span)) = word {
            put(path.into(), Free::Text(word.into()), span);
        }
    };
    word("boot.override", r#override.as_ref().map(|at| (at.value.as_str(), at.span)));
    word("boot.target", target.as_ref().map(|at| (at.value.as_str(), at.span)));
    word("boot.mode", mode.as_ref().map(|at| (at.value.as_str(), at.span)));
}

/// Returns whether anything is expected at or below a path, or anything at all without one.
pub fn has(all: &BTreeMap<String, Stated<Free>>, path: Option<&str>) -> bool {
    let Some(path) = path else { return !all.is_empty() };
    let below = format!("{path}.");

    all.contains_key(path) || all.range(below.clone()..).next().is_some_and(|(key, _)| key.starts_with(&below))
}

/// Takes back what is expected at and below a path, or everything without one.
pub fn unset(all: &mut BTreeMap<String, Stated<Free>>, path: Option<&str>) {
    let Some(path) = path else {
        all.clear();
        return;
    };
    let below = format!("{path}.");
    let is_below = |(key, _): &(&String, _)| key.starts_with(&below);
    let gone: Vec<String> = all.range(below.clone()..).take_while(is_below).map(|(key, _)| key.clone()).collect();
    for key in gone.iter().map(String::as_str).chain([path]) {
        all.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{ATTRIBUTES, attribute_fault};
    use crate::model::{FileId, Layer};

    /// Every key that a wish can have.
    const ALL: &str = r#"
        manufacturer = "a"
        model = "b"
        memory_gib = 512
        processors = { count = 2, model = "c", cores = 64 }
        accelerators = { count = 4, model = "d", cores = 1 }
        drives = { count = 1, model = "e" }
        bios = { version = "1", attributes = { LogicalProc = "Disabled" } }
        firmware = { BMC = "2" }
        secure_boot = true
        power = "on"
        boot = { order = ["Boot0001", "Boot0002"], override = "Once", target = "Pxe", mode = "UEFI" }
    "#;

    fn laid() -> BTreeMap<String, Stated<Free>> {
        let expect: Expect = toml::from_str(ALL).unwrap();
        let mut all = BTreeMap::new();
        lay(&mut all, &expect, &|span| Origin { file: FileId(0), at: span.start as u32, layer: Layer::Node });
        all
    }

    #[test]
    fn every_wish_can_be_excepted() {
        let all = laid();
        assert!(all.keys().all(|path| attribute_fault(path).is_none()), "{all:?}");
        let mut whole: Vec<&str> = all.keys().map(String::as_str).chain(["arch", "macs", "serial", "uuid"]).collect();
        whole.retain(|path| !["bios.attributes.LogicalProc", "firmware.BMC"].contains(path));
        whole.sort_unstable();
        assert_eq!(whole, ATTRIBUTES);
    }

    #[test]
    fn what_is_booted_next_is_flat_and_knows_its_place() {
        let mut all = laid();
        let boot = |key: &str, all: &BTreeMap<String, Stated<Free>>| all[&format!("boot.{key}")].value.clone();
        let order = ["Boot0001", "Boot0002"].map(|item| Free::Text(item.into()));
        assert_eq!(boot("order", &all), Free::List(order.into()));
        let words = ["override", "target", "mode"].map(|key| boot(key, &all));
        assert_eq!(words, ["Once", "Pxe", "UEFI"].map(|word| Free::Text(word.into())));
        assert!(ALL[all["boot.mode"].origin.at as usize..].starts_with("\"UEFI\""));
        assert!(has(&all, Some("boot.order")) && !has(&all, Some("boot.ord")));
        unset(&mut all, Some("boot.order"));
        assert!(!has(&all, Some("boot.order")) && has(&all, Some("boot")));
        unset(&mut all, Some("boot"));
        assert!(!has(&all, Some("boot")) && has(&all, None));
    }
}
