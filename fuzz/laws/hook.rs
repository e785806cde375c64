//! What git hands to the hook pre-receive: a line is an update that says what the line said, or it is none.

use muster::git::Update;

/// Reads each line of an input.
pub fn holds(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for line in text.lines() {
        let Some(update) = Update::parse(line) else { continue };
        let none = "0".repeat(40);
        let id = |id: &Option<muster::model::Revision>| id.as_ref().map_or(none.clone(), ToString::to_string);
        assert_eq!(format!("{} {} {}", id(&update.old), id(&update.new), update.reference), line);
        assert!(update.reference.starts_with("refs/") && !update.reference.contains(char::is_whitespace));
    }
}
