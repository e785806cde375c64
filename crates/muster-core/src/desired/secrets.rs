//! Finds secrets in clear text, because everything in the cluster repository is served to any
//! client, or readable by all its users.
//!
//! Each file is searched once, as written and before templates are expanded. A finding names the
//! place and the kind, never the secret.

use rayon::prelude::*;

use super::sources::Findings;
use crate::model::clear_secret::{SecretMask, SecretSpan, find_in_file};
use crate::model::{Code, Diagnostic, Place, Tree};

/// The most findings in one file; a file with more is a file of secrets.
const MOST_IN_ONE_FILE: usize = 50;

/// Finds likely secrets in every text of a commit, and returns the mask that hides them.
pub fn secrets(tree: &Tree, findings: &mut Findings) -> SecretMask {
    let texts: Vec<(&str, &str)> =
        tree.blobs().filter_map(|(path, bytes)| Some((path, std::str::from_utf8(bytes).ok()?))).collect();
    let found: Vec<Vec<SecretSpan>> = texts.par_iter().map(|(path, text)| find_in_file(path, text)).collect();
    let mut mask = SecretMask::default();
    for ((path, text), found) in texts.into_iter().zip(found) {
        mask.learn(text, &found);
        findings.extend(secret_findings(path, text, found));
    }
    mask
}

/// Returns the mask for the secrets of a commit, whether or not it is valid.
#[must_use]
pub fn tree_secrets(tree: &Tree) -> SecretMask {
    secrets(tree, &mut Findings::new())
}

/// Returns the findings for the secrets in a file.
#[must_use]
pub fn secret_findings(path: &str, text: &str, found: Vec<SecretSpan>) -> Findings {
    let finding = |found: SecretSpan| {
        // Only the first character: tools that mark a place for a reader may copy the marked text.
        let end = text.ceil_char_boundary((found.span.start + 1).min(text.len()));
        let message = format!("{} in clear", found.what);
        let finding = Diagnostic::new(Code::ClearSecret, Place::at(path, found.span.start..end), message);
        finding.hint(
            "scripts and documents are served to anybody who asks: let nodes fetch secrets from a service that knows them, \
             and change this one, for git remembers it",
        )
    };
    found.into_iter().take(MOST_IN_ONE_FILE).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(path: &str, text: &str) -> Findings {
        secret_findings(path, text, find_in_file(path, text))
    }

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
        let facts = of_file("nodes/a.facts.csv", "name,vars.munge_key\nn1,abc\n");
        assert_eq!(facts.len(), 1, "{facts:?}");
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
