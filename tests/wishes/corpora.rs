//! What `make fuzz` kept of its findings and seeds, replayed through the same laws, without a fuzzer.

use super::tree::root;
use std::fs;

#[path = "../../fuzz/laws/mod.rs"]
mod laws;

/// A law of `fuzz/laws/`, by the name of its target and of its corpus.
const LAWS: [(&str, fn(&[u8])); 6] = [
    ("wishes", laws::wishes::holds),
    ("facts", laws::facts::holds),
    ("nodeset", laws::nodeset::holds),
    ("pattern", laws::pattern::holds),
    ("request", laws::request::holds),
    ("commit", laws::commit::holds),
];

#[test]
fn what_was_fuzzed_once_holds_for_ever() {
    for (name, holds) in LAWS {
        let folder = root("fuzz/corpus").join(name);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut inputs: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has seeds");
        for input in inputs {
            // The runner shows what a failing test printed: this says which input broke the law.
            println!("{}", input.display());
            holds(&fs::read(&input).expect("the input can be read"));
        }
    }
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
