//! vendor-data: the parts of all layers, weakest first, as one MIME message.
//!
//! cloud-init reads the parts in order and lets the later one win (its default merge of cloud-config replaces), so the
//! order is that of the layers.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{NOTHING, file, not_cloud_init};
use crate::desired::Findings;
use crate::resolve::Resolved;

/// The first lines by which cloud-init knows a part, and the type that each has in a MIME message
/// (<https://cloudinit.readthedocs.io/en/latest/explanation/format.html>).
const TYPES: [(&str, &str); 8] = [
    ("## template: jinja", "text/jinja2"),
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", "text/cloud-config"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#!", "text/x-shellscript"),
];

/// Returns the type of a part by its first line, or nothing where cloud-init would not know it.
pub fn content_type(text: &str) -> Option<&'static str> {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("Content-Type: multipart/") || first.starts_with("MIME-Version:") {
        return Some("multipart/mixed");
    }
    TYPES.iter().find(|(start, _)| first.starts_with(start)).map(|(_, kind)| *kind)
}

/// Writes the vendor-data of a node.
pub fn vendor_data(resolved: &Resolved, node: usize) -> Result<String, Findings> {
    let names = &resolved.class(node).vendor_data;
    let mut parts = Vec::with_capacity(names.len());
    for name in names {
        let text = file(resolved, node, name)?;
        let kind = content_type(&text).ok_or_else(|| vec![not_cloud_init(&name.value, &text)])?;
        parts.push((&*name.value, kind, text));
    }
    if parts.is_empty() {
        return Ok(NOTHING.into());
    }
    let boundary = boundary(&parts);
    let mut message = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n");
    for (name, kind, text) in &parts {
        let name = name.strip_suffix(".j2").unwrap_or(name).rsplit('/').next().unwrap_or_default();
        let _ = write!(
            message,
            "--{boundary}\nContent-Type: {kind}; charset=\"utf-8\"\nMIME-Version: 1.0\n\
             Content-Disposition: attachment; filename=\"{}\"\n\n{text}",
            name.replace(['"', '\\'], "_")
        );
        // The line break before a boundary is the boundary's (RFC 2046, section 5.1.1).
        message.push('\n');
    }
    let _ = writeln!(message, "--{boundary}--");
    Ok(message)
}

/// Makes a line that no part holds, the same for the same parts.
fn boundary(parts: &[(&str, &str, String)]) -> String {
    let mut digest = Sha256::new();
    for (_, _, text) in parts {
        digest.update(text.as_bytes());
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
}
