//! cloud-init's documents over HTTP, and its word that it is done.
//!
//! A node is named by the path, or found by the address that asks where one node alone has it. An address that nobody
//! declares is answered with 404, by which cloud-init takes it that there is no data source here and goes on.

use std::net::IpAddr;

use axum::http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use super::answer::{self, Answer, PLAIN, YAML};
use super::boot::{Asked, Boot};
use super::forwarded::Client;
use super::now;
use super::query::decode;
use super::serving::Serving;
use crate::cloudinit::Document;
use crate::desired::template::SERVER_MARK;
use crate::drift::runs;
use crate::snapshot::Snapshot;
use crate::view::hex;

/// Answers with a document of the node of a name or xname.
pub fn by_name(boot: &Boot, asked: &Asked<'_>, name: &str, document: &str) -> Answer {
    answer_with(boot, asked, document, |snapshot| {
        snapshot.by_name(&decode(name)).ok_or_else(|| format!("no node is called {}", decode(name)))
    })
}

/// Answers with a document of the node whose address asks.
pub fn by_peer(boot: &Boot, asked: &Asked<'_>, document: &str) -> Answer {
    match asked.client {
        Client::At(address) => answer_with(boot, asked, document, |snapshot| {
            snapshot.by_ip(address).ok_or_else(|| format!("no one node has the address {address}"))
        }),
        Client::Behind(proxy) => answer::problem(StatusCode::BAD_REQUEST, &nobody_told(proxy)),
    }
}

fn nobody_told(proxy: IpAddr) -> String {
    format!(
        "the proxy {proxy} does not tell in one address for whom it asks: it must set X-Forwarded-For or Forwarded, or \
         begin the connection with a PROXY protocol header"
    )
}

fn answer_with(
    boot: &Boot,
    asked: &Asked<'_>,
    document: &str,
    find: impl FnOnce(&Snapshot) -> Result<usize, String>,
) -> Answer {
    let Some(document) = Document::parse(document) else { return answer::not_found() };
    let Some(snapshot) = &asked.serving.snapshot else { return answer::starting() };
    match find(snapshot) {
        Ok(node) => of_node(boot, asked, snapshot, node, document),
        Err(detail) => answer::problem(StatusCode::NOT_FOUND, &detail),
    }
}

fn of_node(boot: &Boot, asked: &Asked<'_>, snapshot: &Snapshot, node: usize, document: Document) -> Answer {
    let name = &snapshot.nodes()[node].name;
    if snapshot.is_retired(node) {
        return answer::problem(StatusCode::FORBIDDEN, &format!("{name} is retired"));
    }
    if !snapshot.knows_documents(node) {
        let detail = "this host serves stored scripts until it reads the repository again; there are no documents";
        return answer::later(answer::problem(StatusCode::SERVICE_UNAVAILABLE, detail));
    }
    let text = match snapshot.document(node, document) {
        Ok(Some(text)) => text.replace(SERVER_MARK, boot.server(asked)),
        // cloud-init 25 and later asks ten times for what is answered 404, a second apart, and takes nothing for nothing.
        Ok(None) => String::new(),
        // The build wrote every document once, so this tells of a fault of ours, not of the wishes.
        Err(findings) => {
            let reason = findings.into_iter().next().map(|finding| finding.message).unwrap_or_default();
            tracing::error!(node = %name, document = document.as_str(), reason, "a document that was good fails");
            return answer::problem(StatusCode::INTERNAL_SERVER_ERROR, &reason);
        }
    };
    let tag = content_tag(text.as_bytes());
    if answer::has(asked.headers, &tag) {
        return answer::not_modified(tag);
    }
    let kind = match document {
        Document::MetaData | Document::NetworkConfig => YAML,
        Document::UserData | Document::VendorData => PLAIN,
    };
    answer::tagged(answer::text(StatusCode::OK, kind, text), tag)
}

/// Returns the strong tag of a content.
pub fn content_tag(content: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(content);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(format!("\"{}\"", hex(&digest[..16]))))
        .unwrap_or(HeaderValue::from_static("\"\""))
}

/// Remembers that cloud-init on a node is done; the form's keys are those of cloud-init's `phone_home` module.
///
/// A name that no node has falls back to the address that tells.
pub fn phone_home(serving: &Serving, client: Client, name: &str, form: &[u8]) -> Answer {
    let Some(snapshot) = &serving.snapshot else { return answer::starting() };
    let name = decode(name);
    match snapshot.by_name(&name).or_else(|| snapshot.by_ip(client.address()?)) {
        Some(node) => {
            let form = String::from_utf8_lossy(form);
            let mut fields = form.split('&').filter_map(|field| field.split_once('='));
            let instance_id = fields.find(|(key, _)| *key == "instance_id").map(|(_, value)| decode(value));
            let teller = runs::teller(snapshot, node, client.address());
            serving.slots[node].confirm(now(), client.nearest(), teller, &instance_id.unwrap_or_default());
            answer::text(StatusCode::OK, PLAIN, &b""[..])
        }
        None => {
            let why = match client {
                Client::At(address) => format!("none has the address {address}"),
                Client::Behind(proxy) => nobody_told(proxy),
            };
            answer::problem(StatusCode::NOT_FOUND, &format!("no node is called {name}, and {why}"))
        }
    }
}
