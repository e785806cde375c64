//! Verifies the signer of a commit in this process: SSH signatures as git makes them, with a file
//! of allowed signers on this host.
//!
//! This module reads the administrator's files again when they change. It does not know which
//! commit is wanted, what the files in it mean, or what happens to an untrusted commit. Nothing
//! that it trusts comes from the repository.
//!
//! The cryptography is aws-lc's, which this program's TLS uses too. The framing is a few hundred
//! lines here, because the crates that have it bring a second cryptography library or do not
//! support keys of security keys.

mod allowed;
mod certificate;
mod commit;
#[cfg(feature = "gpg")]
mod gpg;
mod key;
mod refusal;
mod revoked;
mod sshsig;
mod wire;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::{Path, PathBuf};

use allowed::{Allowed, LineFault, NAMESPACE};
use certificate::Certificate;
use commit::Parts;
pub use key::KeyFault;
use key::PublicKey;
pub use refusal::{Refusal, Why};
use revoked::Revoked;
use sshsig::SshSig;

use super::{GitError, Repo};
use muster_core::model::Revision;

/// The largest file of keys: ten thousand signers.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The files of this host that define the accepted signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The allowed signers.
    pub allowed: PathBuf,
    /// The revoked keys.
    pub revoked: Option<PathBuf>,
    /// The OpenPGP keys whose owners may sign too.
    pub gpg_keyring: Option<PathBuf>,
}

/// The allowed signers, as of the last read of the files.
pub struct Signers {
    files: Files,
    /// The bytes of the files at the last read; `None` for a file that could not be read.
    read: [Option<Vec<u8>>; 3],
    rules: Result<Rules, Why>,
}

struct Rules {
    allowed: Allowed,
    revoked: Revoked,
}

impl Signers {
    /// Reads the files.
    #[must_use]
    pub fn new(files: Files) -> Self {
        let mut signers = Self { files, read: [None, None, None], rules: Err(Why::Unsigned) };
        signers.read_files();
        signers
    }

    /// Reads the files again; returns whether their meaning changed.
    pub fn refresh(&mut self) -> bool {
        let before = std::mem::take(&mut self.read);
        let failed = self.rules.as_ref().err().cloned();
        self.read_files();
        self.read != before || self.rules.as_ref().err() != failed.as_ref()
    }

    /// Returns the reason for which no signature can be verified at present, if there is one.
    #[must_use]
    pub fn trouble(&self) -> Option<&Why> {
        self.rules.as_ref().err()
    }

    /// Verifies a commit from the bytes of its object; returns the signer.
    ///
    /// The validity of a key is compared with the committer's own date, as in git.
    ///
    /// # Errors
    /// The reason for which the commit is not trusted.
    pub fn verify(&self, object: &[u8]) -> Result<String, Refusal> {
        let parts = commit::split(object);
        let committer = parts.as_ref().map(|parts| parts.committer.clone()).unwrap_or_default();
        let judged = self.rules.as_ref().map_err(Clone::clone).and_then(|rules| self.judge(rules, parts));
        judged.map_err(|why| Refusal { committer, why })
    }

    fn judge(&self, rules: &Rules, parts: Option<Parts>) -> Result<String, Why> {
        let Parts { payload, signature, committer: _, time } = parts.ok_or(Why::OddObject)?;
        let signature = signature.ok_or(Why::Unsigned)?;
        if signature.starts_with(sshsig::BEGIN) {
            return rules.ssh(&payload, &signature, time);
        }
        let text = |begin: &str| signature.starts_with(begin.as_bytes());
        if text("-----BEGIN PGP SIGNATURE-----") || text("-----BEGIN PGP MESSAGE-----") {
            return self.open_pgp(&payload, &signature);
        }
        if text("-----BEGIN SIGNED MESSAGE-----") { Err(Why::OtherKind("X.509")) } else { Err(Why::Malformed) }
    }

    #[cfg(feature = "gpg")]
    fn open_pgp(&self, payload: &[u8], signature: &[u8]) -> Result<String, Why> {
        match &self.files.gpg_keyring {
            Some(keyring) => gpg::verify(keyring, payload, signature),
            None => Err(Why::OtherKind("OpenPGP")),
        }
    }

    #[cfg(not(feature = "gpg"))]
    #[expect(clippy::unused_self, reason = "the keyring is asked where the feature is")]
    fn open_pgp(&self, _payload: &[u8], _signature: &[u8]) -> Result<String, Why> {
        Err(Why::OtherKind("OpenPGP"))
    }

    fn read_files(&mut self) {
        let mut rules = Rules { allowed: Allowed::default(), revoked: Revoked::default() };
        let mut fault: Option<Why> = None;
        let mut note = |why: Why| {
            fault.get_or_insert(why);
        };

        match read(&self.files.allowed) {
            Ok(bytes) => {
                match Allowed::read(&bytes) {
                    Ok(allowed) if allowed.is_empty() && self.files.gpg_keyring.is_none() => {
                        note(file_fault(&self.files.allowed, "names nobody".into()));
                    }
                    Ok(allowed) => rules.allowed = allowed,
                    Err(at) => note(line_fault(&self.files.allowed, at)),
                }
                self.read[0] = Some(bytes);
            }
            Err(why) => note(why),
        }

        if let Some(path) = &self.files.revoked {
            match read(path) {
                Ok(bytes) => {
                    match Revoked::read(&bytes) {
                        Ok(revoked) => rules.revoked = revoked,
                        Err(at) => note(line_fault(path, at)),
                    }
                    self.read[1] = Some(bytes);
                }
                Err(why) => note(why),
            }
        }

        if let Some(path) = &self.files.gpg_keyring {
            match read(path) {
                Ok(_) if !cfg!(feature = "gpg") => {
                    note(file_fault(path, "is named, and this muster was built without the feature `gpg`".into()));
                }
                Ok(bytes) => self.read[2] = Some(bytes),
                Err(why) => note(why),
            }
        }

        self.rules = fault.map_or(Ok(rules), Err);
    }
}

impl Rules {
    fn ssh(&self, payload: &[u8], armoured: &[u8], time: i64) -> Result<String, Why> {
        let signature = SshSig::read(armoured).map_err(|_| Why::Malformed)?;
        let certificate = if certificate::is_certificate(&signature.key) {
            Some(Certificate::read(&signature.key).map_err(Why::Certificate)?)
        } else {
            None
        };

        let key = match &certificate {
            Some(certificate) => certificate.key.clone(),
            None => PublicKey::read(&signature.key).map_err(Why::Key)?,
        };

        if &*signature.namespace != NAMESPACE {
            let namespace = signature.namespace.escape_debug().to_string();
            return Err(Why::Namespace { namespace });
        }

        match key.signed(&signature.signed_bytes(payload), &signature.signature) {
            Ok(true) => {}
            Ok(false) => return Err(Why::Bad { key: key.to_string() }),
            Err(_) => return Err(Why::Malformed),
        }

        let authority = certificate.as_ref().map(|certificate| &certificate.authority);
        if let Some(revoked) = [Some(&key), authority].into_iter().flatten().find(|key| self.revoked.holds(key)) {
            return Err(Why::Revoked { key: revoked.to_string() });
        }
        let who = match &certificate {
            Some(certificate) => self.allowed.who_by_certificate(certificate, time)?,
            None => self.allowed.who(&key, time)?,
        };

        Ok(format!("{who} with {key}"))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Why> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MAX_FILE => Err(file_fault(path, "is larger than 4 MB".into())),
        Ok(_) => Ok(bytes),
        Err(error) => Err(file_fault(path, format!("cannot be read: {error}"))),
    }
}

fn file_fault(path: &Path, what: String) -> Why {
    Why::File { file: path.display().to_string(), what }
}

fn line_fault(path: &Path, (line, what): LineFault) -> Why {
    Why::File { file: format!("{}:{line}:", path.display()), what }
}

impl Repo {
    /// Returns the raw bytes of a commit object.
    ///
    /// # Errors
    /// The commit is missing or damaged.
    pub fn commit_object(&self, revision: &Revision) -> Result<Vec<u8>, GitError> {
        let damaged = |source| self.damaged(revision, source);
        let id = self.commit(revision)?.id();
        let odb = self.inner.odb().map_err(damaged)?;
        Ok(odb.read(id).map_err(damaged)?.data().to_vec())
    }

    /// Returns whether a commit is another one or its descendant. If the older commit is not in the
    /// repository, the result is `false`.
    ///
    /// # Errors
    /// The commit is missing, or its history is damaged.
    pub fn comes_after(&self, revision: &Revision, older: &Revision) -> Result<bool, GitError> {
        let id = self.commit(revision)?.id();
        let Ok(older) = self.commit(older) else { return Ok(false) };
        if older.id() == id {
            return Ok(true);
        }
        self.inner.graph_descendant_of(id, older.id()).map_err(|source| self.damaged(revision, source))
    }
}
