//! What cloud-init is told of a node: meta-data, user-data, vendor-data and network-config of its NoCloud source
//! (<https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html>).
//!
//! The URL by which the node reaches muster stands in the documents as a mark where only the host knows it. This room
//! knows neither who asks nor how the documents travel.

mod blame;
mod lists;
mod network;
mod outline;
mod parts;

use std::fmt::Write as _;

use crate::desired::Findings;
use crate::model::{Code, Diagnostic, Place, Stated};
use crate::resolve::{Resolved, fqdn};

pub use blame::{BlamedLine, LineSource, blamed};

/// The largest document; what is larger belongs in the image.
const MAX_BYTES: usize = 1024 * 1024;

/// What is served where no layer names a file: a cloud-config that says nothing; `cloud-init schema` wants a table even so.
const NOTHING: &str = "#cloud-config\n{}\n";

/// One of the documents of the NoCloud source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Document {
    MetaData,
    UserData,
    VendorData,
    NetworkConfig,
}

impl Document {
    /// Every document, in the order in which cloud-init asks.
    pub const ALL: [Self; 4] = [Self::MetaData, Self::UserData, Self::VendorData, Self::NetworkConfig];

    /// Returns the name by which cloud-init asks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MetaData => "meta-data",
            Self::UserData => "user-data",
            Self::VendorData => "vendor-data",
            Self::NetworkConfig => "network-config",
        }
    }

    /// Finds the document of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|document| document.as_str() == name)
    }
}

/// Writes one document of a node, by the node's index.
///
/// Returns nothing for a network-config that has nothing to say: cloud-init then falls back to DHCP.
///
/// # Errors
/// Returns what keeps the document from being one that cloud-init reads.
pub fn document(resolved: &Resolved, node: usize, document: Document) -> Result<Option<String>, Findings> {
    match document {
        Document::MetaData => meta_data(resolved, node).map(Some),
        Document::UserData => user_data(resolved, node).map(Some),
        Document::VendorData => vendor_data(resolved, node).map(Some),
        Document::NetworkConfig => Ok(network::config(resolved, node)?.text()),
    }
}

/// Every document of a node, and what is wrong with them.
pub struct AllDocuments {
    /// In the order of [`Document::ALL`]; nothing in the place of one that has a fault.
    pub texts: [Option<String>; 4],
    /// Of each alone, and of all together.
    pub findings: Findings,
}

/// Writes every document of a node.
#[must_use]
pub fn all_documents(resolved: &Resolved, node: usize) -> AllDocuments {
    let mut findings = Findings::new();
    let mut told = |found: Findings| findings.extend(found);
    let meta = meta_data(resolved, node).map_err(&mut told).ok();
    let user = user_data(resolved, node).map_err(&mut told).ok();
    let vendor = parts::vendor_parts(resolved, node).map_err(&mut told).ok();
    let network = document(resolved, node, Document::NetworkConfig).map_err(&mut told).ok().flatten();

    if let (Some(user), Some(vendor)) = (&user, &vendor) {
        let name = resolved.class(node).user_data.as_ref();
        findings.extend(lists::hidden(resolved, name.map(|name| (name, user.as_str())), vendor));
    }
    let vendor = vendor.map(|parts| parts::vendor_data(&parts));
    AllDocuments { texts: [meta, user, vendor, network], findings }
}

fn meta_data(resolved: &Resolved, node: usize) -> Result<String, Findings> {
    let desired = &*resolved.desired;
    let own = &desired.nodes[node];
    let mut text = String::with_capacity(256);
    let more = resolved.meta_data(node)?;
    let known = [
        ("instance-id", format!("{}-{}", desired.cluster.name, own.name)),
        ("local-hostname", own.name.to_string()),
        ("hostname", fqdn(desired, own)),
        ("cluster-name", desired.cluster.name.to_string()),
    ];
    for (key, value) in known.iter().filter(|(key, _)| !more.iter().any(|(other, _)| other == key)) {
        let _ = writeln!(text, "{key}: {}", quoted(value));
    }
    for (key, value) in &more {
        // JSON is YAML's flow style.
        let _ = writeln!(text, "{}: {value}", key_text(key));
    }
    bounded(text, || Place::file("cluster.toml"))
}

fn user_data(resolved: &Resolved, node: usize) -> Result<String, Findings> {
    let Some(name) = &resolved.class(node).user_data else { return Ok(NOTHING.into()) };
    let text = file(resolved, node, name)?;
    parts::content_type(&text).ok_or_else(|| vec![not_cloud_init(&name.value, &text)])?;
    Ok(text)
}

fn vendor_data(resolved: &Resolved, node: usize) -> Result<String, Findings> {
    parts::vendor_parts(resolved, node).map(|parts| parts::vendor_data(&parts))
}

/// Expands one file under `cloud-init/` for a node.
fn file(resolved: &Resolved, node: usize, name: &Stated<Box<str>>) -> Result<String, Findings> {
    // The resolve room tells of a file that is not there.
    let Some(file) = resolved.desired.templates.get(&name.value) else { return Ok(NOTHING.into()) };
    let text = resolved.document(node, &name.value, file).map_err(|finding| vec![finding])?;
    bounded(text.into_owned(), || Place::file(format!("cloud-init/{}", name.value)))
}

fn bounded(text: String, place: impl FnOnce() -> Place) -> Result<String, Findings> {
    if text.len() <= MAX_BYTES {
        return Ok(text);
    }
    let message = format!("this document has {} bytes; at most {MAX_BYTES} are served", text.len());
    Err(vec![Diagnostic::new(Code::CloudInit, place(), message)])
}

fn not_cloud_init(name: &str, text: &str) -> Diagnostic {
    let first = text.lines().next().unwrap_or_default();
    let place = Place::at(format!("cloud-init/{name}"), 0..first.len());
    let message = "cloud-init does not know what this is by its first line";
    Diagnostic::new(Code::CloudInit, place, message).hint("begin with `#cloud-config`, or with `#!` for a script")
}

/// Writes a string as a double-quoted YAML scalar, of which JSON's strings are a subset.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn key_text(key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let begins = key.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    if plain && begins { key.to_owned() } else { quoted(key) }
}
