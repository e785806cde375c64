//! A facts file: whatever it holds is told at its place, or taken.

use super::wishes::{SOUND, builds};
use muster::model::{File, Tree};

/// Puts an input in the place of the sound cluster's facts.
pub fn holds(input: &[u8]) {
    let mut tree = Tree::from_fixture(SOUND);
    tree.insert("nodes/a.facts.csv", File::Bytes(input.into()));
    builds(&tree);
}
