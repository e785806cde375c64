//! `muster show`.

pub mod blame;
mod bmc;
pub mod facts;
pub mod hidden;
pub mod lines;

use clap::Args;
use serde_json::{Map, Value, json};

use super::hosted::Hosted;
use super::observations::Seen;
use super::output::{self, OutputWriter};
use super::source::Source;
use super::{Failure, Format, Outcome, node_set};
use crate::cloudinit::Document;
use crate::desired::template::SERVER_MARK;
use crate::model::text::plural;
use crate::roll;
use crate::settings::GivenBuild;
use crate::snapshot::{Answer, Snapshot};
use blame::Blame;
use hidden::HiddenSecrets;

/// Show resolved nodes: facts, parameters, script and cloud-init, as `muster serve` would send them
///
/// Values that only a request or the host knows are shown as holes: `<server>`, `<who>`, `<again>`. Values that look like
/// secrets are shown as `<secret1>`; --reveal prints the exact bytes.
#[derive(Debug, Args)]
pub struct Show {
    /// The nodes: a name, or a node set such as 'nid[0001-0008]', '@compute' or '@gpu!nid0003'
    nodes: String,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    hosted: Hosted,
    #[command(flatten)]
    seen: Seen,
    /// Select BMCs instead of nodes, and show their observed state, quirks and changes
    #[arg(long, conflicts_with_all = ["blame", "script", "cloud_init"])]
    bmc: bool,
    /// Show the source of each value and of each line of cloud-init, and the values that it overrides
    #[arg(long)]
    blame: bool,
    /// Print the boot scripts
    #[arg(long)]
    script: bool,
    /// Print the cloud-init documents
    #[arg(long)]
    cloud_init: bool,
    /// Print secrets in clear, as they are in git and as machines receive them
    #[arg(long, conflicts_with = "bmc")]
    reveal: bool,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    pub(super) limits: GivenBuild,
}

impl Show {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        if self.bmc {
            return self.bmcs();
        }

        let wishes = self.source.read(None)?;
        let snapshot = wishes.built()?;
        let selection = node_set::select(&snapshot, &self.nodes)?;
        let mut out = output::stdout();
        let mut is_hidden = false;
        let mut all: Vec<Value> = Vec::new();

        for node in &selection.nodes {
            let hidden = if self.reveal { HiddenSecrets::reveal() } else { HiddenSecrets::of(&snapshot, *node) };
            match self.format {
                Format::Text => self.text(&snapshot, *node, &hidden, &mut out)?,
                Format::Json => all.push(self.json(&snapshot, *node, &hidden)),
            }
            is_hidden |= hidden.is_used();
        }

        if self.format == Format::Json {
            out.json(&all)?;
        }

        if is_hidden {
            writeln!(output::stderr(), "note: secrets are hidden; --reveal prints them")?;
        }

        if let Some(failure) = node_set::no_such_node(&snapshot, &self.nodes, &selection) {
            return Err(failure);
        }

        if self.format == Format::Text {
            let _ = writeln!(output::stderr(), "{}", plural(selection.nodes.len(), "node"));
        }

        Ok(Outcome::AsWished)
    }

    fn bmcs(&self) -> Result<Outcome, Failure> {
        let mut observed = self.seen.read(&self.hosted)?;
        // A BMC surveyed by its address has its declared name since, if there is a cluster
        // repository here.
        if let Ok(wishes) = self.source.read(None)
            && let (Some(snapshot), _) = wishes.build()
        {
            observed = roll::named(&snapshot, observed);
        }

        let printed = bmc::print(&observed, &self.nodes, self.format, &mut output::stdout())?;
        let missing = printed.map_err(|error| node_set::bad_set(&self.nodes, &error))?;
        let Some(first) = missing.first() else { return Ok(Outcome::AsWished) };
        let near = crate::desired::did_you_mean(first, observed.bmcs.keys().map(|name| &**name));

        Err(Failure::new(format!("nothing was seen of a BMC `{first}`")).hint(near))
    }

    fn text(
        &self,
        snapshot: &Snapshot,
        node: usize,
        hidden: &HiddenSecrets,
        out: &mut OutputWriter,
    ) -> Result<(), Failure> {
        if !self.script && !self.cloud_init {
            let blame = self.blame.then(|| Blame::of(snapshot, node, hidden));
            for fact in facts::of(snapshot, node, hidden) {
                match &blame {
                    Some(blame) => out.safe(&blame.text(&fact))?,
                    None => writeln!(out, "{:<12} {}", fact.key, fact.value)?,
                }
            }
            for gone in blame.iter().flat_map(Blame::taken_back) {
                out.safe(&gone)?;
            }
            writeln!(out)?;
        }

        let name = &snapshot.nodes()[node].name;
        if self.script {
            writeln!(out, "# {name}: script")?;
            out.document(&(script(snapshot, node, hidden).unwrap_or_else(|why| format!("# {why}")) + "\n"))?;
        }

        for document in Document::ALL.into_iter().filter(|_| self.cloud_init) {
            writeln!(out, "# {name}: {}", document.as_str())?;
            match lines::of(snapshot, node, document, hidden).filter(|_| self.blame) {
                Some(lines) => out.safe(&lines::text(&lines))?,
                None => {
                    out.document(&(shown(snapshot, node, document, hidden).unwrap_or_else(|| "# none".into()) + "\n"))?
                }
            }
        }

        Ok(())
    }

    fn json(&self, snapshot: &Snapshot, node: usize, hidden: &HiddenSecrets) -> Value {
        let mut object = Map::new();
        object.insert("name".into(), (*snapshot.nodes()[node].name).into());
        let blame = self.blame.then(|| Blame::of(snapshot, node, hidden));

        let values = facts::of(snapshot, node, hidden).into_iter().map(|fact| match &blame {
            Some(blame) => blame.json(&fact),
            None => json!({ "key": fact.key.trim(), "value": fact.value }),
        });

        object.insert("values".into(), values.collect());
        if let Some(blame) = &blame {
            object.insert("taken_back".into(), blame.taken_back_json());
        }

        if self.script {
            object.insert("script".into(), script(snapshot, node, hidden).ok().into());
        }

        if self.cloud_init {
            let documents = Document::ALL
                .iter()
                .map(|document| (document.as_str().to_owned(), shown(snapshot, node, *document, hidden).into()));
            object.insert("cloud_init".into(), Value::Object(documents.collect()));
        }

        if self.cloud_init && self.blame {
            let lines = |document| lines::of(snapshot, node, document, hidden).map(|lines| lines::json(&lines));
            let documents = Document::ALL.map(|document| (document.as_str().to_owned(), lines(document).into()));
            object.insert("cloud_init_lines".into(), Value::Object(documents.into_iter().collect()));
        }

        Value::Object(object)
    }
}

fn script(snapshot: &Snapshot, node: usize, hidden: &HiddenSecrets) -> Result<String, &'static str> {
    match snapshot.answer(node) {
        Answer::Script(prepared) => Ok(hidden.text(prepared.script.shown())),
        Answer::Retired => Err("retired: refused at boot"),
        Answer::Nothing => Err("no layer names a boot configuration"),
    }
}

fn shown(snapshot: &Snapshot, node: usize, document: Document, hidden: &HiddenSecrets) -> Option<String> {
    let text = snapshot.document(node, document).ok().flatten()?;
    Some(hidden.text(text.replace(SERVER_MARK, "<server>")))
}
