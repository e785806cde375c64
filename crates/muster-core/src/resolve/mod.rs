//! Layers to one answer: what each node boots, with the Origin of every value.
//!
//! Nodes whose table and groups are the same share one [`Class`]: layers are merged and class-wide templates expanded
//! once for all of them. What names the node itself is expanded for each node, on request, from frozen inputs. This room
//! writes no script and no document, and knows neither machines as they are nor who asks.

mod blame;
mod conflicts;
mod expect;
mod idle;
mod lines;
mod merge;
mod params;
mod scope;
mod text;
mod unfindable;
mod unset;
mod vars;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::Environment;
use minijinja::value::Value;
use rayon::prelude::*;

use crate::desired::template::Rejection;
use crate::desired::{
    At, BootConfiguration, BootKind, CloudInitFile, Desired, Findings, Free, MacSource, Node, NodeState, template,
    undefined_hint,
};
use crate::model::{Arch, Code, Diagnostic, FileId, Origin, Place, Stated};

pub use blame::{Overridden, overridden};
pub use scope::{fqdn, server_of};
pub use text::Text;
pub use vars::Vars;

use merge::Merged;
use scope::{ClassScope, NodeScope};

/// The most parameters of one kernel line; the line itself is bounded at 2,047 bytes.
const MAX_PARAMS: usize = 512;

/// Everything that the layers of one commit come to.
pub struct Resolved {
    pub desired: Arc<Desired>,
    /// In the order of [`Desired::classes`].
    pub classes: Vec<Class>,
    /// What unknown machines boot, by architecture, where they boot at all.
    pub unknown: Vec<(Arch, Class)>,
    engine: Environment<'static>,
}

/// What all nodes of one class have in common.
#[derive(Debug, Clone)]
pub struct Class {
    pub arch: Stated<Arch>,
    /// The index of the boot configuration, where a layer names one.
    pub boot: Option<Stated<u16>>,
    pub kernel: Option<Text>,
    pub initrd: Vec<Text>,
    pub params: Vec<Text>,
    /// Without those that differ by node; [`Resolved::vars`] has them all.
    pub vars: Vars,
    /// The file that is the user-data.
    pub user_data: Option<Stated<Box<str>>>,
    /// The files that are the vendor-data, weakest layer first.
    pub vendor_data: Vec<Stated<Box<str>>>,
    /// The file that is the network-config, in place of what follows from the interfaces.
    pub network_config: Option<Stated<Box<str>>>,
    /// The version of network-config that a layer asks for.
    pub network_version: Option<Stated<u8>>,
    /// Further keys of meta-data.
    pub meta_data: Vars,
    /// What the machine should look like: attribute paths such as `bios.attributes.LogicalProc`.
    pub expect: BTreeMap<String, Stated<Free>>,
    pub macs: Stated<MacSource>,
    scope: Arc<ClassScope>,
}

/// What one node boots, with every template expanded.
#[derive(Debug)]
pub struct Boot<'r> {
    pub configuration: &'r BootConfiguration,
    pub kernel: Option<Expanded<'r>>,
    pub initrd: Vec<Expanded<'r>>,
    pub params: Vec<Expanded<'r>>,
}

/// A text as it goes out, and where it was stated.
#[derive(Debug, Clone)]
pub struct Expanded<'r> {
    pub text: Cow<'r, str>,
    pub origin: Origin,
}

/// Merges all layers of a commit.
///
/// Where a finding is an error, what it is about is missing.
#[must_use]
pub fn resolve(desired: Arc<Desired>) -> (Resolved, Findings) {
    let all: BTreeSet<u32> = (0..desired.classes.len() as u32).collect();
    resolve_judging(desired, &all)
}

/// Merges all layers of a commit, and returns only findings that concern the one node, by its index, or no node at all.
#[must_use]
pub fn resolve_one(desired: Arc<Desired>, node: Option<usize>) -> (Resolved, Findings) {
    let class = node.map(|node| desired.nodes[node].class);
    resolve_judging(desired, &class.into_iter().collect())
}

/// Merges all layers; findings are those of the classes in `judged`.
fn resolve_judging(desired: Arc<Desired>, judged: &BTreeSet<u32>) -> (Resolved, Findings) {
    let mut findings = conflicts::conflicts(&desired, judged);
    let own_vars = own_vars(&desired);
    let mut engine = template::environment(&desired.networks);
    add_templates(&desired, &mut engine, &mut findings);
    let merged: Vec<(Merged<'_>, Findings)> =
        desired.classes.par_iter().map(|class| merge::class(&desired, class)).collect();
    let mut found = BTreeSet::new();
    let mut sought = BTreeSet::new();
    let mut classes = Vec::with_capacity(merged.len());
    let mut ignored = Findings::new();
    let all = merged.into_iter().zip(&desired.classes).zip(&own_vars).zip(0..);
    for ((((merged, told), class), own_vars), at) in all {
        let findings = if judged.contains(&at) { &mut findings } else { &mut ignored };
        findings.extend(told);
        sought.extend(merged.sought.iter().copied());
        found.extend(merged.found.iter().copied());
        classes.push(merged.finish(&desired, Some(class), own_vars, &mut engine, findings));
    }
    let unknown = unknown(&desired, &mut engine, &mut findings);
    found.extend(taken_of_own(&desired));
    takes_nothing(&desired, sought.difference(&found), &mut findings);
    findings.extend(idle::unsets(&desired));
    boots_nothing(&desired, &classes, judged, &mut findings);
    findings.extend(unfindable::unfindable(&desired, &classes, judged));
    (Resolved { desired, classes, unknown, engine }, findings)
}

/// Lists, for each class, the variables that differ by node, by the first part of their paths.
fn own_vars(desired: &Desired) -> Vec<BTreeSet<&str>> {
    let mut all = vec![BTreeSet::new(); desired.classes.len()];
    for node in &desired.nodes {
        let own = &mut all[node.class as usize];
        own.extend(node.own.iter().flat_map(|layer| layer.vars.keys()).map(String::as_str));
    }
    all
}

/// Finds the elements of `unset` in sets that take back variables which facts, or patterns of a table, state.
fn taken_of_own(desired: &Desired) -> BTreeSet<Origin> {
    let of_vars = |path: &At<String>| path.value == "vars" || path.value.starts_with("vars.");
    let takes: Vec<bool> = desired.sets.iter().map(|set| set.source.table.unset.iter().any(of_vars)).collect();
    let has_some = |node: &&Node| {
        let sets = &desired.class(node).sets;
        node.own.iter().any(|own| !own.vars.is_empty()) && sets.iter().any(|at| takes[usize::from(*at)])
    };
    desired.nodes.iter().filter(has_some).flat_map(|node| merge::taken_of_own(desired, node)).collect()
}

fn add_templates(desired: &Desired, engine: &mut Environment<'static>, findings: &mut Findings) {
    for (name, file) in desired.templates.iter().filter(|(_, file)| file.is_template) {
        if let Err(rejection) = template::add(engine, &**name, &file.text) {
            findings.push(match rejection {
                Rejection::TooDeep { message, range } => {
                    Diagnostic::new(Code::Template, Place::at(format!("cloud-init/{name}"), range), message)
                }
                Rejection::Engine(error) => template_finding(desired, name, &error),
            });
            // Stands in for it, so that nobody misses it.
            let nothing = engine.add_template_owned(name.to_string(), "#cloud-config\n".to_owned());
            nothing.expect("a text without blocks is a template");
        }
    }
}

/// Tells of a failure in a file under `cloud-init/`.
#[must_use]
pub fn template_finding(desired: &Desired, name: &str, error: &minijinja::Error) -> Diagnostic {
    // The engine reports the failure of each file that includes the one with the fault, and that one's last.
    let causes = template::causes(error);
    let place = place_in_templates(desired, name, causes.last().copied().unwrap_or(error));
    let included = |finding: Diagnostic| match causes.len() {
        0 | 1 => finding,
        _ => finding.related(place_in_templates(desired, name, error), "it is included from here"),
    };
    if let Some(secret) = template::refused_secret(error) {
        let message = format!("the secret `{secret}` cannot be given to nodes yet");
        let finding = Diagnostic::new(Code::SecretHole, place, message);
        let hint = "secrets wait for per-node tokens: anybody on the network can ask for a node's documents";
        return included(finding.hint(hint));
    }
    included(Diagnostic::new(Code::Template, place, template::reason(error)))
}

/// Returns where in the files under `cloud-init/` one failure of the engine is.
fn place_in_templates(desired: &Desired, name: &str, error: &minijinja::Error) -> Place {
    let name = error.name().unwrap_or(name);
    let path = format!("cloud-init/{name}");
    let range = desired.templates.get(name).and_then(|file| template::place_of(&file.text, error));
    range.map_or_else(|| Place::file(path.clone()), |range| Place::at(path.clone(), range))
}

fn unknown(desired: &Desired, engine: &mut Environment<'static>, findings: &mut Findings) -> Vec<(Arch, Class)> {
    let crate::desired::Unknown::Boot(boot) = desired.cluster.unknown else { return Vec::new() };
    let mut all = Vec::new();
    for arch in Arch::ALL {
        let (merged, told) = merge::unknown(desired, boot, arch);
        findings.extend(told);
        let class = merged.finish(desired, None, &BTreeSet::new(), engine, findings);
        let is_local = desired.boots[usize::from(boot.value)].kind == BootKind::Local;
        if class.kernel.is_some() || is_local {
            all.push((arch, class));
        }
    }
    all
}

/// Tells of elements that take back or replace what no class has below them.
fn takes_nothing<'o>(desired: &Desired, origins: impl Iterator<Item = &'o Origin>, findings: &mut Findings) {
    let groups = desired.groups.iter().map(|group| &group.source);
    let sets = desired.sets.iter().map(|set| &set.source);
    let layers = groups.chain(&desired.tables).chain(sets).chain([&desired.defaults]);
    let unset: BTreeSet<(FileId, usize)> =
        layers.flat_map(|source| source.table.unset.iter().map(|path| (source.file, path.span.start))).collect();
    for origin in origins {
        let is_unset = unset.contains(&(origin.file, origin.at as usize));
        let code = if is_unset { Code::UnsetNothing } else { Code::ParamNothing };
        findings.push(nothing_below(desired, code, *origin));
    }
}

/// Reports an element that takes back what no weaker layer states.
fn nothing_below(desired: &Desired, code: Code, origin: Origin) -> Diagnostic {
    let place = desired.sources.place(origin);
    let finding = Diagnostic::new(code, place, "this takes back what no weaker layer states");
    finding.hint("look for a typing mistake; `muster show NODE --blame` lists what layers state")
}

/// Tells of active nodes that can boot nothing.
fn boots_nothing(desired: &Desired, classes: &[Class], judged: &BTreeSet<u32>, findings: &mut Findings) {
    let mut told: BTreeSet<(Place, Arch)> = BTreeSet::new();
    let is_judged = |node: &&Node| node.state.value == NodeState::Active && judged.contains(&node.class);
    for node in desired.nodes.iter().filter(is_judged) {
        let class = &classes[node.class as usize];
        let Some(boot) = class.boot else {
            let place = desired.sources.place(node.origin);
            let message = "no layer names a boot configuration for these active nodes";
            let hint = "name one with `boot` in the node, a group or [defaults], or give the node another `state`";
            findings.push(Diagnostic::new(Code::BootsNothing, place, message).hint(hint));
            continue;
        };
        let configuration = &desired.boots[usize::from(boot.value)];
        let (name, arch) = (&configuration.name, class.arch.value);
        let by_arch = configuration.for_arch(arch).and_then(|image| image.kernel.as_ref());
        if configuration.kind != BootKind::Local && configuration.base.kernel.is_none() && by_arch.is_none() {
            let message =
                format!("active nodes like `{}` can boot nothing: `{name}` has no kernel for {arch}", node.name);
            let place = desired.sources.place(boot.origin);
            let hint =
                format!("state `kernel` under [arch.{arch}] in boot/{name}.toml, or name another boot configuration");
            if told.insert((place.clone(), arch)) {
                findings.push(Diagnostic::new(Code::BootsNothing, place, message).hint(hint));
            }
        }
    }
}

impl Resolved {
    /// Returns the class of a node, by the node's index.
    #[must_use]
    pub fn class(&self, node: usize) -> &Class {
        &self.classes[self.desired.nodes[node].class as usize]
    }

    /// Returns the variables of a node, by the node's index.
    #[must_use]
    pub fn vars(&self, node: usize) -> Cow<'_, Vars> {
        let own = merge::own_vars(&self.desired, &self.desired.nodes[node]);
        own.map_or_else(|| Cow::Borrowed(&self.class(node).vars), Cow::Owned)
    }

    /// Expands what a node boots, by the node's index.
    ///
    /// Returns nothing for a node that no layer gives a boot configuration.
    ///
    /// # Errors
    /// Returns every template that fails and every expanded text that cannot stand in a script.
    pub fn boot(&self, node: usize) -> Result<Option<Boot<'_>>, Findings> {
        let class = self.class(node);
        let scope = NodeScope::value(&self.desired, node, &class.scope);
        self.boot_of(class, &scope)
    }

    /// Expands what an unknown machine of an architecture boots.
    ///
    /// # Errors
    /// As [`Self::boot`]; a template that names the node always fails here.
    pub fn unknown_boot(&self, arch: Arch) -> Result<Option<Boot<'_>>, Findings> {
        let Some((_, class)) = self.unknown.iter().find(|(other, _)| *other == arch) else { return Ok(None) };
        self.boot_of(class, &Value::from_dyn_object(Arc::clone(&class.scope)))
    }

    fn boot_of<'r>(&'r self, class: &'r Class, scope: &Value) -> Result<Option<Boot<'r>>, Findings> {
        let Some(boot) = class.boot else { return Ok(None) };
        let mut findings = Findings::new();
        let sources = &self.desired.sources;
        let mut expand = |text: &'r Text, check: fn(&str) -> Option<String>, code: Code| {
            let origin = text.origin;
            match text.expand(&self.engine, scope) {
                Ok(expanded) => {
                    if let Some(fault) = check(&expanded) {
                        findings.push(Diagnostic::new(code, sources.place(origin), fault));
                    }
                    Some(Expanded { text: expanded, origin })
                }
                Err(error) => {
                    findings.push(merge::text_finding(sources.place(origin), &error, scope));
                    None
                }
            }
        };
        let kernel = class.kernel.as_ref().and_then(|text| expand(text, params::url_fault, Code::BadUrl));
        let initrd = class.initrd.iter().filter_map(|text| expand(text, params::url_fault, Code::BadUrl)).collect();
        let params: Vec<_> =
            class.params.iter().filter_map(|text| expand(text, params::fault, Code::BadParam)).collect();
        if !findings.is_empty() {
            return Err(findings);
        }
        let params = params.into_iter().filter(|param| !param.text.is_empty()).collect();
        Ok(Some(Boot { configuration: &self.desired.boots[usize::from(boot.value)], kernel, initrd, params }))
    }

    /// Expands a file under `cloud-init/` for a node.
    ///
    /// # Errors
    /// Returns why the template fails.
    pub fn document<'r>(&self, node: usize, name: &str, file: &'r CloudInitFile) -> Result<Cow<'r, str>, Diagnostic> {
        if !file.is_template {
            return Ok(Cow::Borrowed(&file.text));
        }
        let scope = NodeScope::value(&self.desired, node, &self.class(node).scope);
        let template = self.engine.get_template(name).map_err(|error| template_finding(&self.desired, name, &error))?;
        template
            .render(&scope)
            .map(Cow::Owned)
            .map_err(|error| template_finding(&self.desired, name, &error).maybe_hint(undefined_hint(&error, &scope)))
    }

    /// Expands the further keys of a node's meta-data.
    ///
    /// # Errors
    /// Returns every template that fails.
    pub fn meta_data(&self, node: usize) -> Result<Vec<(String, serde_json::Value)>, Findings> {
        let class = self.class(node);
        let scope = NodeScope::value(&self.desired, node, &class.scope);
        let mut findings = Findings::new();
        let expanded = class.meta_data.expand(&mut |text, origin| {
            if !template::is_template(text) {
                return text.to_owned();
            }
            template::render(&self.engine, "meta-data", text, scope.clone()).unwrap_or_else(|error| {
                let place = self.desired.sources.place(origin);
                let finding = Diagnostic::new(Code::Template, place, template::reason(&error));
                findings.push(finding.maybe_hint(undefined_hint(&error, &scope)));
                String::new()
            })
        });
        if findings.is_empty() { Ok(expanded) } else { Err(findings) }
    }
}
