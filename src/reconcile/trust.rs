//! Which commits of the branch may be taken: those with an accepted signature that descend from the
//! previous one.
//!
//! If no signature is required, all of them may. The previous commit is recorded all the same, so
//! that there is one to compare with once a signature is required.

use tracing::{info, warn};

use super::words;
use crate::git::{Files, GitError, Repo, Signers};
use crate::model::Revision;
use crate::settings::Settings;
use crate::store::Store;
use crate::story::Hold;

/// The accepted signers, and the last commit taken.
pub struct Trust {
    signers: Option<Signers>,
    /// The newest commit taken from the branch, whether served or waiting.
    baseline: Option<Revision>,
    is_stored: bool,
}

/// The signer of a commit, if a signature is required; otherwise the reason why the signature does
/// not count, with the next step.
pub type Signed = Result<Option<String>, String>;

/// The signer of a commit, if a signature is required; otherwise why it may not be taken.
pub type Judged = Result<Option<String>, Untrusted>;

/// Why a commit may not be taken.
pub struct Untrusted {
    pub by: Hold,
    /// The reason, and the next step.
    pub why: String,
}

impl Trust {
    /// Reads the accepted signers, if this host requires signatures.
    pub fn new(settings: &Settings) -> Self {
        let signers = settings.require_signed.as_ref().map(|allowed| {
            Signers::new(Files {
                allowed: allowed.clone(),
                revoked: settings.revoked_signers.clone(),
                gpg_keyring: settings.gpg_keyring.clone(),
            })
        });
        let trust = Self { signers, baseline: None, is_stored: true };
        if let Some(trouble) = trust.trouble() {
            warn!("no new commit is taken: {trouble}");
        }
        trust
    }

    /// Restores the last commit taken.
    pub fn restore(&mut self, store: &Store) {
        let last = || {
            Ok::<_, crate::store::StoreError>(match store.baseline()? {
                Some(baseline) => Some(baseline),
                // A store from before this was recorded.
                None => store.accepted(1)?.into_iter().next().map(|accepted| accepted.revision),
            })
        };

        match last() {
            Ok(last) => self.baseline = last,
            Err(error) => warn!(error = %words::chain(&error), "which commit was taken last cannot be read"),
        }

        if self.signers.is_some() && self.baseline.is_none() {
            warn!(
                "this store has taken no commit yet: the first that is signed counts, and a rewind before it cannot be seen"
            );
        }
    }

    /// Returns whether a signature is required.
    pub fn is_required(&self) -> bool {
        self.signers.is_some()
    }

    /// Returns the newest commit that was taken.
    pub fn baseline(&self) -> Option<&Revision> {
        self.baseline.as_ref()
    }

    /// Reads the files again; returns whether their contents changed, so that refused commits are
    /// judged again.
    pub fn refresh(&mut self) -> bool {
        let changed = self.signers.as_mut().is_some_and(Signers::refresh);
        if changed {
            match self.trouble() {
                Some(trouble) => warn!("no new commit is taken: {trouble}"),
                None => info!("the files of signers changed and are read again"),
            }
        }
        changed
    }

    /// Returns why signatures cannot be judged, if so.
    pub fn trouble(&self) -> Option<String> {
        self.signers.as_ref()?.trouble().map(ToString::to_string)
    }

    /// Judges the signature of a commit.
    ///
    /// # Errors
    /// The commit cannot be read.
    pub fn signature(&self, repo: &Repo, revision: &Revision) -> Result<Signed, GitError> {
        let Some(signers) = &self.signers else { return Ok(Ok(None)) };
        let judged = signers.verify(&repo.commit_object(revision)?);
        Ok(judged.map(Some).map_err(|refusal| words::with_hint(&refusal.to_string(), refusal.hint())))
    }

    /// Judges the commit at the tip of the branch.
    ///
    /// # Errors
    /// The commit or its history cannot be read.
    pub fn judge(&self, repo: &Repo, revision: &Revision) -> Result<Judged, GitError> {
        let judged = self.signature(repo, revision)?.map_err(|why| Untrusted { by: Hold::Signature, why });
        match &self.baseline {
            Some(baseline) if self.is_required() && judged.is_ok() && !repo.comes_after(revision, baseline)? => {
                let why = format!(
                    "it does not come after {}, the newest commit that was taken: the branch was rewound or rewritten, which \
                     may be a replay of what was signed for another day (if it is wished, on this host: \
                     muster allow-rewind {})",
                    baseline.short(),
                    revision.short()
                );
                Ok(Err(Untrusted { by: Hold::Rewind, why }))
            }
            Some(_) | None => Ok(judged),
        }
    }

    /// Records that a commit was taken, or that the branch may go back to it.
    pub fn took(&mut self, revision: &Revision) {
        if self.baseline.as_ref() != Some(revision) {
            self.baseline = Some(revision.clone());
            self.is_stored = false;
        }
    }

    /// Stores the recorded commit; returns whether it was new. If that fails, it is stored later.
    pub fn store(&mut self, store: &Store) -> bool {
        match &self.baseline {
            Some(baseline) if !self.is_stored => match store.set_baseline(baseline) {
                Ok(()) => {
                    self.is_stored = true;
                    true
                }
                // The status reports the store's trouble.
                Err(_) => false,
            },
            Some(_) | None => false,
        }
    }
}
