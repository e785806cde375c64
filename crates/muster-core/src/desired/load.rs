//! Converts the files of a tree to the desired state: names first, then groups, then everything
//! that differs by node.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::at::At;
use super::classes::Classing;
use super::facts::Facts;
use super::file::{BootFile, Defaults, GroupFile, NetworkFile, NodeBmc};
use super::files::{self, Files, TableSource, Unread};
use super::nodes::TablePlan;
use super::sources::{Findings, Here, Sources};
use super::{
    Bmc, BootConfiguration, CloudInitFile, Desired, LayerTable, Network, Source, bmcs, boots, check, cluster,
    exceptions, groups, limits, membership, networks, policy, secrets, sets,
};
use crate::model::clear_secret::SecretMask;
use crate::model::{Code, Diagnostic, Layer, Place, Tree};

/// The most machines of one commit: the limit of a pattern, and ten times the largest existing
/// system.
const MAX_MACHINES: usize = 1_000_000;

/// Loads a tree.
///
/// Returns the desired state and all findings: errors and warnings, in the order of files. If there
/// is an error, the state lacks the affected parts and only serves to find more errors; without a
/// cluster there is no state.
#[must_use]
pub fn load(tree: &Tree) -> (Option<Desired>, Findings) {
    let mut findings = Findings::new();
    check::files(tree, &mut findings);
    let (texts, sources) = files::texts(tree, &mut findings);

    if tree.get("cluster.toml").is_none() {
        findings.retain(|finding| finding.code != Code::FileNotRead);
        findings.push(no_cluster(tree));
        return (None, findings);
    }

    let files = files::read_files(&texts, &mut findings);
    let unread = Unread::new(tree, &files);
    let mut lowering = Lowering { files, sources, unread, findings: &mut findings };
    let desired = lowering.lower(tree);
    let unread = lowering.unread;
    check::without_echoes(&mut findings, &unread);

    match &desired {
        Some(desired) => hide_secrets(&desired.secrets, &mut findings),
        None => {
            let mask = secrets::secrets(tree, &mut findings);
            hide_secrets(&mask, &mut findings);
        }
    }

    check::tidy(&mut findings);
    (desired, findings)
}

/// Removes secrets from the texts of findings, which may quote a value.
pub fn hide_secrets(mask: &SecretMask, findings: &mut Findings) {
    if !mask.is_empty() {
        findings.iter_mut().for_each(|finding| finding.cover(mask));
    }
}

fn no_cluster(tree: &Tree) -> Diagnostic {
    let finding = Diagnostic::new(Code::NoCluster, Place::file("cluster.toml"), "there is no cluster.toml");
    let nested = tree.iter().find_map(|(path, _)| path.strip_suffix("/cluster.toml"));
    match nested {
        Some(folder) => finding.hint(format!("there is one in `{folder}`: use --path {folder}")),
        None if tree.is_empty() => finding.hint("there is no file at all here; is this the right folder or branch?"),
        None => finding.hint("a cluster is a folder with cluster.toml: name = \"NAME\""),
    }
}

/// The conversion from files to [`Desired`].
struct Lowering<'f, 't> {
    files: Files<'t>,
    sources: Sources,
    unread: Unread,
    findings: &'f mut Findings,
}

/// All names of nodes, with the table and index of each.
pub struct Names<'t> {
    pub plans: Vec<TablePlan<'t>>,
    pub tables: Vec<Source>,
    pub all: Vec<Box<str>>,
}

impl<'t> Lowering<'_, 't> {
    fn lower(&mut self, tree: &Tree) -> Option<Desired> {
        let (here, mut cluster_file) = self.files.cluster.take()?;
        let networks = self.networks();
        let boots = self.boots();
        let cluster = cluster::lower(&here, &cluster_file, &boots, self.findings);
        let mut group_files = std::mem::take(&mut self.files.groups);
        group_files.extend(self.unread.groups.iter().map(|name| (name.to_string(), here, GroupFile::default())));
        let drafts = groups::lower(&here, &cluster_file, group_files, self.findings);

        let mut defaults = cluster_file.defaults.take().map(|at| at.value).unwrap_or_default();
        let names = self.names(&drafts)?;
        let index: HashMap<&str, u32> = names.all.iter().zip(0..).map(|(name, at)| (&**name, at)).collect();
        let said = said(&drafts, &names.plans);
        let set_drafts = sets::lower(std::mem::take(&mut self.files.sets), &drafts, self.findings);
        let declared = membership::Declared { names: &names.all, index: &index, said };
        let (groups, sets) = membership::join(drafts, set_drafts, declared, self.findings);

        let mut bmcs = self.bmcs(&here, &defaults, &networks, &cluster.credentials, &names.plans);
        let facts = Facts::new(std::mem::take(&mut self.files.facts));
        let sources = std::mem::take(&mut self.sources);
        let mut defaults = Source { file: here.file, layer: Layer::Defaults, table: defaults.take_layer() };
        limits::layer(&here, &mut defaults.table, self.findings);
        let mut classing =
            Classing { defaults: &defaults, groups: &groups, sets: &sets, networks: &networks, sources: &sources };

        let (classes, nodes) = classing.expand(&names, &facts, &mut bmcs, self.findings);
        for bmc in &mut bmcs {
            if !index.contains_key(&*bmc.name) {
                bmcs::take_own_facts(bmc, &facts, self.findings);
            }
        }

        drop(index);
        let policy_file = self.files.policy.take();
        let policy =
            policy_file.map(|(here, file)| policy::lower(&here, file, &boots, self.findings)).unwrap_or_default();

        let mut desired = Desired {
            sources,
            cluster,
            defaults,
            groups,
            boots,
            networks,
            templates: self.templates(),
            tables: names.tables,
            classes,
            nodes,
            bmcs,
            sets,
            policy,
            exceptions: Vec::new(),
            secrets: SecretMask::default(),
        };

        desired.exceptions = exceptions::lower(std::mem::take(&mut self.files.exceptions), &desired, self.findings);
        check::facts_names(&desired, &facts, self.findings);
        desired.secrets = check::desired(&desired, tree, self.findings);
        Some(desired)
    }

    fn templates(&mut self) -> BTreeMap<Box<str>, CloudInitFile> {
        let mut all = std::mem::take(&mut self.files.templates);
        let nothing = || CloudInitFile { text: "#cloud-config\n".into(), is_template: false };
        all.extend(self.unread.templates.iter().map(|name| (name.clone(), nothing())));
        all
    }

    fn networks(&mut self) -> Arc<[Network]> {
        let files = std::mem::take(&mut self.files.networks);
        let lower =
            |(name, here, file): (String, Here<'_>, NetworkFile)| networks::lower(&here, &name, file, self.findings);
        let mut all: Vec<Network> = files.into_iter().map(lower).collect();
        all.extend(self.unread.networks.iter().map(|name| networks::unread(name)));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.into()
    }

    fn boots(&mut self) -> Vec<BootConfiguration> {
        let files = std::mem::take(&mut self.files.boots);
        let lower = |(name, here, file): (String, Here<'_>, BootFile)| boots::lower(&here, &name, file, self.findings);
        let mut all: Vec<BootConfiguration> = files.into_iter().map(lower).collect();
        all.extend(self.unread.boots.iter().map(|name| boots::unread(name)));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn names(&mut self, drafts: &[groups::Draft]) -> Option<Names<'t>> {
        let mut names = Names { plans: Vec::new(), tables: Vec::new(), all: Vec::new() };
        for source in std::mem::take(&mut self.files.nodes) {
            let TableSource { here, mut table, has_mistakes } = source;
            let groups = groups::named(&here, &table.value.groups, drafts, self.findings);
            let first = names.all.len() as u32;
            let Some(mut plan) = TablePlan::new(here, &table, first, groups, self.findings) else {
                self.unread.names = true;
                continue;
            };
            plan.has_mistakes = has_mistakes;
            names.all.extend(plan.names.iter().cloned());
            if names.all.len() > MAX_MACHINES {
                let message = format!("there are over {MAX_MACHINES} nodes");
                self.findings.push(Diagnostic::new(Code::TooMany, here.place(plan.name_span), message));
                return None;
            }
            let mut layer = LayerTable { state: table.value.state.take(), ..table.value.take_layer() };
            limits::layer(&here, &mut layer, self.findings);
            plan.take_vars(&mut layer, self.findings);
            names.plans.push(plan);
            names.tables.push(Source { file: here.file, layer: Layer::Node, table: layer });
        }

        Some(names)
    }

    fn bmcs(
        &mut self,
        cluster_here: &Here<'_>,
        defaults: &Defaults,
        networks: &[Network],
        credentials: &[Box<str>],
        plans: &[TablePlan<'_>],
    ) -> Vec<Bmc> {
        let of_cluster = defaults.bmc.as_ref().map(|at| at.value.clone()).unwrap_or_default();
        let ground = bmcs::Ground::new(cluster_here, &of_cluster, networks, credentials, self.findings);
        let mut all = Vec::new();

        for source in std::mem::take(&mut self.files.bmcs) {
            let lowered = bmcs::lower(&source, &ground, self.findings);
            self.unread.names |= lowered.is_empty();
            all.extend(lowered);
            if all.len() > MAX_MACHINES {
                let message = format!("there are over {MAX_MACHINES} BMCs");
                self.findings.push(Diagnostic::new(Code::TooMany, source.here.place(source.table.span), message));
                break;
            }
        }

        for plan in plans {
            if let Some(At { value: NodeBmc::Inline(table), span }) = &plan.bmc {
                all.extend(bmcs::inline(plan, *span, table, &ground, self.findings));
            }
        }

        all
    }
}

/// Returns, for each group, the nodes whose tables name it.
fn said(drafts: &[groups::Draft], plans: &[TablePlan<'_>]) -> Vec<Vec<u32>> {
    let mut said = vec![Vec::new(); drafts.len()];
    for plan in plans {
        for group in &plan.groups {
            said[usize::from(*group)].extend(plan.first..plan.first + plan.names.len() as u32);
        }
    }
    said
}
