//! cloud-init's documents over HTTP, and its report that it is done.
//!
//! A node is named by the path, or found by the client's address if it belongs to one node alone.
//! An undeclared address gets 404, from which cloud-init concludes that there is no data source
//! here, and continues.

use std::net::IpAddr;

use axum::http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use super::answer::{self, Answer, PLAIN, YAML};
use super::boot::{Asked, Boot};
use super::forwarded::Client;
use super::now;
use super::query::decode;
use super::serving::{MAX_INSTANCE_ID, Serving};
use crate::cloudinit::Document;
use crate::desired::template::SERVER_MARK;
use crate::drift::runs;
use crate::snapshot::Snapshot;
use crate::view::hex;

/// Answers with a document of the node with this name or xname.
pub fn by_name(boot: &Boot, asked: &Asked<'_>, name: &str, document: &str) -> Answer {
    answer_with(boot, asked, document, |snapshot| {
        snapshot.by_name(&decode(name)).ok_or_else(|| format!("no node is called {}", decode(name)))
    })
}

/// Answers with a document of the node with the client's address.
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
        // cloud-init 25 and later repeats a request with answer 404 ten times, a second apart, and
        // treats an empty document as none.
        Ok(None) => String::new(),
        // The build rendered every document once, so this is a fault of muster, not of the commit.
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

/// The form in which cloud-init reports that it is done, as far as it matters here; its keys are
/// those of the `phone_home` module.
///
/// It arrives in pieces of any size, and no more of each field is kept than a wanted one can have.
#[derive(Default)]
pub struct PhoneForm {
    /// The start of the field that is being read.
    field: Vec<u8>,
    instance_id: Option<String>,
}

/// The length of the kept start of a field: the key, and an instance id with every byte encoded.
const MAX_FIELD: usize = INSTANCE_ID.len() + 3 * 4 * MAX_INSTANCE_ID;

const INSTANCE_ID: &[u8] = b"instance_id=";

impl PhoneForm {
    /// Reads a piece.
    pub fn read(&mut self, piece: &[u8]) {
        let mut parts = piece.split(|byte| *byte == b'&');
        self.grow(parts.next().unwrap_or_default());
        for part in parts {
            self.end_field();
            self.grow(part);
        }
    }

    fn grow(&mut self, part: &[u8]) {
        let room = MAX_FIELD - self.field.len();
        self.field.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end_field(&mut self) {
        if self.instance_id.is_none() {
            let value = self.field.strip_prefix(INSTANCE_ID);
            self.instance_id = value.map(|value| decode(&String::from_utf8_lossy(value)).into_owned());
        }
        self.field.clear();
    }

    fn into_instance_id(mut self) -> String {
        self.end_field();
        self.instance_id.unwrap_or_default()
    }
}

/// Finds the node of a cloud-init report: by its name, otherwise by the client's address.
///
/// # Errors
/// Returns the answer to a client without a node.
pub fn phoning(serving: &Serving, client: Client, name: &str) -> Result<usize, Box<Answer>> {
    let Some(snapshot) = &serving.snapshot else { return Err(Box::new(answer::starting())) };
    let name = decode(name);
    snapshot.by_name(&name).or_else(|| snapshot.by_ip(client.address()?)).ok_or_else(|| {
        let why = match client {
            Client::At(address) => format!("none has the address {address}"),
            Client::Behind(proxy) => nobody_told(proxy),
        };
        Box::new(answer::problem(StatusCode::NOT_FOUND, &format!("no node is called {name}, and {why}")))
    })
}

/// Records that cloud-init on a node is done.
pub fn phone_home(serving: &Serving, client: Client, name: &str, form: PhoneForm) -> Answer {
    let Some(snapshot) = &serving.snapshot else { return answer::starting() };
    match phoning(serving, client, name) {
        Ok(node) => {
            let teller = runs::teller(snapshot, node, client.address());
            serving.slots[node].confirm(now(), client.nearest(), teller, &form.into_instance_id());
            answer::text(StatusCode::OK, PLAIN, &b""[..])
        }
        Err(refusal) => *refusal,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_is_read_in_pieces_of_any_size_and_kept_within_a_bound() {
        let read = |form: &str, size: usize| {
            let mut read = PhoneForm::default();
            for piece in form.as_bytes().chunks(size) {
                read.read(piece);
                assert!(read.field.len() <= MAX_FIELD);
            }
            read.into_instance_id()
        };
        let long = format!("pub_key_rsa={}&instance_id=i-1%2b&instance_id=other&fqdn=x", "k".repeat(60_000));
        for size in [1, 7, 4096, 100_000] {
            assert_eq!(read(&long, size), "i-1+");
            assert_eq!(read("instance_id=", size), "");
            assert_eq!(read("xinstance_id=a&hostname=b", size), "");
            assert_eq!(read("a=b&instance_id=z", size), "z");
        }
    }

    proptest! {
        #[test]
        fn pieces_say_the_same_as_the_whole(form in "[a-z=&%+]{0,80}", id in "[a-z%0-9]{0,20}", size in 1_usize..40) {
            let form = format!("{form}&instance_id={id}&{form}");
            let (mut whole, mut pieces) = (PhoneForm::default(), PhoneForm::default());
            whole.read(form.as_bytes());
            form.as_bytes().chunks(size).for_each(|piece| pieces.read(piece));
            prop_assert_eq!(whole.into_instance_id(), pieces.into_instance_id());
        }
    }
}
