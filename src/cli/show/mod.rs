//! `muster show`.

mod bmc;

use std::io::Write;

use clap::Args;
use serde_json::{Map, Value, json};

use super::hosted::Hosted;
use super::observations::Seen;
use super::source::Source;
use super::{Failure, Format, Outcome};
use crate::cloudinit::Document;
use crate::desired::template::SERVER_MARK;
use crate::model::{Layer, NodeSetError, Origin};
use crate::roll;
use crate::snapshot::{Answer, Snapshot};

/// Show nodes resolved: facts, parameters, script and cloud-init, as `muster serve` would send them
///
/// What only a request or the host knows is shown as a hole: `<server>`, `<who>`, `<again>`.
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
    /// The names are those of BMCs: show what surveys saw of them, which quirks they have, and what changed
    #[arg(long, conflicts_with_all = ["blame", "script", "cloud_init"])]
    bmc: bool,
    /// Say where each value was stated: file, line and layer
    #[arg(long)]
    blame: bool,
    /// Print the boot scripts
    #[arg(long)]
    script: bool,
    /// Print the cloud-init documents
    #[arg(long)]
    cloud_init: bool,
    /// Print text or JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Show {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        if self.bmc {
            return self.bmcs();
        }
        let wishes = self.source.read(None)?;
        let snapshot = wishes.built()?;
        let selection = snapshot.select(&self.nodes).map_err(|error| bad_set(&self.nodes, &error))?;
        let mut out = anstream::stdout().lock();
        match self.format {
            Format::Text => {
                for node in &selection.nodes {
                    self.text(&snapshot, *node, &mut out)?;
                }
            }
            Format::Json => {
                let all: Vec<Value> = selection.nodes.iter().map(|node| self.json(&snapshot, *node)).collect();
                serde_json::to_writer_pretty(&mut out, &all).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
        if let Some(first) = selection.missing.first() {
            let near = crate::desired::did_you_mean(first, snapshot.nodes().iter().map(|node| &*node.name));
            let more = match selection.missing.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            return Err(Failure::new(format!("no node is called `{first}`{more}")).hint(near));
        }
        if self.format == Format::Text {
            let count = selection.nodes.len();
            let _ = writeln!(anstream::stderr(), "{count} node{}", if count == 1 { "" } else { "s" });
        }
        Ok(Outcome::AsWished)
    }

    fn bmcs(&self) -> Result<Outcome, Failure> {
        let mut observed = self.seen.read(&self.hosted)?;
        // What was surveyed by its address goes by the name that the wishes give it since, where there are wishes here.
        if let Ok(wishes) = self.source.read(None)
            && let (Some(snapshot), _) = wishes.build()
        {
            observed = roll::declared(&snapshot, observed);
        }
        let printed = bmc::print(&observed, &self.nodes, self.format, &mut anstream::stdout().lock())?;
        let missing = printed.map_err(|error| bad_set(&self.nodes, &error))?;
        let Some(first) = missing.first() else { return Ok(Outcome::AsWished) };
        let near = crate::desired::did_you_mean(first, observed.bmcs.keys().map(|name| &**name));
        Err(Failure::new(format!("nothing was seen of a BMC `{first}`")).hint(near))
    }

    fn text(&self, snapshot: &Snapshot, node: usize, out: &mut impl Write) -> Result<(), Failure> {
        if !self.script && !self.cloud_init {
            for fact in facts(snapshot, node) {
                let blame = match fact.origin.filter(|_| self.blame) {
                    Some(origin) => format!("  # {}", describe(snapshot, origin)),
                    None => String::new(),
                };
                writeln!(out, "{:<12} {}{blame}", fact.key, fact.value)?;
            }
            writeln!(out)?;
        }
        if self.script {
            writeln!(out, "# {}: script", snapshot.nodes()[node].name)?;
            writeln!(out, "{}", script(snapshot, node).unwrap_or_else(|why| format!("# {why}")))?;
        }
        if self.cloud_init {
            for document in Document::ALL {
                writeln!(out, "# {}: {}", snapshot.nodes()[node].name, document.as_str())?;
                writeln!(out, "{}", shown(snapshot, node, document).unwrap_or_else(|| "# none".into()))?;
            }
        }
        Ok(())
    }

    fn json(&self, snapshot: &Snapshot, node: usize) -> Value {
        let mut object = Map::new();
        let mut values: Vec<Value> = Vec::new();
        for fact in facts(snapshot, node) {
            let mut entry = json!({ "key": fact.key.trim(), "value": fact.value });
            if let Some(origin) = fact.origin.filter(|_| self.blame) {
                let sources = &snapshot.desired().sources;
                entry["file"] = sources.path(origin.file).into();
                entry["line"] = sources.line(origin.file, origin.at).into();
                entry["layer"] = snapshot.desired().layer_words(origin.layer).into_string().into();
            }
            values.push(entry);
        }
        object.insert("name".into(), (*snapshot.nodes()[node].name).into());
        object.insert("values".into(), values.into());
        if self.script {
            object.insert("script".into(), script(snapshot, node).ok().into());
        }
        if self.cloud_init {
            let documents = Document::ALL
                .iter()
                .map(|document| (document.as_str().to_owned(), shown(snapshot, node, *document).into()));
            object.insert("cloud_init".into(), Value::Object(documents.collect()));
        }
        Value::Object(object)
    }
}

/// One line of what is known of a node.
struct Fact {
    key: String,
    value: String,
    origin: Option<Origin>,
}

fn facts(snapshot: &Snapshot, node: usize) -> Vec<Fact> {
    let desired = snapshot.desired();
    let own = &desired.nodes[node];
    let class = snapshot.resolved().class(node);
    let mut all = Vec::new();
    let mut put = |key: &str, value: String, origin: Option<Origin>| all.push(Fact { key: key.into(), value, origin });
    put("name", own.name.to_string(), Some(own.origin));
    put("state", own.state.as_str().into(), None);
    if let Some(xname) = &own.xname {
        put("xname", xname.value.to_string(), Some(xname.origin));
    }
    if let Some(nid) = own.nid {
        put("nid", nid.value.to_string(), Some(nid.origin));
    }
    put("arch", class.arch.value.to_string(), stated(class.arch.origin));
    let groups = desired.class(own).groups.iter().map(|at| &*desired.groups[usize::from(*at)].name);
    put("groups", groups.collect::<Vec<_>>().join(" "), None);
    if let Some(serial) = &own.serial {
        put("serial", serial.value.to_string(), Some(serial.origin));
    }
    if let Some(uuid) = own.uuid {
        put("uuid", uuid.value.to_string(), Some(uuid.origin));
    }
    if let Some(bmc) = own.bmc {
        let other = &desired.bmcs[bmc.value as usize];
        let url = other.url.as_ref().map_or("", |url| &url.value);
        let system = own.system.as_ref().map(|system| format!(" {system}")).unwrap_or_default();
        put("bmc", format!("{} {url}{system}", other.name).trim_end().into(), Some(bmc.origin));
    }
    for (spec, nic) in desired.nics(own) {
        let network = spec.network.map(|at| &*desired.networks[usize::from(at.value)].name);
        put("nic", format!("{} {} {}", spec.name, spec.kind.as_str(), network.unwrap_or("")), Some(spec.origin));
        if let Some(mac) = nic.mac {
            put("  mac", mac.value.to_string(), Some(mac.origin));
        }
        if let Some(guid) = nic.guid {
            put("  guid", guid.value.to_string(), Some(guid.origin));
        }
        for ip in &nic.ips {
            put("  ip", ip.value.to_string(), Some(ip.origin));
        }
    }
    boot_facts(snapshot, node, &mut put);
    for (path, leaf) in class.vars.leaves() {
        put("var", format!("{path} = {}", leaf.value), Some(leaf.origin));
    }
    for (path, wanted) in &class.expect {
        put("expect", format!("{path} = {}", wanted.value), Some(wanted.origin));
    }
    if let Some(file) = &class.user_data {
        put("user-data", format!("cloud-init/{}", file.value), Some(file.origin));
    }
    for file in &class.vendor_data {
        put("vendor-data", format!("cloud-init/{}", file.value), Some(file.origin));
    }
    all
}

fn boot_facts(snapshot: &Snapshot, node: usize, put: &mut impl FnMut(&str, String, Option<Origin>)) {
    let class = snapshot.resolved().class(node);
    // A Snapshot that was built expands for every node.
    let Ok(Some(boot)) = snapshot.resolved().boot(node) else { return };
    put("boot", boot.configuration.name.to_string(), class.boot.map(|boot| boot.origin));
    let text = |text: &str| text.replace(SERVER_MARK, "<server>");
    if let Some(kernel) = &boot.kernel {
        put("kernel", text(&kernel.text), Some(kernel.origin));
    }
    for initrd in &boot.initrd {
        put("initrd", text(&initrd.text), Some(initrd.origin));
    }
    for param in &boot.params {
        put("param", text(&param.text), Some(param.origin));
    }
}

/// Leaves out where a value was stated that nobody stated.
fn stated(origin: Origin) -> Option<Origin> {
    (origin.layer != Layer::BuiltIn).then_some(origin)
}

fn describe(snapshot: &Snapshot, origin: Origin) -> String {
    format!("{} ({})", snapshot.desired().sources.describe(origin), snapshot.desired().layer_words(origin.layer))
}

fn script(snapshot: &Snapshot, node: usize) -> Result<String, &'static str> {
    match snapshot.answer(node) {
        Answer::Script(prepared) => Ok(prepared.script.shown()),
        Answer::Retired => Err("retired: refused at boot"),
        Answer::Nothing => Err("no layer names a boot configuration"),
    }
}

fn shown(snapshot: &Snapshot, node: usize, document: Document) -> Option<String> {
    let text = snapshot.document(node, document).ok().flatten()?;
    Some(text.replace(SERVER_MARK, "<server>"))
}

pub fn bad_set(text: &str, error: &NodeSetError) -> Failure {
    let at = error.at();
    let under = format!("{}{}", " ".repeat(text[..at.start].chars().count()), "^".repeat((at.end - at.start).max(1)));
    Failure::new(format!("{error}\n  {text}\n  {under}")).hint(error.hint())
}
