//! vendor-data: whatever files the layers name, the message holds each of them whole, and its boundary is in none.

use muster::cloudinit::Document;
use muster::model::{File, Revision, Tree};
use muster::snapshot;

/// Between two files of an input.
const BETWEEN: &[u8] = b"\xff\xff";

/// The most files of one input.
const MOST: usize = 6;

const WISHES: &str = "//- boot/b.toml\nkind = \"local\"\n//- nodes/n.toml\n[[node]]\nname = \"n1\"\n";

/// Lets each part of an input be the vendor-data of one group, and takes the message of the node apart again.
pub fn holds(input: &[u8]) {
    let mut parts = Vec::new();
    let mut rest = input;
    while parts.len() < MOST {
        let end = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        parts.push(&rest[..end.unwrap_or(rest.len())]);
        let Some(end) = end else { break };
        rest = &rest[end + BETWEEN.len()..];
    }
    let mut tree = Tree::from_fixture(WISHES);
    let names: Vec<String> = (0..parts.len()).map(|at| format!("g{at}")).collect();
    let cluster = format!("name = \"t\"\nlayers = {names:?}\n[defaults]\nboot = \"b\"\n");
    tree.insert("cluster.toml", File::Bytes(cluster.into_bytes().into()));
    for (name, part) in names.iter().zip(&parts) {
        let group = format!("nodes = \"n1\"\ncloud_init = {{ vendor_data = \"{name}\" }}\n");
        tree.insert(format!("groups/{name}.toml"), File::Bytes(group.into_bytes().into()));
        tree.insert(format!("cloud-init/{name}"), File::Bytes((*part).into()));
    }
    let (snapshot, findings) = snapshot::build(&tree, Revision::work_tree());
    let Some(snapshot) = snapshot else {
        assert!(!findings.is_empty(), "it is refused for nothing");
        return;
    };
    let message = snapshot.document(0, Document::VendorData).expect("it checks").expect("there is one");
    let first = message.lines().next().unwrap_or_default();
    let boundary = first.split('"').nth(1).unwrap_or_else(|| panic!("no boundary in {first:?}"));
    let line = format!("--{boundary}");
    let mut bodies: Vec<&str> = message.split(&*line).skip(1).collect();
    assert_eq!(bodies.pop(), Some("--\n"), "nothing follows the last");
    for part in &parts {
        let text = std::str::from_utf8(part).expect("what is no text is refused");
        assert!(!text.contains(&line), "a part holds the boundary");
        // In which order the parts stand is the room's to say.
        // A MIME message brings the headers of its part along.
        let is_message = text.starts_with("Content-Type: multipart/") || text.starts_with("MIME-Version:");
        let whole = if is_message { format!("\n{text}\n") } else { format!("\n\n{text}\n") };
        let at = bodies.iter().position(|body| body.ends_with(&whole));
        bodies.remove(at.unwrap_or_else(|| panic!("{text:?} is not in {bodies:?}")));
    }
    assert!(bodies.is_empty(), "{bodies:?} is of no part");
}
