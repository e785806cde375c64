//! What stronger layers took the place of: the statements that reach no machine, and what stands over each.

use std::collections::BTreeMap;

use super::merge::{self, Merged, ParamList};
use super::params::Params;
use crate::desired::{self, Desired, Node, OwnLayer, Source};
use crate::model::{FileId, Layer, Origin, Stated};

/// A statement of a weaker layer that counts no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overridden {
    /// Such as `vars.image`, `boot` or `params.console`; a parameter's key is spelt as the kernel compares it.
    pub key: Box<str>,
    /// As it was written, before templates are expanded.
    pub text: Box<str>,
    pub origin: Origin,
    /// What stands over it: the value in its place, or what takes it back.
    pub by: Origin,
    /// Whether nothing stands in its place.
    pub is_taken_back: bool,
}

/// What one key comes to up to some layer.
type Values = BTreeMap<String, (String, Origin)>;

/// Lists what the layers of a node override, weakest layer first.
#[must_use]
pub fn overridden(desired: &Desired, node: &Node) -> Vec<Overridden> {
    let own: Vec<Source> = node.own.iter().map(OwnLayer::to_source).collect();
    let layers = merge::with_own(merge::layers(desired, desired.class(node)), &own);
    let mut all = Vec::new();
    let mut before = Values::new();
    let mut merge = merge::Merge::new(desired);
    for source in &layers {
        merge.lay(source);
        let after = values(desired, &merge.merged);
        step(source, &before, &after, &mut all);
        before = after;
    }
    let boot = merge.merged.boot;
    image(desired, boot, &merge.merged, &mut all);
    let mut params = Params::default();
    for list in merge.param_lists(&layers) {
        let weaker = params.clone();
        merge.lay_list(&mut params, &list);
        of_params(&weaker, &params, &list, &mut all);
    }
    all
}

fn values(desired: &Desired, merged: &Merged<'_>) -> Values {
    let mut all = Values::new();
    let mut put = |key: String, text: String, origin: Origin| {
        if origin.layer != Layer::BuiltIn {
            all.insert(key, (text, origin));
        }
    };
    put("arch".into(), merged.arch.value.to_string(), merged.arch.origin);
    if let Some(state) = merged.state {
        put("state".into(), state.value.as_str().into(), state.origin);
    }
    put("macs".into(), merged.macs.value.as_str().into(), merged.macs.origin);
    if let Some(boot) = merged.boot {
        put("boot".into(), desired.boots[usize::from(boot.value)].name.to_string(), boot.origin);
    }
    if let Some(file) = merged.user_data {
        put("user_data".into(), file.value.into(), file.origin);
    }
    if let Some(file) = merged.network_config {
        put("network_config".into(), file.value.into(), file.origin);
    }
    if let Some(version) = merged.network_version {
        put("network_version".into(), version.value.to_string(), version.origin);
    }
    for file in &merged.vendor_data {
        put(format!("vendor_data.{}", file.value), file.value.into(), file.origin);
    }
    for (start, table) in [("vars", &merged.vars), ("meta_data", &merged.meta_data)] {
        for (path, leaf) in table.leaves() {
            put(format!("{start}.{path}"), leaf.value.to_string(), leaf.origin);
        }
    }
    for (path, Stated { value, origin }) in &merged.expect {
        put(format!("expect.{path}"), value.to_string(), *origin);
    }
    all
}

/// Finds what one layer did to what the weaker ones stated.
fn step(source: &Source, before: &Values, after: &Values, all: &mut Vec<Overridden>) {
    for (key, (text, origin)) in before {
        let now = after.get(key).map(|(_, now)| *now);
        if now == Some(*origin) {
            continue;
        }
        // A table in the place of a value, or a value in that of a table.
        let around = || {
            let new = after.iter().filter(|(other, (_, at))| {
                at.layer == source.layer && before.get(*other).is_none_or(|(_, old)| old != at)
            });
            let is_around = |other: &str| below(key, other) || below(other, key);
            new.into_iter().find(|(other, _)| is_around(other)).map(|(_, (_, at))| *at)
        };
        let taken = || unset(source, key);
        let Some(by) = now.or_else(around).or_else(taken) else { continue };
        let is_taken_back = now.is_none() && unset(source, key).is_some();
        all.push(Overridden {
            key: key.as_str().into(),
            text: text.as_str().into(),
            origin: *origin,
            by,
            is_taken_back,
        });
    }
}

/// Tells whether a path lies below another.
fn below(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'))
}

/// Finds the element of `unset` that takes back what a key states.
fn unset(source: &Source, key: &str) -> Option<Origin> {
    let written = match key.split('.').next() {
        Some("user_data" | "vendor_data" | "meta_data" | "network_config" | "network_version") => {
            format!("cloud_init.{key}")
        }
        _ => key.to_owned(),
    };
    let found = source.table.unset.iter().find(|path| written == path.value || below(&written, &path.value));
    found.map(|path| Origin { file: source.file, at: path.span.start as u32, layer: source.layer })
}

/// Finds what the `[arch.*]` table of the boot configuration overrides.
fn image(desired: &Desired, boot: Option<Stated<u16>>, merged: &Merged<'_>, all: &mut Vec<Overridden>) {
    let Some(configuration) = boot.map(|boot| &desired.boots[usize::from(boot.value)]) else { return };
    let Some(by_arch) = configuration.for_arch(merged.arch.value) else { return };
    let at = |layer: Layer, at: usize| Origin { file: configuration.file, at: at as u32, layer };
    let mut push = |key: &str, text: String, weak: usize, strong: usize| {
        all.push(Overridden {
            key: key.into(),
            text: text.into(),
            origin: at(Layer::Boot, weak),
            by: at(Layer::BootArch, strong),
            is_taken_back: false,
        });
    };
    if let (Some(weak), Some(strong)) = (&configuration.base.kernel, &by_arch.kernel) {
        push("kernel", weak.value.clone(), weak.span.start, strong.span.start);
    }
    if let (Some(weak), Some(strong)) = (&configuration.base.initrd, &by_arch.initrd)
        && let (Some(first), Some(over)) = (weak.first(), strong.first())
    {
        let texts: Vec<&str> = weak.iter().map(|text| text.value.as_str()).collect();
        push("initrd", texts.join(" "), first.span.start, over.span.start);
    }
}

/// Finds what one list of parameters did to those of weaker layers.
fn of_params(before: &Params, after: &Params, list: &ParamList<'_>, all: &mut Vec<Overridden>) {
    let origin = |at: usize| Origin { file: list.file, at: at as u32, layer: list.layer };
    for (key, text, stated) in before.iter().filter(|(_, _, stated)| after.iter().all(|(.., at)| at != *stated)) {
        let new = |(other, _, at): &(&str, &str, Origin)| *other == key && is_of(list, *at);
        let placed = after.iter().find(new).map(|(.., at)| at);
        // Whoever takes a parameter back names its key.
        let taker = || {
            let names = |element: &&desired::At<String>| {
                let named = element.value.strip_prefix('-');
                named.is_some_and(|named| named == text || !named.contains('=') && super::params::key(named) == key)
            };
            list.elements.iter().find(names).map(|element| origin(element.span.start))
        };
        let is_taken_back = list.unset.is_some() || taker().is_some();
        let Some(by) = list.unset.or_else(taker).or(placed) else { continue };
        all.push(Overridden {
            key: format!("params.{key}").into(),
            text: text.into(),
            origin: stated,
            by,
            is_taken_back,
        });
    }
}

fn is_of(list: &ParamList<'_>, origin: Origin) -> bool {
    let (file, layer): (FileId, Layer) = (list.file, list.layer);
    origin.file == file && origin.layer == layer
}
