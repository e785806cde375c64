//! Signatures: whatever a commit and a file of signers hold, a judgement is a name that the file has, or a reason.

use muster::git::{Files, Signers};
use std::fs;
use std::path::Path;

/// Between the file of signers and the commit.
const BETWEEN: &[u8] = b"\xff\xff";

/// Judges the second part of an input, a commit object, by the first, a file of allowed signers.
pub fn holds(input: &[u8]) {
    let Some(at) = input.windows(BETWEEN.len()).position(|window| window == BETWEEN) else { return };
    let (allowed, object) = (&input[..at], &input[at + BETWEEN.len()..]);
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("muster-fuzz-");
    let dir =
        if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() }.expect("a folder can be made");
    let file = dir.path().join("allowed");
    fs::write(&file, allowed).expect("it can be written");
    let signers = Signers::new(Files { allowed: file, revoked: None, gpg_keyring: None });
    match signers.verify(object) {
        Ok(who) => {
            // What follows is the key's own name.
            let principal = who.split(" with ").next().unwrap_or_default();
            let file = String::from_utf8_lossy(allowed);
            assert!(!principal.is_empty() && file.contains(principal), "{who:?} is nowhere in the file");
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}
