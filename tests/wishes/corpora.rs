//! What `make fuzz` kept of its findings and seeds, replayed through the same laws, without a fuzzer.

use super::tree::{files_below, root};
use std::{env, fs};

#[path = "../../fuzz/laws/mod.rs"]
mod laws;

/// What must hold of some bytes.
type Law = fn(&[u8]);

/// The laws of `fuzz/laws/`, by the names of their targets and corpora.
const LAWS: [(&str, Law); 11] = [
    ("wishes", laws::wishes::holds),
    ("facts", laws::facts::holds),
    ("nodeset", laws::nodeset::holds),
    ("pattern", laws::pattern::holds),
    ("request", laws::request::holds),
    ("commit", laws::commit::holds),
    ("template", laws::template::holds),
    ("signature", laws::signature::holds),
    ("mime", laws::mime::holds),
    ("hook", laws::hook::holds),
    ("redfish", laws::redfish::holds),
];

/// How often each input is varied; `MUSTER_TEST_VARIATIONS` says another number.
const VARIATIONS: u64 = 3;

#[test]
fn what_was_fuzzed_once_holds_for_ever() {
    for (holds, inputs) in corpora() {
        for (path, input) in inputs {
            // The runner shows what a failing test printed: this says which input broke the law.
            println!("{path}");
            holds(&input);
        }
    }
}

/// A few turns of what the fuzzer does by the million, blindly.
#[test]
fn what_is_nearly_that_holds_too() {
    let rounds = env::var("MUSTER_TEST_VARIATIONS").map_or(VARIATIONS, |number| number.parse().expect("a number"));
    for (holds, inputs) in corpora() {
        for (at, (path, input)) in inputs.iter().enumerate() {
            for round in 0..rounds {
                let mut chance = fastrand::Rng::with_seed(round ^ (at as u64) << 32);
                let other = &inputs[chance.usize(..inputs.len())].1;
                let varied = vary(input, other, &mut chance);
                println!("{path}, round {round}: {:?}", String::from_utf8_lossy(&varied));
                holds(&varied);
            }
        }
    }
}

/// Changes one to four places: a byte, a cut, a repeat, or a piece of another input.
fn vary(input: &[u8], other: &[u8], chance: &mut fastrand::Rng) -> Vec<u8> {
    const BYTES: &[u8] = b"\0\n\"'[](){}<>,;:=%&#@!-_./ 019azAZ\x7f\xc3\xa9\xff";
    let mut bytes = input.to_vec();
    for _ in 0..chance.usize(1..=4) {
        let piece = |from: &[u8], chance: &mut fastrand::Rng| {
            let start = chance.usize(..=from.len());
            start..from.len().min(start + chance.usize(..=24))
        };
        let at = piece(&bytes, chance);
        match chance.u8(..4) {
            0 => drop(bytes.splice(at.start..at.start, [BYTES[chance.usize(..BYTES.len())]])),
            1 => drop(bytes.drain(at)),
            2 => {
                let again = bytes[at.clone()].to_vec();
                drop(bytes.splice(at.end..at.end, again));
            }
            _ => {
                let of_other = other[piece(other, chance)].to_vec();
                drop(bytes.splice(at, of_other));
            }
        }
    }
    bytes
}

type Inputs = Vec<(String, Vec<u8>)>;

/// Returns the laws, each with the inputs of its corpus.
fn corpora() -> impl Iterator<Item = (fn(&[u8]), Inputs)> {
    LAWS.into_iter().map(|(name, holds)| {
        let folder = root("fuzz/corpus").join(name);
        let paths = files_below(&folder).into_iter().map(|path| format!("{name}/{path}"));
        let read = |path: String| {
            let bytes = fs::read(root("fuzz/corpus").join(&path)).expect("the input can be read");
            (path, bytes)
        };
        let inputs: Inputs = paths.map(read).collect();
        assert!(!inputs.is_empty(), "{name} has seeds");
        (holds, inputs)
    })
}

#[test]
fn every_law_has_its_target() {
    let list = fs::read_to_string(root("fuzz/Cargo.toml")).expect("it can be read");
    for (name, _) in LAWS {
        assert!(list.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
        assert!(root("fuzz/targets").join(format!("{name}.rs")).is_file(), "{name}");
    }
    assert_eq!(list.matches("[[bin]]").count(), LAWS.len(), "a target without a law here");
}
