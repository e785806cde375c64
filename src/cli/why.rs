//! `muster why`.

use std::collections::BTreeSet;

use clap::Args;

use super::show::blame::Blame;
use super::show::facts::{self, Fact};
use super::show::hidden::HiddenSecrets;
use super::show::lines::{self, Line};
use super::source::Source;
use super::{Failure, Outcome, output};
use crate::cloudinit::Document;
use crate::desired::did_you_mean;
use crate::model::{File, Tree};
use crate::resolve::Overridden;
use crate::settings::GivenBuild;
use crate::snapshot::Snapshot;

/// Show the source of a value of a node, and the values that it overrides
///
/// The value is `kernel`, `initrd`, `boot`, `mac`, `ip`, `bmc` or any other key that `muster show NODE` lists, one of
/// an interface (`nics.eth0.ip`, `nics.eth0.network`), a variable (`vars.image`), an expectation (`expect.memory_gib`), a kernel parameter
/// (`console`, or `param:ip` if a key has the same name), or a key of a cloud-init document (`runcmd`). The variables
/// of a template are included. A value that occurs several times has one line for each.
///
/// Exit codes: 0 the node has the value, 1 it does not.
#[derive(Debug, Args)]
pub struct Why {
    /// The node: its name or xname
    node: String,
    /// The parameter or value
    param: String,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    pub(super) limits: GivenBuild,
}

impl Why {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let wishes = self.source.read(None)?;
        let snapshot = wishes.built()?;
        let Some(node) = snapshot.by_name(&self.node) else {
            let near = did_you_mean(&self.node, snapshot.nodes().iter().map(|node| &*node.name));
            return Err(Failure::new(format!("no node is called `{}`", self.node)).hint(near));
        };

        let secrets = HiddenSecrets::of(&snapshot, node);
        let (mut facts, blame) = (facts::of(&snapshot, node, &secrets), Blame::of(&snapshot, node, &secrets));
        facts.extend(facts::networks(&snapshot, node, &secrets));
        let mut out = output::stdout();
        let found = found(&facts, &self.param);

        for fact in &found {
            let variables = variables(&wishes.tree, &snapshot, &facts, fact);
            writeln!(out, "{}", line(&blame, fact, &variables))?;
        }

        if let Some(param) = hidden(&facts, &found, &self.param) {
            let how = format!("muster why {} param:{}", self.node, self.param);
            writeln!(output::stderr(), "note: the kernel parameter `{}` is another value: {how}", param.value)?;
        }

        let documents = || of_documents(&snapshot, node, &self.param, &secrets);
        let of_documents = if found.is_empty() { documents() } else { Vec::new() };
        for (document, line) in &of_documents {
            writeln!(out, "{}: {}", line.text.trim_end_matches(':'), documents_place(*document, line))?;
        }

        if !found.is_empty() || !of_documents.is_empty() {
            return Ok(Outcome::AsWished);
        }

        let name = &snapshot.nodes()[node].name;
        let gone: Vec<&Overridden> = blame.gone().filter(|gone| is_meant(&gone.key, &self.param)).collect();
        for gone in &gone {
            let (stated, by) = (blame.place(gone.origin), blame.place(gone.by));
            writeln!(out, "{name} has no {}: {} at {stated} is taken back at {by}", self.param, gone.text)?;
        }

        if gone.is_empty() {
            let hint = of_network(&facts, &self.param).unwrap_or_else(|| near(&facts, &self.param));
            writeln!(out, "{name} has no {}{hint}", self.param)?;
        }

        Ok(Outcome::Findings)
    }
}

fn line(blame: &Blame<'_>, fact: &Fact, variables: &[&Fact]) -> String {
    let Some(origin) = fact.origin else {
        // Groups have two sources, the node and the groups; every other declared value has one
        // location.
        let why = if fact.path == "groups" { "by the node's table and the groups' own `nodes`" } else { "built in" };
        return format!("{}: {why}", fact.value);
    };

    let mut text = format!("{}: {}", fact.value, blame.place(origin));
    for variable in variables {
        let place = variable.origin.map(|origin| format!(" at {}", blame.place(origin))).unwrap_or_default();
        text.push_str(&format!(", with vars.{}{place}", variable.value));
    }

    for gone in blame.under(&fact.path, origin) {
        text.push_str(&format!(", overrides {} at {}", gone.text, blame.place(gone.origin)));
    }

    text
}

/// Lists the variables in the template of a value, with the node's values.
fn variables<'f>(tree: &Tree, snapshot: &Snapshot, facts: &'f [Fact], fact: &Fact) -> Vec<&'f Fact> {
    let place = fact.origin.map(|origin| snapshot.desired().sources.place(origin));
    let written = place.and_then(|place| match (tree.get(&place.file)?, place.span?) {
        (File::Bytes(bytes), span) => std::str::from_utf8(bytes.get(span.start..span.end)?).ok(),
        (File::Unread | File::TooLarge { .. } | File::Symlink | File::Submodule | File::BadName, _) => None,
    });

    let expressions = written.into_iter().flat_map(|text| text.split("{{").skip(1));
    let names = expressions.flat_map(|text| {
        let inside = text.split("}}").next().unwrap_or_default();
        inside
            .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')))
            .filter(|word| word.starts_with("vars."))
    });

    let names: BTreeSet<&str> = names.collect();
    facts.iter().filter(|fact| names.contains(&*fact.path)).collect()
}

/// Finds a kernel parameter with the same name as another value that was found first.
fn hidden<'f>(facts: &'f [Fact], found: &[&Fact], word: &str) -> Option<&'f Fact> {
    let is_param = |fact: &Fact| fact.path.starts_with("params.");
    let mut params = facts.iter().filter(|fact| is_param(fact) && is_meant(&fact.path, word));
    if found.iter().any(|fact| is_param(fact)) { None } else { params.next() }
}

/// Finds the facts of a word: a key or a whole path, otherwise a kernel parameter, otherwise the
/// last part of a path, otherwise one parameter literally. `param:NAME` is a parameter, and
/// `nics.NAME.KEY` a value of an interface.
fn found<'f>(facts: &'f [Fact], word: &str) -> Vec<&'f Fact> {
    let is_param = |fact: &Fact| fact.path.starts_with("params.");
    if let Some(param) = word.strip_prefix("param:") {
        let is_it = |fact: &&Fact| is_param(fact) && (is_meant(&fact.path, param) || fact.value == param);
        return facts.iter().filter(is_it).collect();
    }

    let word = word.strip_prefix("nics.").unwrap_or(word);
    let tests: [&dyn Fn(&Fact) -> bool; 4] = [
        &|fact| fact.path == word || fact.key.trim() == word,
        &|fact| is_param(fact) && is_meant(&fact.path, word),
        &|fact| is_meant(&fact.path, word),
        &|fact| is_param(fact) && fact.value == word,
    ];

    let mut found = tests.iter().map(|test| facts.iter().filter(|fact| test(fact)).collect::<Vec<_>>());
    found.find(|found| !found.is_empty()).unwrap_or_default()
}

/// Returns whether a word names a path: as a whole or without its first part, with `-` equal to `_`
/// as for the kernel.
fn is_meant(path: &str, word: &str) -> bool {
    let folded = |text: &str| text.replace('-', "_");
    let (path, word) = (folded(path), folded(word));
    path == word || path.split_once('.').is_some_and(|(_, rest)| rest == word)
}

/// Finds the lines of a node's documents that begin with a key.
fn of_documents(snapshot: &Snapshot, node: usize, key: &str, hidden: &HiddenSecrets) -> Vec<(Document, Line)> {
    let is_it = |line: &Line| {
        let rest = line.text.strip_prefix(key).or_else(|| line.text.strip_prefix(&format!("\"{key}\"")));
        rest.is_some_and(|rest| rest.starts_with(':'))
    };
    let of = |document| {
        lines::of(snapshot, node, document, hidden).unwrap_or_default().into_iter().map(move |line| (document, line))
    };
    Document::ALL.into_iter().flat_map(of).filter(|(_, line)| is_it(line)).collect()
}

fn documents_place(document: Document, line: &Line) -> String {
    match &line.place {
        Some((file, Some(number))) => format!("{file}:{number} ({})", document.as_str()),
        Some((file, None)) => format!("{file} ({})", document.as_str()),
        None => format!("written by muster ({})", document.as_str()),
    }
}

/// The keys of a network that people look for in its nodes.
const NETWORK_KEYS: [&str; 7] = ["advertise", "cidr", "dns", "domain", "gateway", "mtu", "vlan"];

/// Says which file has a key that belongs to the networks of a node, and how to ask for the networks.
fn of_network(facts: &[Fact], word: &str) -> Option<String> {
    let (nic, key) = match word.strip_prefix("nics.").unwrap_or(word).rsplit_once('.') {
        Some((nic, key)) => (Some(nic), key),
        None => (None, word),
    };
    if !NETWORK_KEYS.contains(&key) {
        return None;
    }
    let mut of_nic = facts.iter().filter_map(|fact| Some((fact.path.strip_suffix(".network")?, fact)));
    let (nic, fact) = of_nic.find(|(name, _)| nic.is_none_or(|nic| nic == *name))?;
    Some(format!(
        "; `{key}` is a key of a network: see networks/{}.toml (`nics.{nic}.network`), or `ip` for the addresses",
        fact.value
    ))
}

/// Says which names are most like one that nothing has.
fn near(facts: &[Fact], word: &str) -> String {
    let names = facts.iter().map(|fact| fact.path.strip_prefix("params.").unwrap_or(&fact.path));
    did_you_mean(word, names).map(|hint| format!("; {hint}")).unwrap_or_default()
}
