//! The reasons for which a commit is not trusted, each with a message and a hint.

use std::fmt;

use super::key::KeyFault;

/// The problem with the signature of a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("it is not signed")]
    Unsigned,
    #[error("it is signed with {0}, and SSH signatures count")]
    OtherKind(&'static str),
    #[error("its signature cannot be read")]
    Malformed,
    #[error("its object cannot be taken apart: it has two signatures, or no committer")]
    OddObject,
    #[error("it is signed with a key that does not count: {0}")]
    Key(KeyFault),
    #[error("it is signed with a certificate that does not count: {0}")]
    Certificate(KeyFault),
    #[error("its signature is for `{namespace}`, not for `git`")]
    Namespace { namespace: String },
    #[error("its signature is not true: {key} did not sign this commit, or by a way that does not count")]
    Bad { key: String },
    #[error("the key that signed it is revoked: {key}")]
    Revoked { key: String },
    #[error("the key that signed it is not among the allowed signers: {key}")]
    Unknown { key: String },
    #[error(
        "the authority {authority}, which certified the key {key}, is not among the allowed signers for whom it names"
    )]
    UnknownAuthority { key: String, authority: String },
    #[error("the key of {who} that signed it may not sign for `git`: {key}")]
    NotForGit { who: String, key: String },
    #[error("the key of {who} that signed it counts only from {from}, and the commit is older: {key}")]
    TooEarly { who: String, key: String, from: String },
    #[error("the key of {who} that signed it counted until {until}, and the commit is younger: {key}")]
    Expired { who: String, key: String, until: String },
    #[error("{file} {what}, so that nobody's signature can be judged")]
    File { file: String, what: String },
    #[error("{0}")]
    Gpg(String),
}

/// A commit that is not trusted, and its alleged committer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The committer's name and address according to the commit; empty if it cannot be parsed.
    pub committer: String,
    pub why: Why,
}

impl Refusal {
    /// Returns the next step, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match &self.why {
            Why::Unsigned => "sign it: git -c gpg.format=ssh -c user.signingkey=~/.ssh/id_ed25519.pub commit --amend -S".into(),
            Why::OtherKind("OpenPGP") if cfg!(feature = "gpg") => {
                "name a file of OpenPGP keys as `gpg_keyring` in this host's settings, or sign with gpg.format=ssh".into()
            }
            Why::OtherKind("OpenPGP") => {
                "sign with gpg.format=ssh; a muster built with the feature `gpg` takes OpenPGP too. A merge in a forge's web \
                 interface is signed with the forge's own key: merge and push it yourself"
                    .into()
            }
            Why::OtherKind(_) | Why::Malformed | Why::Namespace { .. } => "sign with git and gpg.format=ssh".into(),
            Why::OddObject => "make the commit anew with git".into(),
            Why::Key(_) => "sign with an ed25519 key".into(),
            Why::Certificate(_) => "sign with a certificate of a person (ssh-keygen -s CA -I ID -n WHO), or a plain key".into(),
            Why::Bad { .. } => "the commit was changed after it was signed: find out by whom, and sign it anew".into(),
            Why::Revoked { .. } => "find out who still has that key; sign with another".into(),
            Why::Unknown { .. } => "if that key is to be trusted, add it to the file of allowed signers on this host".into(),
            Why::UnknownAuthority { .. } => {
                "if it is to be trusted, add it to the file of allowed signers with `cert-authority`".into()
            }
            Why::NotForGit { .. } => "add `git` to its `namespaces` in the file of allowed signers".into(),
            Why::TooEarly { .. } | Why::Expired { .. } => {
                "sign with a key that counts, or change its times in the file of allowed signers".into()
            }
            Why::File { .. } => "correct the file; it is read again at once".into(),
            Why::Gpg(_) => return None,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)?;
        if self.committer.is_empty() { Ok(()) } else { write!(f, "; committer {}", self.committer) }
    }
}
