//! Secrets in clear: whatever the cluster repository holds is served to anybody who asks, or read by all who can read it.
//!
//! Two questions are asked of each text, once, as it is written and before templates are expanded: does it hold something
//! of a form that only secrets have ([`forms`]), and is a value kept under a name that only secrets have ([`names`])? The
//! work is linear in the text. A finding names the place and the kind, never the secret.

mod forms;
mod names;

use std::ops::Range;

use rayon::prelude::*;

use super::sources::Findings;
use crate::model::{Code, Diagnostic, Place, Tree};

/// How many findings one file gives; past that it is a file of secrets.
const MOST_IN_ONE_FILE: usize = 50;

/// Something in a text that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SecretSpan {
    span: Range<usize>,
    /// What it is, such as "a private key".
    what: String,
}

/// Finds what looks like a secret in every text of a commit.
pub fn secrets(tree: &Tree, findings: &mut Findings) {
    let texts: Vec<(&str, &str)> =
        tree.blobs().filter_map(|(path, bytes)| Some((path, std::str::from_utf8(bytes).ok()?))).collect();
    let found: Vec<Findings> = texts.par_iter().map(|(path, text)| of_file(path, text)).collect();
    findings.extend(found.into_iter().flatten());
}

fn of_file(path: &str, text: &str) -> Findings {
    let mut all = forms::find(text);
    // A table of facts has no names beside its values.
    if !path.ends_with(".csv") {
        let known: Vec<Range<usize>> = all.iter().map(|found| found.span.clone()).collect();
        let is_new = |found: &SecretSpan| {
            let after = known.partition_point(|span| span.end <= found.span.start);
            known.get(after).is_none_or(|span| span.start >= found.span.end)
        };
        all.extend(names::find(text).into_iter().filter(is_new));
    }
    all.sort_by_key(|found| found.span.start);
    let finding = |found: SecretSpan| {
        // The first sign alone: what marks a place for a reader may copy the marked text.
        let end = text.ceil_char_boundary(found.span.start + 1);
        let message = format!("{} in clear", found.what);
        let finding = Diagnostic::new(Code::ClearSecret, Place::at(path, found.span.start..end), message);
        finding.hint(
            "scripts and documents are served to anybody who asks: let nodes fetch secrets from a service that knows them, \
             and change this one, for git remembers it",
        )
    };
    all.into_iter().take(MOST_IN_ONE_FILE).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(text: &str) -> Vec<(usize, String)> {
        let found = of_file("cloud-init/a.yaml", text);
        found.into_iter().map(|found| (found.place.span.unwrap().start, found.message)).collect()
    }

    #[test]
    fn one_secret_is_one_finding() {
        let hash = format!("$6$saltsalt${}", "a".repeat(86));
        assert_eq!(whats(&format!("passwd: {hash}\n")), [(8, "a crypt hash of a password in clear".to_owned())]);
        assert_eq!(whats("passwd: hunter2\n"), [(8, "the value of `passwd` in clear".to_owned())]);
        let many = "password: hunter2\n".repeat(1000);
        assert_eq!(whats(&many).len(), MOST_IN_ONE_FILE);
    }

    #[test]
    fn the_secret_itself_is_nowhere_in_a_finding() {
        for secret in ["hunter2", "ghp_0123456789abcdefghijABCDEFGHIJ012345"] {
            for found in of_file("cloud-init/a", &format!("token: {secret}\n")) {
                assert!(!format!("{found:?}").contains(secret));
                assert!(found.place.span.is_some_and(|span| span.end - span.start == 1));
            }
        }
    }
}
