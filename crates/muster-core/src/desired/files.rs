//! Sorts the files of a tree by kind, parses each file alone, and records those that could not be
//! read.

use std::collections::{BTreeMap, HashSet};
use std::str;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::at::At;
use super::facts::FactsFile;
use super::file::{
    BmcTable, BootFile, ClusterFile, ExceptionTable, GroupFile, NetworkFile, NodeTable, PolicyFile, SetTable,
};
use super::read::Read;
use super::sources::{Findings, Here, Sources};
use super::suggest::did_you_mean;
use super::{CloudInitFile, check, groups, read};
use crate::model::{Code, Diagnostic, File, FileId, Layer, MAX_TOML_BYTES, Place, Span, Tree};

/// The most text files of one commit; [`FileId`] has 16 bits.
const MAX_FILES: usize = 65_000;

/// One text file of the cluster repository.
#[derive(Clone, Copy)]
pub struct Text<'t> {
    path: &'t str,
    file: FileId,
    text: &'t str,
}

impl<'t> Text<'t> {
    fn here(&self, layer: Layer) -> Here<'t> {
        Here { path: self.path, file: self.file, layer }
    }
}

/// Decodes the bytes of all files as text.
pub fn texts<'t>(tree: &'t Tree, findings: &mut Findings) -> (Vec<Text<'t>>, Sources) {
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
            Ok(text) if text.starts_with(check::LFS) => findings.push(check::lfs_pointer(path)),
            Ok(text) => {
                texts.push(Text { path, file: sources.add(path, bytes), text });
            }
            Err(error) => findings.push(check::not_utf8(path, bytes, error.valid_up_to())),
        }
    }

    (texts, sources)
}

/// The parsed files, by kind.
#[derive(Default)]
pub struct Files<'t> {
    /// The paths of all files that could be read.
    pub paths: HashSet<&'t str>,
    pub cluster: Option<(Here<'t>, ClusterFile)>,
    pub groups: Vec<(String, Here<'t>, GroupFile)>,
    pub boots: Vec<(String, Here<'t>, BootFile)>,
    pub networks: Vec<(String, Here<'t>, NetworkFile)>,
    pub nodes: Vec<TableSource<'t, NodeTable>>,
    pub bmcs: Vec<TableSource<'t, BmcTable>>,
    pub sets: Vec<TableSource<'t, SetTable>>,
    pub facts: Vec<FactsFile<'t>>,
    pub policy: Option<(Here<'t>, PolicyFile)>,
    pub exceptions: Vec<(Here<'t>, At<ExceptionTable>)>,
    pub templates: BTreeMap<Box<str>, CloudInitFile>,
}

/// One table of a list of tables, and its file.
#[derive(Debug)]
pub struct TableSource<'t, T> {
    pub here: Here<'t>,
    pub table: At<T>,
    /// Whether keys of it could not be read and are missing here.
    pub has_mistakes: bool,
}

enum ReadFile<'t> {
    Cluster(Here<'t>, Box<ClusterFile>),
    Group(Here<'t>, Box<GroupFile>),
    Boot(Here<'t>, BootFile),
    Network(Here<'t>, NetworkFile),
    Nodes(Here<'t>, NodeTables<'t>),
    Facts(FactsFile<'t>),
    Policy(Here<'t>, PolicyFile),
    Exceptions(Here<'t>, Vec<TableSource<'t, ExceptionTable>>),
    Nothing,
}

/// The tables of one file under `nodes/`.
#[derive(Default)]
struct NodeTables<'t> {
    nodes: Vec<TableSource<'t, NodeTable>>,
    bmcs: Vec<TableSource<'t, BmcTable>>,
    sets: Vec<TableSource<'t, SetTable>>,
    /// Whether a part of the file could not be read.
    is_partial: bool,
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
            Self::Policy(here, _) | Self::Exceptions(here, _) => Some(here.path),
            Self::Nothing => None,
        }
    }
}

/// The unreadable parts of the repository: references to them are not further mistakes.
#[derive(Debug, Default)]
pub struct Unread {
    pub groups: Vec<Box<str>>,
    pub boots: Vec<Box<str>>,
    pub networks: Vec<Box<str>>,
    pub templates: Vec<Box<str>>,
    /// Whether names of machines are among them.
    pub names: bool,
}

impl Unread {
    /// Finds the files of the tree that are missing in `files`.
    pub fn new(tree: &Tree, files: &Files<'_>) -> Self {
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

/// Parses every text according to its path.
pub fn read_files<'t>(texts: &[Text<'t>], findings: &mut Findings) -> Files<'t> {
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
            ReadFile::Nodes(here, tables) => {
                if tables.is_partial {
                    files.paths.remove(here.path);
                }
                files.nodes.extend(tables.nodes);
                files.bmcs.extend(tables.bmcs);
                files.sets.extend(tables.sets);
            }
            ReadFile::Facts(file) => files.facts.push(file),
            ReadFile::Policy(here, file) => files.policy = Some((here, file)),
            ReadFile::Exceptions(here, tables) => {
                files.exceptions.extend(tables.into_iter().map(|source| (here, source.table)))
            }
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
        "" if text.path == "policy.toml" => {
            let here = text.here(Layer::BuiltIn);
            whole(&here, text.text, found).map(|file| ReadFile::Policy(here, file))
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
        "exceptions" => read_exceptions(text, found),
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

/// The cluster's name if the declared one could not be read.
const UNREADABLE: &str = "unreadable";

/// Parses a file of `[[node]]`, `[[bmc]]` and `[[set]]` tables, each alone.
fn read_nodes<'t>(text: &Text<'t>, findings: &mut Findings) -> Option<ReadFile<'t>> {
    let here = text.here(Layer::Node);
    let table = read::parse(&here, text.text, findings)?;
    let mut all = NodeTables::default();
    let mut whole = true;

    for (key, value) in table.into_inner() {
        match key.get_ref().as_ref() {
            "node" => whole &= tables(&here, "node", value, &mut all.nodes, findings),
            "bmc" => whole &= tables(&here, "bmc", value, &mut all.bmcs, findings),
            "set" => whole &= tables(&here, "set", value, &mut all.sets, findings),
            other => {
                whole = false;
                let message = format!("a file of nodes has no key `{other}`");
                let finding = Diagnostic::new(Code::UnknownKey, here.place(key.span().into()), message);
                findings.push(
                    finding
                        .hint("it holds [[node]], [[bmc]] and [[set]] tables")
                        .maybe_hint(did_you_mean(other, ["node", "bmc", "set"])),
                );
            }
        }
    }

    all.is_partial = !whole;
    Some(ReadFile::Nodes(here, all))
}

/// Parses a file of `[[exception]]` tables, each alone.
fn read_exceptions<'t>(text: &Text<'t>, findings: &mut Findings) -> Option<ReadFile<'t>> {
    let here = text.here(Layer::BuiltIn);
    let table = read::parse(&here, text.text, findings)?;
    let mut all = Vec::new();

    for (key, value) in table.into_inner() {
        match key.get_ref().as_ref() {
            "exception" => {
                tables(&here, "exception", value, &mut all, findings);
            }
            other => {
                let message = format!("a file of exceptions has no key `{other}`");
                let finding = Diagnostic::new(Code::UnknownKey, here.place(key.span().into()), message);
                findings
                    .push(finding.hint("it holds [[exception]] tables").maybe_hint(did_you_mean(other, ["exception"])));
            }
        }
    }

    Some(ReadFile::Exceptions(here, all))
}

/// Parses each table of a list alone; returns `false` if a table is left out.
fn tables<'t, T: Deserialize<'t> + Default + JsonSchema + 'static>(
    here: &Here<'t>,
    key: &str,
    value: Spanned<DeValue<'t>>,
    all: &mut Vec<TableSource<'t, T>>,
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
                let before = findings.len();
                let Read { value, is_spoilt } = read::table(here, table, findings);
                let has_mistakes = findings.len() > before;
                match is_spoilt {
                    true => whole = false,
                    false => all.push(TableSource { here: *here, table: At { value, span }, has_mistakes }),
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
