//! Secrets in clear: what looks like one in a text of the cluster repository, and what hides it where people read.
//!
//! Three questions are asked of a text: does it hold something of a form that only secrets have (`forms`), is a value
//! kept under a name that only secrets have (`names`), and does a table have a column of such a name (`columns`)? The
//! work is linear in the text.

mod columns;
mod forms;
mod mask;
mod munge;
mod names;
mod value;

use std::ops::Range;

pub use mask::{MAX_SECRETS, SecretMask, SecretNumbers, cover_forms};
pub use names::is_secret_name;

/// Something in a text that looks like a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretSpan {
    /// Where it is found: from its first sign, such as the first line of a key.
    pub span: Range<usize>,
    /// What must not be shown of it; nothing if only the place of a secret is known.
    pub secrets: Vec<Range<usize>>,
    /// What it is, such as "a private key".
    pub what: String,
}

impl std::fmt::Debug for SecretSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:?}", self.what, self.span)
    }
}

/// Finds what looks like a secret in a file, in the order of the text, each once.
#[must_use]
pub fn find_in_file(path: &str, text: &str) -> Vec<SecretSpan> {
    // A table of facts has no names beside its values.
    let named = if path.ends_with(".csv") { columns::find(text) } else { names::find(text) };
    join(forms::find(text), named)
}

/// Finds what looks like a secret in a text.
#[must_use]
pub fn find(text: &str) -> Vec<SecretSpan> {
    join(forms::find(text), names::find(text))
}

/// Joins what two searches found: what both did is called by its form.
fn join(mut all: Vec<SecretSpan>, named: Vec<SecretSpan>) -> Vec<SecretSpan> {
    let formed = all.len();
    for found in named {
        let known = &all[..formed];
        let first = known.partition_point(|known| known.span.end <= found.span.start);
        let is_known = known.get(first).is_some_and(|known| known.span.start < found.span.end);
        match is_known {
            // The value may be longer than what has a form.
            true => all[first].secrets.extend(found.secrets),
            false => all.push(found),
        }
    }
    all.sort_by_key(|found| found.span.start);
    all
}
