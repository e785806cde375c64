//! The example.
use super::tree::{built, example};

#[test]
fn the_example_has_no_finding() {
    built(&example());
}
