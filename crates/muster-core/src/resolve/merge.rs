//! The merge of a class's layers, weakest first: the boot configuration, defaults, groups, the node's table, sets.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use minijinja::Environment;
use minijinja::value::Value;

use super::params::{Laying, Params};
use super::scope::ClassScope;
use super::text::{Draft, Text};
use super::unset::{Taken, no_such_key};
use super::vars::Vars;
use super::{Class, MAX_PARAMS, expect};
use crate::desired::file::ArchName;
use crate::desired::{self, At, BootImage, Desired, Findings, Free, MacSource, Node, NodeState, Source, template};
use crate::model::{Arch, Code, Diagnostic, FileId, Layer, Origin, Place, Span, Stated};

/// Where a value comes from that nobody states.
pub const BUILT_IN: Origin = Origin { file: FileId(0), at: 0, layer: Layer::BuiltIn };

/// What the layers of one class come to, before templates are expanded.
#[derive(Debug)]
pub struct Merged<'d> {
    pub state: Option<Stated<NodeState>>,
    pub arch: Stated<Arch>,
    pub boot: Option<Stated<u16>>,
    kernel: Option<Draft>,
    initrd: Vec<Draft>,
    params: Vec<Draft>,
    pub vars: Vars,
    pub user_data: Option<Stated<&'d str>>,
    pub vendor_data: Vec<Stated<&'d str>>,
    pub network_config: Option<Stated<&'d str>>,
    pub network_version: Option<Stated<u8>>,
    pub meta_data: Vars,
    pub expect: BTreeMap<String, Stated<Free>>,
    pub macs: Stated<MacSource>,
    /// Elements that take something back, and those of them that found it.
    pub sought: BTreeSet<Origin>,
    pub found: BTreeSet<Origin>,
}

/// Merges the layers of one class of nodes.
pub fn class<'d>(desired: &'d Desired, class: &desired::Class) -> (Merged<'d>, Findings) {
    let layers = layers(desired, class);
    let mut merge = Merge::new(desired);
    for source in &layers {
        merge.lay(source);
    }
    merge.boot_image(&layers);
    (merge.merged, merge.findings)
}

/// Lists the layers of a class of nodes, weakest first, all but the boot configuration.
pub fn layers<'d>(desired: &'d Desired, class: &desired::Class) -> Vec<&'d Source> {
    let groups = class.groups.iter().map(|at| &desired.groups[usize::from(*at)].source);
    let sets = class.sets.iter().map(|at| &desired.sets[usize::from(*at)].source);
    std::iter::once(&desired.defaults)
        .chain(groups)
        .chain([&desired.tables[class.table as usize]])
        .chain(sets)
        .collect()
}

/// Merges the variables of one node that has some of its own; nothing if its class has them all.
pub fn own_vars(desired: &Desired, node: &Node) -> Option<Vars> {
    if node.own.iter().all(|own| own.vars.is_empty()) {
        return None;
    }
    let own: Vec<Source> = node.own.iter().map(desired::OwnLayer::to_source).collect();
    let layers = with_own(layers(desired, desired.class(node)), &own);
    let mut merge = Merge::new(desired);
    for source in layers {
        merge.lay_vars(source);
    }
    Some(merge.merged.vars)
}

/// Finds the elements of `unset` that take back variables of one node that its class does not have.
pub fn taken_of_own(desired: &Desired, node: &Node) -> BTreeSet<Origin> {
    let own: Vec<Source> = node.own.iter().map(desired::OwnLayer::to_source).collect();
    let layers = with_own(layers(desired, desired.class(node)), &own);
    let mut merge = Merge::new(desired);
    for source in layers {
        merge.lay_vars(source);
    }
    merge.merged.found
}

/// Puts what is a node's own into the layers of its class: over the node's table, below sets.
pub fn with_own<'d>(mut layers: Vec<&'d Source>, own: &'d [Source]) -> Vec<&'d Source> {
    let is_set = |source: &&Source| matches!(source.layer, Layer::Set(_));
    let at = layers.iter().position(is_set).unwrap_or(layers.len());
    layers.splice(at..at, own);
    layers
}

/// The parameters that one layer states.
pub struct ParamList<'d> {
    /// Without those that an earlier `[[set]]` of the node states, too.
    pub elements: Cow<'d, [At<String>]>,
    pub file: FileId,
    pub layer: Layer,
    /// Where the layer takes back all parameters of weaker ones.
    pub unset: Option<Origin>,
}

/// Merges what an unknown machine boots: its boot configuration and, unless that is sealed, the defaults.
pub fn unknown(desired: &Desired, boot: Stated<u16>, arch: Arch) -> (Merged<'_>, Findings) {
    let mut merge = Merge::new(desired);
    merge.lay(&desired.defaults);
    merge.merged.arch.value = arch;
    merge.merged.boot = Some(boot);
    merge.boot_image(&[&desired.defaults]);
    (merge.merged, merge.findings)
}

/// The merge up to some layer.
pub struct Merge<'d> {
    desired: &'d Desired,
    /// What the `[[set]]` tables take back that are laid.
    unset_by_sets: HashSet<&'d str>,
    /// The parts of vendor-data that they state.
    parts_of_sets: HashSet<&'d str>,
    pub merged: Merged<'d>,
    findings: Findings,
}

impl<'d> Merge<'d> {
    /// Begins with what holds where no layer says anything.
    pub fn new(desired: &'d Desired) -> Self {
        let merged = Merged {
            state: None,
            arch: Stated::new(Arch::X86_64, BUILT_IN),
            boot: None,
            kernel: None,
            initrd: Vec::new(),
            params: Vec::new(),
            vars: Vars::default(),
            user_data: None,
            vendor_data: Vec::new(),
            network_config: None,
            network_version: None,
            meta_data: Vars::default(),
            expect: BTreeMap::new(),
            macs: Stated::new(MacSource::Declared, BUILT_IN),
            sought: BTreeSet::new(),
            found: BTreeSet::new(),
        };
        Self {
            desired,
            unset_by_sets: HashSet::new(),
            parts_of_sets: HashSet::new(),
            merged,
            findings: Findings::new(),
        }
    }

    /// Lays what one layer says of variables, and nothing else of it.
    fn lay_vars(&mut self, source: &'d Source) {
        let origin = |span: Span| Origin { file: source.file, at: span.start as u32, layer: source.layer };
        let of_vars = |path: &&At<String>| path.value == "vars" || path.value.starts_with("vars.");
        for path in source.table.unset.iter().filter(of_vars) {
            self.unset(path, origin(path.span));
        }
        if let Some(vars) = &source.table.vars {
            self.merged.vars.lay(&vars.value, &origin);
        }
    }

    /// Lays one layer over the weaker ones, all but its parameters.
    pub fn lay(&mut self, source: &'d Source) {
        let origin = |span: Span| Origin { file: source.file, at: span.start as u32, layer: source.layer };
        // What two sets of a node both take back is gone after the first.
        let is_new = |path: &&At<String>| !self.unset_by_sets.contains(path.value.as_str());
        let paths: Vec<&At<String>> = source.table.unset.iter().filter(is_new).collect();
        for path in paths {
            let at = origin(path.span);
            self.unset(path, at);
        }
        self.lay_table(source);
    }

    /// Lays what one layer states over the weaker ones, whatever it takes back; all but its parameters.
    pub fn lay_table(&mut self, source: &'d Source) {
        let origin = |span: Span| Origin { file: source.file, at: span.start as u32, layer: source.layer };
        let table = &source.table;
        let is_set = matches!(source.layer, Layer::Set(_));
        let merged = &mut self.merged;
        if let Some(state) = &table.state {
            merged.state = Some(Stated::new(state.value, origin(state.span)));
        }
        if let Some(arch) = &table.arch {
            let value = match arch.value {
                ArchName::X86_64 => Arch::X86_64,
                ArchName::Aarch64 => Arch::Aarch64,
            };
            merged.arch = Stated::new(value, origin(arch.span));
        }
        if let Some(macs) = &table.macs {
            merged.macs = Stated::new(macs.value, origin(macs.span));
        }
        if let Some(vars) = &table.vars {
            merged.vars.lay(&vars.value, &origin);
        }
        if let Some(wanted) = &table.expect {
            expect::lay(&mut merged.expect, &wanted.value, &origin);
        }
        if let Some(boot) = &table.boot {
            // The desired room tells of names that nothing bears.
            let found = self.desired.boot_index(&boot.value);
            merged.boot = found.map(|at| Stated::new(at, origin(boot.span))).or(merged.boot);
        }
        if let Some(cloud_init) = &table.cloud_init {
            let told = &cloud_init.value;
            if let Some(name) = &told.user_data {
                merged.user_data = Some(Stated::new(&name.value, origin(name.span)));
            }
            if let Some(name) = &told.vendor_data {
                // What two sets of a node both state is one part.
                if !is_set || self.parts_of_sets.insert(&name.value) {
                    merged.vendor_data.push(Stated::new(&name.value, origin(name.span)));
                }
            }
            if let Some(name) = &told.network_config {
                merged.network_config = Some(Stated::new(&name.value, origin(name.span)));
            }
            if let Some(version) = &told.network_version {
                merged.network_version = Some(Stated::new(version.value, origin(version.span)));
            }
            if let Some(keys) = &told.meta_data {
                merged.meta_data.lay(&keys.value, &origin);
            }
        }
        if is_set {
            self.unset_by_sets.extend(table.unset.iter().map(|path| path.value.as_str()));
        }
    }

    fn unset(&mut self, path: &At<String>, origin: Origin) {
        let Some(taken) = Taken::parse(&path.value) else {
            self.findings.push(no_such_key(self.desired, &path.value, origin));
            return;
        };
        // Interfaces are merged, and taken back, where nodes are expanded; parameters where their lists are laid.
        if matches!(taken, Taken::Nic(_) | Taken::Params) {
            return;
        }

        self.merged.sought.insert(origin);
        if self.merged.states(taken) {
            self.merged.found.insert(origin);
            self.merged.remove(taken);
            if matches!(taken, Taken::VendorData) {
                self.parts_of_sets.clear();
            }
        }
    }

    /// Joins what the boot configuration says with the parameters of all layers.
    fn boot_image(&mut self, layers: &[&'d Source]) {
        let Some(boot) = self.merged.boot else { return };
        let configuration = &self.desired.boots[usize::from(boot.value)];
        let by_arch = configuration.for_arch(self.merged.arch.value);
        for (image, layer) in images(configuration, by_arch) {
            let draft = |text: &At<String>| Draft {
                source: text.value.as_str().into(),
                origin: Origin { file: configuration.file, at: text.span.start as u32, layer },
            };
            if let Some(kernel) = &image.kernel {
                self.merged.kernel = Some(draft(kernel));
            }
            if let Some(initrd) = &image.initrd {
                self.merged.initrd = initrd.iter().map(draft).collect();
            }
        }
        let mut params = Params::default();
        for list in self.param_lists(layers) {
            self.lay_list(&mut params, &list);
            if params.count() > MAX_PARAMS {
                break;
            }
        }
        self.merged.params = params.finish();
        if self.merged.params.len() > MAX_PARAMS {
            let place = self.desired.sources.place(boot.origin);
            let message = format!("over {MAX_PARAMS} kernel parameters come together");
            self.findings.push(Diagnostic::new(Code::TooMany, place, message));
            self.merged.params.truncate(MAX_PARAMS);
        }
    }

    /// Lists what each layer states of parameters, weakest first; nothing without a boot configuration.
    pub fn param_lists(&self, layers: &[&'d Source]) -> Vec<ParamList<'d>> {
        let Some(boot) = self.merged.boot else { return Vec::new() };
        let configuration = &self.desired.boots[usize::from(boot.value)];
        let images = images(configuration, configuration.for_arch(self.merged.arch.value));
        let of_images = images.map(|(image, layer)| ParamList {
            elements: Cow::Borrowed(&image.params),
            file: configuration.file,
            layer,
            unset: None,
        });
        let mut of_sets: HashSet<&str> = HashSet::new();
        let of_layers = layers.iter().filter(|_| !configuration.sealed).map(|source| {
            let unset = source.table.unset.iter().find(|path| path.value == "params");
            let at = |path: &At<String>| Origin { file: source.file, at: path.span.start as u32, layer: source.layer };
            let elements = elements(&mut of_sets, source);
            ParamList { elements, file: source.file, layer: source.layer, unset: unset.map(at) }
        });
        of_images.chain(of_layers).collect()
    }

    /// Lays one layer's parameters over the weaker ones.
    pub fn lay_list(&mut self, params: &mut Params, list: &ParamList<'d>) {
        if let Some(unset) = list.unset {
            self.merged.sought.insert(unset);
            if params.iter().next().is_some() {
                self.merged.found.insert(unset);
            }
            *params = Params::default();
        }
        let origin = |text: &At<String>| Origin { file: list.file, at: text.span.start as u32, layer: list.layer };
        let sources = &self.desired.sources;
        let place = |origin: Origin| sources.place(origin);
        let Merged { sought, found, .. } = &mut self.merged;
        params.lay(&list.elements, &origin, &mut Laying { place: &place, sought, found }, &mut self.findings);
    }
}

/// Returns the parameters of a layer; of a set without those that an earlier set of the node states, too, which `of_sets`
/// holds.
fn elements<'d>(of_sets: &mut HashSet<&'d str>, source: &'d Source) -> Cow<'d, [At<String>]> {
    let all = &source.table.params;
    if !matches!(source.layer, Layer::Set(_)) {
        return Cow::Borrowed(all);
    }

    let is_new = |element: &&At<String>| !of_sets.contains(element.value.as_str());
    let new: Vec<At<String>> = all.iter().filter(is_new).cloned().collect();
    of_sets.extend(all.iter().map(|element| element.value.as_str()));
    Cow::Owned(new)
}

/// Lists what a boot configuration says of an image, weakest first.
fn images<'d>(
    configuration: &'d desired::BootConfiguration,
    by_arch: Option<&'d BootImage>,
) -> impl Iterator<Item = (&'d BootImage, Layer)> {
    std::iter::once((&configuration.base, Layer::Boot)).chain(by_arch.map(|image| (image, Layer::BootArch)))
}

impl Merged<'_> {
    /// Expands what is the same for the whole class, and gives the engine what is not.
    pub fn finish(
        self,
        desired: &Desired,
        class: Option<&desired::Class>,
        own_vars: &BTreeSet<&str>,
        engine: &mut Environment<'static>,
        findings: &mut Findings,
    ) -> Class {
        let boot_name = self.boot.map(|boot| &*desired.boots[usize::from(boot.value)].name);
        let scope = Arc::new(ClassScope::new(desired, class, self.vars.to_value(), self.arch.value, boot_name));
        let value = Value::from_dyn_object(Arc::clone(&scope));
        let mut text = |draft: Draft| {
            let origin = draft.origin;
            Text::new(draft, engine, &value, own_vars)
                .map_err(|error| findings.push(text_finding(desired.sources.place(origin), &error, &value)))
                .ok()
        };
        let kernel = self.kernel.and_then(&mut text);
        let initrd = self.initrd.into_iter().filter_map(&mut text).collect();
        let params = self.params.into_iter().filter_map(&mut text).collect();
        Class {
            arch: self.arch,
            boot: self.boot,
            kernel,
            initrd,
            params,
            vars: self.vars,
            user_data: self.user_data.map(|name| name.map(Into::into)),
            vendor_data: self.vendor_data.into_iter().map(|name| name.map(Into::into)).collect(),
            network_config: self.network_config.map(|name| name.map(Into::into)),
            network_version: self.network_version,
            meta_data: self.meta_data,
            expect: self.expect,
            macs: self.macs,
            scope,
        }
    }
}

/// Tells of a TOML value whose template fails.
pub fn text_finding(place: Place, error: &minijinja::Error, scope: &Value) -> Diagnostic {
    if template::refused_secret(error).is_some() {
        let finding = Diagnostic::new(Code::SecretHole, place, "a secret cannot stand in a boot script");
        return finding
            .hint("scripts are served to anybody who asks; secrets belong in cloud-init, once nodes have tokens");
    }
    // A value can include a file under `cloud-init/`, and the fault can lie there.
    let included = template::causes(error).into_iter().skip(1).last().and_then(|cause| {
        let line = cause.line().map(|line| format!(":{line}")).unwrap_or_default();
        cause.name().map(|name| format!("cloud-init/{name}{line}: "))
    });
    let message = format!("{}{}", included.unwrap_or_default(), template::reason(error));
    let finding = Diagnostic::new(Code::Template, place, message);
    finding.maybe_hint(desired::undefined_hint(error, scope))
}
