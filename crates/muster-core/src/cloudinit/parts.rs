//! vendor-data: the parts of all layers as one MIME message, in an order and by rules that join their lists.
//!
//! cloud-init merges cloud-config parts in the order of the message, and by default a later part's key replaces an earlier
//! one's, lists and tables included. No rule of its own lets a later part win and join lists at once. So the cloud-configs
//! stand strongest first, each weaker one laid beneath what is there: tables merge by key, a weaker layer's list items come
//! before a stronger one's, and of single values the strongest is kept
//! (<https://cloudinit.readthedocs.io/en/latest/reference/merging.html>).

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::outline::outline;
use super::{NOTHING, file, not_cloud_init};
use crate::desired::Findings;
use crate::model::Stated;
use crate::resolve::Resolved;

/// How cloud-init lays a weaker part beneath the stronger ones.
const BENEATH: &str = "list(prepend)+dict(no_replace,recurse_list)";

/// The first lines by which cloud-init knows a part, and the type that each has in a MIME message
/// (<https://cloudinit.readthedocs.io/en/latest/explanation/format.html>).
const TYPES: [(&str, &str); 8] = [
    (JINJA, "text/jinja2"),
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", CLOUD_CONFIG),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#!", "text/x-shellscript"),
];

const JINJA: &str = "## template: jinja";
const CLOUD_CONFIG: &str = "text/cloud-config";
const MULTIPART: &str = "multipart/mixed";

/// Returns the type of a part by its first line, or nothing where cloud-init would not know it.
pub fn content_type(text: &str) -> Option<&'static str> {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("Content-Type: multipart/") || first.starts_with("MIME-Version:") {
        return Some(MULTIPART);
    }
    TYPES.iter().find(|(start, _)| first.starts_with(start)).map(|(_, kind)| *kind)
}

/// How cloud-init merges a document with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merging {
    /// A cloud-config that does not say how it is merged.
    ByRule,
    /// A document that says so itself, or holds cloud-configs that are not read here: an archive, an include, a patch, a
    /// message of several parts.
    ByItself,
    /// A script or a boothook: nothing is merged.
    Not,
}

impl Merging {
    /// Reads how a document is merged.
    pub fn of(text: &str) -> Self {
        let kind = match text.strip_prefix(JINJA) {
            Some(rest) => rest.split_once('\n').and_then(|(_, rest)| content_type(rest)),
            None => content_type(text),
        };
        match kind {
            Some(CLOUD_CONFIG) if says_how(text) => Self::ByItself,
            Some(CLOUD_CONFIG) => Self::ByRule,
            Some("text/x-shellscript" | "text/cloud-boothook") | None => Self::Not,
            Some(_) => Self::ByItself,
        }
    }
}

fn says_how(text: &str) -> bool {
    // Most documents hold neither word anywhere.
    ["merge_how", "merge_type"].iter().any(|word| text.contains(word))
        && outline(text).iter().any(|key| matches!(key.path.as_slice(), ["merge_how" | "merge_type"]))
}

/// One layer's part of the vendor-data of a node.
#[derive(Debug)]
pub struct VendorPart<'r> {
    pub name: &'r Stated<Box<str>>,
    kind: &'static str,
    pub text: String,
    pub merging: Merging,
}

/// The vendor-data of a node, before it is written.
#[derive(Debug)]
pub struct VendorData<'r> {
    /// In the order of the message.
    pub parts: Vec<VendorPart<'r>>,
    /// Whether the cloud-configs stand strongest first, so that their lists join.
    pub is_joined: bool,
}

/// Expands every layer's part, and puts them in order.
///
/// One part that is merged by rules of its own could undo what stands before it, so beside other cloud-configs it keeps all
/// of them in the order of layers, by cloud-init's default.
pub fn vendor_parts(resolved: &Resolved, node: usize) -> Result<VendorData<'_>, Findings> {
    let names = &resolved.class(node).vendor_data;
    let mut parts = Vec::with_capacity(names.len());
    for name in names {
        let text = file(resolved, node, name)?;
        let kind = content_type(&text).ok_or_else(|| vec![not_cloud_init(&name.value, &text)])?;
        let merging = Merging::of(&text);
        parts.push(VendorPart { name, kind, text, merging });
    }

    let count = |merging: Merging| parts.iter().filter(|part| part.merging == merging).count();
    let is_joined = count(Merging::ByRule) > 1 && count(Merging::ByItself) == 0;
    if is_joined {
        let (mut configs, others): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.merging == Merging::ByRule);
        configs.reverse();
        configs.extend(others);
        parts = configs;
    }
    Ok(VendorData { parts, is_joined })
}

/// Writes the vendor-data of a node.
pub fn vendor_data(data: &VendorData<'_>) -> String {
    if data.parts.is_empty() {
        return NOTHING.into();
    }
    let boundary = boundary(&data.parts);
    let mut message = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n");
    for part in &data.parts {
        let _ = writeln!(message, "--{boundary}");
        head(&mut message, part, data.is_joined);
        message.push_str(&part.text);
        // The line break before a boundary is the boundary's (RFC 2046, section 5.1.1).
        message.push('\n');
    }
    let _ = writeln!(message, "--{boundary}--");
    message
}

fn head(message: &mut String, part: &VendorPart<'_>, is_joined: bool) {
    // A message of several parts begins with a head of its own, which says where its parts end.
    if part.kind == MULTIPART {
        return;
    }
    let name = part.name.value.strip_suffix(".j2").unwrap_or(&part.name.value);
    // Scripts are kept by this name on the node: two folders may hold files of one name.
    let name = name.replace(['"', '\\', '/'], "_");
    let _ = writeln!(message, "Content-Type: {}; charset=\"utf-8\"\nMIME-Version: 1.0", part.kind);
    if is_joined && part.merging == Merging::ByRule {
        let _ = writeln!(message, "Merge-Type: {BENEATH}");
    }
    let _ = writeln!(message, "Content-Disposition: attachment; filename=\"{name}\"\n");
}

/// Makes a line that no part holds, the same for the same parts.
fn boundary(parts: &[VendorPart<'_>]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.text.as_bytes());
        digest.update([0]);
    }
    let bytes: [u8; 32] = digest.finalize().into();
    let hex: String = bytes[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("muster-{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_first_line() {
        assert_eq!(content_type("#cloud-config\na: 1\n"), Some("text/cloud-config"));
        assert_eq!(content_type("#cloud-config-archive\n"), Some("text/cloud-config-archive"));
        assert_eq!(content_type("#!/bin/sh\n"), Some("text/x-shellscript"));
        assert_eq!(content_type("## template: jinja\n#cloud-config\n"), Some("text/jinja2"));
        assert_eq!(content_type("packages: []\n"), None);
        assert_eq!(content_type(""), None);
    }

    #[test]
    fn how_a_part_is_merged_is_read_from_it() {
        let by_rule = ["#cloud-config\nmerge: 1\n", "## template: jinja\n#cloud-config\na: merge_how\n"];
        let by_itself = [
            "#cloud-config\nmerge_how: list(append)\n",
            "## template: jinja\n#cloud-config\na: 1\nmerge_type:\n- 1\n",
            "#cloud-config-archive\n",
            "#cloud-config-jsonp\n",
            "#include http://x/\n",
            "MIME-Version: 1.0\n",
        ];
        let not =
            ["#!/bin/sh\n# merge_how\n", "#cloud-boothook\n", "## template: jinja\n#!/bin/sh\n", "## template: jinja"];
        assert!(by_rule.iter().all(|text| Merging::of(text) == Merging::ByRule));
        assert!(by_itself.iter().all(|text| Merging::of(text) == Merging::ByItself));
        assert!(not.iter().all(|text| Merging::of(text) == Merging::Not));
    }
}
