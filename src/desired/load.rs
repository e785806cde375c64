//! Reading a whole tree: which file is what, then every file to its type, then every type to what it means.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str;
use std::sync::Arc;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::at::At;
use super::facts::{Facts, FactsFile};
use super::file::{BmcTable, BootFile, ClusterFile, Defaults, GroupFile, NetworkFile, NodeBmc, NodeTable};
use super::nics::MergedNics;
use super::nodes::{ClassNics, TablePlan};
use super::read::Read;
use super::sources::{Findings, Here, Sources};
use super::suggest::did_you_mean;
use super::{
    Bmc, BootConfiguration, Class, CloudInitFile, Desired, Group, Network, Node, Source, bmcs, boots, check, cluster,
    groups, networks, nodes, read, template,
};
use crate::model::{Code, Diagnostic, File, FileId, Layer, MAX_TOML_BYTES, Place, Span, Tree};

/// The most files of wishes in one commit; [`FileId`] has 16 bits.
const MAX_FILES: usize = 65_000;

/// The most machines in one commit: the bound of a pattern, and ten times the largest system there is.
const MAX_MACHINES: usize = 1_000_000;

/// Reads a tree.
///
/// Returns what it means and all findings: errors and warnings, in the order of files. Where one is an error, the meaning
/// lacks what the error is about, and is good for finding more of them only; without a cluster there is none.
#[must_use]
pub fn load(tree: &Tree) -> (Option<Desired>, Findings) {
    let mut findings = Findings::new();
    check::files(tree, &mut findings);
    let (texts, sources) = texts(tree, &mut findings);
    if tree.get("cluster.toml").is_none() {
        findings.retain(|finding| finding.code != Code::FileNotRead);
        findings.push(no_cluster(tree));
        return (None, findings);
    }
    let files = read_files(&texts, &mut findings);
    let unread = Unread::new(tree, &files);
    let mut lowering = Lowering { files, sources, unread, findings: &mut findings };
    let desired = lowering.lower(tree);
    let names_are_lost = lowering.unread.names;
    check::without_echoes(&mut findings, names_are_lost);
    check::tidy(&mut findings);
    (desired, findings)
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

/// One text file of the wishes.
#[derive(Clone, Copy)]
struct Text<'t> {
    path: &'t str,
    file: FileId,
    text: &'t str,
}

impl<'t> Text<'t> {
    fn here(&self, layer: Layer) -> Here<'t> {
        Here { path: self.path, file: self.file, layer }
    }
}

fn texts<'t>(tree: &'t Tree, findings: &mut Findings) -> (Vec<Text<'t>>, Sources) {
    let mut sources = Sources::default();
    let mut texts = Vec::new();
    for (path, bytes) in tree.blobs() {
        if texts.len() == MAX_FILES {
            let message = format!("there are over {MAX_FILES} files of wishes");
            findings.push(Diagnostic::new(Code::TooMany, Place::file(path), message));
            break;
        }
        if bytes.len() as u64 > MAX_TOML_BYTES {
            findings.push(check::too_large(path, bytes.len() as u64));
            continue;
        }
        match str::from_utf8(bytes) {
            Ok(text) => {
                texts.push(Text { path, file: sources.add(path, bytes), text });
            }
            Err(error) => findings.push(check::not_utf8(path, bytes, error.valid_up_to())),
        }
    }
    (texts, sources)
}

/// Everything that was read, by kind.
#[derive(Default)]
struct Files<'t> {
    /// The paths of all files that could be read.
    paths: HashSet<&'t str>,
    cluster: Option<(Here<'t>, ClusterFile)>,
    groups: Vec<(String, Here<'t>, GroupFile)>,
    boots: Vec<(String, Here<'t>, BootFile)>,
    networks: Vec<(String, Here<'t>, NetworkFile)>,
    nodes: Vec<(Here<'t>, At<NodeTable>)>,
    bmcs: Vec<(Here<'t>, At<BmcTable>)>,
    facts: Vec<FactsFile<'t>>,
    templates: BTreeMap<Box<str>, CloudInitFile>,
}

enum ReadFile<'t> {
    Cluster(Here<'t>, Box<ClusterFile>),
    Group(Here<'t>, Box<GroupFile>),
    Boot(Here<'t>, BootFile),
    Network(Here<'t>, NetworkFile),
    /// The tables of a file, and whether they are all that the file has.
    Nodes(Here<'t>, Vec<At<NodeTable>>, Vec<At<BmcTable>>, bool),
    Facts(FactsFile<'t>),
    Nothing,
}

impl<'t> ReadFile<'t> {
    fn path(&self) -> Option<&'t str> {
        match self {
            Self::Cluster(here, _) => Some(here.path),
            Self::Group(here, _) => Some(here.path),
            Self::Boot(here, _) => Some(here.path),
            Self::Network(here, _) => Some(here.path),
            Self::Nodes(here, ..) => Some(here.path),
            Self::Facts(file) => Some(file.path),
            Self::Nothing => None,
        }
    }
}

/// The wishes that are there and could not be read: what names them is no further mistake.
#[derive(Debug, Default)]
struct Unread {
    groups: Vec<Box<str>>,
    boots: Vec<Box<str>>,
    networks: Vec<Box<str>>,
    templates: Vec<Box<str>>,
    /// Whether the names of machines are among them.
    names: bool,
}

impl Unread {
    fn new(tree: &Tree, files: &Files<'_>) -> Self {
        let mut unread = Self::default();
        let unread_paths =
            tree.iter().filter(|(path, file)| !matches!(file, File::Unread) && !files.paths.contains(path));
        for (path, _) in unread_paths {
            let Some((folder, rest)) = path.split_once('/') else { continue };
            let name = || rest.strip_suffix(".toml").unwrap_or(rest).into();
            match folder {
                "groups" => unread.groups.push(name()),
                "boot" => unread.boots.push(name()),
                "networks" => unread.networks.push(name()),
                "cloud-init" => unread.templates.push(rest.into()),
                "nodes" => unread.names = true,
                _ => {}
            }
        }
        unread
    }
}

fn read_files<'t>(texts: &[Text<'t>], findings: &mut Findings) -> Files<'t> {
    let mut files = Files::default();
    let all: Vec<(ReadFile<'t>, Findings)> = texts.par_iter().map(read_file).collect();
    for (read, found) in all {
        findings.extend(found);
        files.paths.extend(read.path());
        match read {
            ReadFile::Cluster(here, file) => files.cluster = Some((here, *file)),
            ReadFile::Group(here, file) => named(&mut files.groups, here, *file, findings),
            ReadFile::Boot(here, file) => named(&mut files.boots, here, file, findings),
            ReadFile::Network(here, file) => named(&mut files.networks, here, file, findings),
            ReadFile::Nodes(here, nodes, bmcs, whole) => {
                if !whole {
                    files.paths.remove(here.path);
                }
                files.nodes.extend(nodes.into_iter().map(|table| (here, table)));
                files.bmcs.extend(bmcs.into_iter().map(|table| (here, table)));
            }
            ReadFile::Facts(file) => files.facts.push(file),
            ReadFile::Nothing => {}
        }
    }
    for text in texts {
        if let Some(name) = text.path.strip_prefix("cloud-init/") {
            files.paths.insert(text.path);
            let body = text.text.strip_prefix('\u{feff}').unwrap_or(text.text);
            let is_template = name.ends_with(".j2");
            files.templates.insert(name.into(), CloudInitFile { text: body.into(), is_template });
        }
    }
    files
}

fn named<'t, F>(all: &mut Vec<(String, Here<'t>, F)>, here: Here<'t>, file: F, findings: &mut Findings) {
    if let Some(name) = groups::file_name(here.path, findings) {
        all.push((name.to_owned(), here, file));
    }
}

fn read_file<'t>(text: &Text<'t>) -> (ReadFile<'t>, Findings) {
    let mut findings = Findings::new();
    let found = &mut findings;
    let folder = text.path.split_once('/').map_or("", |(folder, _)| folder);
    let read = match folder {
        "" if text.path == "cluster.toml" => {
            let here = text.here(Layer::Defaults);
            read::parse(&here, text.text, found).map(|table| {
                let Read { value: mut file, is_spoilt } = read::table::<ClusterFile>(&here, table, found);
                if is_spoilt {
                    file.name = Some(At { value: UNREADABLE.into(), span: Span { start: 0, end: 0 } });
                }
                ReadFile::Cluster(here, Box::new(file))
            })
        }
        "groups" => {
            let here = text.here(Layer::Group(u16::MAX));
            whole(&here, text.text, found).map(|file| ReadFile::Group(here, Box::new(file)))
        }
        "boot" => {
            let here = text.here(Layer::Boot);
            whole(&here, text.text, found).map(|file| ReadFile::Boot(here, file))
        }
        "networks" => {
            let here = text.here(Layer::BuiltIn);
            whole(&here, text.text, found).map(|file| ReadFile::Network(here, file))
        }
        "nodes" if text.path.ends_with(".toml") => read_nodes(text, found),
        "nodes" => FactsFile::parse(&text.here(Layer::Facts), text.text, found).map(ReadFile::Facts),
        _ => None,
    };
    (read.unwrap_or(ReadFile::Nothing), findings)
}

fn whole<'t, T: Deserialize<'t> + Default + JsonSchema + 'static>(
    here: &Here<'_>,
    text: &'t str,
    findings: &mut Findings,
) -> Option<T> {
    let table = read::parse(here, text, findings)?;
    let Read { value, is_spoilt } = read::table(here, table, findings);
    (!is_spoilt).then_some(value)
}

/// The cluster's name where the one that is written could not be read.
const UNREADABLE: &str = "unreadable";

/// Reads a file of `[[node]]` and `[[bmc]]` tables, each alone.
fn read_nodes<'t>(text: &Text<'t>, findings: &mut Findings) -> Option<ReadFile<'t>> {
    let here = text.here(Layer::Node);
    let table = read::parse(&here, text.text, findings)?;
    let (mut nodes, mut bmcs) = (Vec::new(), Vec::new());
    let mut whole = true;
    for (key, value) in table.into_inner() {
        match key.get_ref().as_ref() {
            "node" => whole &= tables(&here, "node", value, &mut nodes, findings),
            "bmc" => whole &= tables(&here, "bmc", value, &mut bmcs, findings),
            other => {
                whole = false;
                let message = format!("a file of nodes has no key `{other}`");
                let finding = Diagnostic::new(Code::UnknownKey, here.place(key.span().into()), message);
                findings.push(
                    finding
                        .hint("it holds [[node]] and [[bmc]] tables")
                        .maybe_hint(did_you_mean(other, ["node", "bmc"])),
                );
            }
        }
    }
    Some(ReadFile::Nodes(here, nodes, bmcs, whole))
}

/// Reads each table of a list alone; false where some table is left out.
fn tables<'t, T: Deserialize<'t> + Default + JsonSchema + 'static>(
    here: &Here<'_>,
    key: &str,
    value: Spanned<DeValue<'t>>,
    all: &mut Vec<At<T>>,
    findings: &mut Findings,
) -> bool {
    let span: Span = value.span().into();
    let DeValue::Array(items) = value.into_inner() else {
        let message = format!("`{key}` is a list of tables");
        let finding = Diagnostic::new(Code::WrongType, here.place(span), message);
        findings.push(finding.hint(format!("write [[{key}]] with two brackets")));
        return false;
    };
    let mut whole = true;
    for item in items {
        let span: Span = item.span().into();
        match item.into_inner() {
            DeValue::Table(table) => {
                let table: Spanned<DeTable<'t>> = Spanned::new(span.start..span.end, table);
                let Read { value, is_spoilt } = read::table(here, table, findings);
                match is_spoilt {
                    true => whole = false,
                    false => all.push(At { value, span }),
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                whole = false;
                let message = format!("each `{key}` is a table");
                findings.push(Diagnostic::new(Code::WrongType, here.place(span), message));
            }
        }
    }
    whole
}

/// The way from files to [`Desired`].
struct Lowering<'f, 't> {
    files: Files<'t>,
    sources: Sources,
    unread: Unread,
    findings: &'f mut Findings,
}

/// All names of nodes, and which table and place in it each is.
struct Names<'t> {
    plans: Vec<TablePlan<'t>>,
    tables: Vec<Source>,
    all: Vec<Box<str>>,
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
        let groups = groups::join(drafts, &names.all, &index, said, self.findings);
        let mut bmcs = self.bmcs(&here, &defaults, &networks, &cluster.credentials, &names.plans);
        let facts = Facts::new(std::mem::take(&mut self.files.facts));
        let sources = std::mem::take(&mut self.sources);
        let defaults = Source { file: here.file, layer: Layer::Defaults, table: defaults.take_layer() };
        let mut classing = Classing { defaults: &defaults, groups: &groups, networks: &networks, sources: &sources };
        let (classes, nodes) = classing.expand(&names, &facts, &mut bmcs, self.findings);
        for bmc in &mut bmcs {
            if !index.contains_key(&*bmc.name) {
                bmcs::take_own_facts(bmc, &facts, self.findings);
            }
        }
        drop(index);
        let desired = Desired {
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
        };
        check::facts_names(&desired, &facts, self.findings);
        check::desired(&desired, tree, self.findings);
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
        for (here, mut table) in std::mem::take(&mut self.files.nodes) {
            let groups = groups::named(&here, &table.value.groups, drafts, self.findings);
            let first = names.all.len() as u32;
            let Some(plan) = TablePlan::new(here, &table, first, groups, self.findings) else {
                self.unread.names = true;
                continue;
            };
            names.all.extend(plan.names.iter().cloned());
            if names.all.len() > MAX_MACHINES {
                let message = format!("there are over {MAX_MACHINES} nodes");
                self.findings.push(Diagnostic::new(Code::TooMany, here.place(plan.name_span), message));
                return None;
            }
            names.plans.push(plan);
            names.tables.push(Source { file: here.file, layer: Layer::Node, table: table.value.take_layer() });
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
        for (here, table) in std::mem::take(&mut self.files.bmcs) {
            let lowered = bmcs::lower(&here, &table, &ground, self.findings);
            self.unread.names |= lowered.is_empty();
            all.extend(lowered);
            if all.len() > MAX_MACHINES {
                let message = format!("there are over {MAX_MACHINES} BMCs");
                self.findings.push(Diagnostic::new(Code::TooMany, here.place(table.span), message));
                break;
            }
        }
        for plan in plans {
            if let Some(At { value: NodeBmc::Inline(table), span }) = &plan.bmc {
                all.extend(bmcs::inline(&plan.here, &plan.names, *span, table, &ground, self.findings));
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

/// Sorting nodes into classes, and expanding each.
struct Classing<'a> {
    defaults: &'a Source,
    groups: &'a [Group],
    networks: &'a Arc<[Network]>,
    sources: &'a Sources,
}

impl Classing<'_> {
    fn expand<'t>(
        &mut self,
        names: &Names<'t>,
        facts: &Facts<'t>,
        bmcs: &mut [Bmc],
        findings: &mut Findings,
    ) -> (Vec<Class>, Vec<Node>) {
        let groups_of = self.groups_of(names.all.len());
        let mut engine = template::environment(self.networks);
        let mut classes: Vec<Class> = Vec::new();
        let mut class_nics: Vec<ClassNics> = Vec::new();
        let mut known: HashMap<(u32, &[u16]), u32> = HashMap::new();
        let (mut missed, mut found_places) = (Findings::new(), HashSet::new());
        let mut plan_of: Vec<(u32, u32, u32)> = Vec::with_capacity(names.all.len());
        for (table, plan) in names.plans.iter().enumerate() {
            for item in 0..plan.names.len() as u32 {
                let groups = groups_of[(plan.first + item) as usize].as_slice();
                let class = *known.entry((table as u32, groups)).or_insert_with(|| {
                    let merged = self.nics(&names.tables[table], groups, findings);
                    let place = |origin| self.sources.place(origin);
                    let nics = merged.finish(&place, findings);
                    missed.extend(merged.missed.iter().cloned());
                    found_places.extend(merged.found.iter().cloned());
                    class_nics.push(ClassNics::new(&merged, plan.names.len(), &mut engine, findings));
                    classes.push(Class { table: table as u32, groups: groups.to_vec(), nics });
                    (classes.len() - 1) as u32
                });
                plan_of.push((table as u32, item, class));
            }
        }
        // What one class has and another has not is taken back where it is.
        findings.extend(missed.into_iter().filter(|finding| !found_places.contains(&finding.place)));
        let bmc_index: HashMap<Box<str>, u32> = bmcs.iter().zip(0..).map(|(bmc, at)| (bmc.name.clone(), at)).collect();
        let ground = nodes::Ground { facts, engine: &engine, bmcs: &bmc_index };
        let expanded: Vec<_> = plan_of
            .par_iter()
            .map(|(table, item, class)| {
                let plan = &names.plans[*table as usize];
                let mut found = Findings::new();
                let nics = &class_nics[*class as usize];
                let (node, of_bmc) = nodes::node(plan, *item as usize, *class, nics, &ground, &mut found);
                (node, of_bmc, found)
            })
            .collect();
        let mut all = Vec::with_capacity(expanded.len());
        for (node, of_bmc, found) in expanded {
            findings.extend(found);
            for (bmc, fact, cell) in of_bmc {
                bmcs::take_fact(&mut bmcs[bmc as usize], fact, &cell, findings);
            }
            all.push(node);
        }
        (classes, all)
    }

    /// Returns the groups of every node: weakest layer first, those without a layer last, by name.
    fn groups_of(&self, nodes: usize) -> Vec<Vec<u16>> {
        let mut order: Vec<u16> = (0..self.groups.len() as u16).collect();
        order.sort_by_key(|at| (self.groups[usize::from(*at)].rank.unwrap_or(u16::MAX), *at));
        let mut groups_of = vec![Vec::new(); nodes];
        for at in order {
            for node in &self.groups[usize::from(at)].members {
                groups_of[*node as usize].push(at);
            }
        }
        groups_of
    }

    fn nics(&self, table: &Source, groups: &[u16], findings: &mut Findings) -> MergedNics {
        let mut merged = MergedNics::default();
        let groups = groups.iter().map(|at| &self.groups[usize::from(*at)].source);
        for source in std::iter::once(self.defaults).chain(groups).chain([table]) {
            let here = Here { path: self.sources.path(source.file), file: source.file, layer: source.layer };
            merged.lay(&here, &source.table, self.networks, findings);
        }
        merged
    }
}
